"""The rule chatty-pipe."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.change import Fewer
from mpdiag.model.relief import dialogue_s, is_dialogue
from mpdiag.wording import calls, numbers
from mpdiag.wording.written import call_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.run import Run, Site, Use

MANY = 500
"""Round trips from which asking one by one is a habit: so many take some 20 ms in all."""
LARGE_BYTES = 4096
"""Mean size of a message from which its bytes, no longer its number, are what it costs."""
WORTH_SAYING = 0.05
"""What the way there and back takes, as a share of the run."""
BATCH = 500
"""Questions asked at once: the way there and back then costs each a five-hundredth."""


class ChattyPipe(Rule):
    """Question and answer over a pipe, one small message at a time.

    What it means: a process sends a question to another one, waits for the answer,
    and only then sends the next, thousands of times.

    Why it costs: each message is pickled, written, and wakes the other process; so
    does the answer. That takes 20 to 80 us, in which neither side works. The two
    never work at the same time, either. Ask for many things in one message.

    Bad:

        for point in points:
            connection.send(point)
            districts.append(connection.recv())

    Good:

        for start in range(0, len(points), 500):
            connection.send(points[start : start + 500])
            districts.extend(connection.recv())
    """

    id = "chatty-pipe"
    needs = frozenset({"uses"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each pipe over which a process asks again and again."""
        ends: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, use in enumerate(run.uses):
            if use.kind == "Connection":
                ends[use.process, use.object].append(index)
        for indices in ends.values():
            uses = [run.uses[index] for index in indices]
            asked = [use for use in uses if is_dialogue(use)]
            received = sum(use.count for use in uses if use.operation == "recv")
            trips = sum(use.timed for use in asked)
            # Who asks gets nothing but answers; who answers was asked a first time.
            if trips < max(MANY, received):
                continue
            change = Fewer(tuple(indices), share=1 / BATCH)
            small = sum(use.bytes for use in uses) < LARGE_BYTES * sum(use.count for use in uses)
            if small and dialogue_s(run, (change,)) >= WORTH_SAYING * run.meta.wall_s:
                yield _finding(run, uses, asked, change)


def _finding(run: Run, uses: Sequence[Use], asked: Sequence[Use], change: Fewer) -> Finding:
    sends = [use for use in uses if use.operation == "send"]
    site = max(sends or asked, key=lambda use: use.count).site
    trips, spent = sum(use.timed for use in asked), sum(use.busy_s for use in asked)
    way = dialogue_s(run, (change,)) / trips
    return Finding(
        rule=ChattyPipe.id,
        title=f"{trips:,} questions asked one by one over a pipe: {numbers.seconds(spent / trips)} each, of which the"
        f" way takes {numbers.seconds(way)}",
        site=site,
        evidence=(
            Evidence("round trips", trips, "count"),
            Evidence("a round trip", spent / trips, "s"),
            Evidence("of it, the way there and back", way, "s"),
            Evidence("bytes of a message", sum(use.bytes for use in uses) / sum(use.count for use in uses), "bytes"),
            Evidence("waiting for answers", sum(use.blocked_s for use in asked), "s"),
        ),
        fix=Fix(
            f"ask {BATCH} questions in one message",
            (
                "The other side answers with a list, in the same order.",
                "Where a question depends on the answer before, move the loop to where the answers are.",
            ),
            _snippet(site),
        ),
        change=change,
    )


def _snippet(site: Site) -> str:
    written = call_at(site, "send")
    pipe = "connection"
    if written is not None and isinstance(written.call.func, ast.Attribute):
        pipe = calls.text_of(written.call.func.value)
    return "\n".join(
        (
            calls.beside(f"for start in range(0, len(questions), {BATCH}):", "questions: all of them, in a list"),
            f"    {pipe}.send(questions[start : start + {BATCH}])",
            calls.beside(f"    answers.extend({pipe}.recv())", "a list, made there in one go"),
        )
    )
