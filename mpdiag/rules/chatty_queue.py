"""The rule chatty-queue."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.change import Fewer
from mpdiag.model.relief import spared
from mpdiag.model.talk import by_operation, life_s, pools_of, queues
from mpdiag.wording import calls, numbers
from mpdiag.wording.written import call_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.run import Run, Site, Use

MANY = 1000
"""Messages from which a queue is worth a look: so many take some 10 ms in all."""
LARGE_BYTES = 4096
"""Mean size of a message from which its bytes, no longer its number, are what it costs."""
WORTH_SAYING = 0.05
"""The messages take at least this share of the time of the processes at both ends."""
BATCH = 200
"""Items of a batch: a message then costs each item a hundredth of what it cost alone, and more would save nothing."""


class ChattyQueue(Rule):
    """Many small items, each a message of its own through a queue.

    What it means: a process puts its items one by one into a Queue, and another
    one gets them one by one.

    Why it costs: every put is handed to a thread that pickles it, takes a lock and
    writes it to a pipe; every get takes a lock, reads the pipe twice and unpickles:
    7 to 20 us for both, whatever the item. Small items cost more to pass on than to
    make. A list of some hundred items costs hardly more than one of them.

    Bad:

        for trade in trades:
            queue.put(trade)

    Good:

        for start in range(0, len(trades), 200):
            queue.put(trades[start : start + 200])
    """

    id = "chatty-queue"
    needs = frozenset({"uses"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each queue that is used for many small messages."""
        for indices in queues(run).values():
            puts, gets = by_operation(run, indices, "put"), by_operation(run, indices, "get")
            count, size = sum(use.count for use in puts), sum(use.bytes for use in puts)
            if count < MANY or size >= LARGE_BYTES * count:
                continue
            life = life_s(run, {use.process for use in (*puts, *gets)})
            cost = sum(spared(run, (Fewer(tuple(indices)),)).values())
            if cost >= WORTH_SAYING * life > 0:
                yield _finding(run, indices, puts, cost / life)


def _finding(run: Run, indices: Sequence[int], puts: Sequence[Use], share: float) -> Finding:
    by_site: dict[Site, int] = {}
    for use in puts:
        by_site[use.site] = by_site.get(use.site, 0) + use.count
    site = max(by_site, key=lambda one: by_site[one])
    count, size = sum(use.count for use in puts), sum(use.bytes for use in puts)
    producers = {use.process for use in puts}
    consumers = {run.uses[index].process for index in indices if run.uses[index].operation == "get"}
    pools = pools_of(run, producers | consumers)
    return Finding(
        rule=ChattyQueue.id,
        title=f"{count:,} messages of {numbers.size(size / count)} through one {puts[0].kind}: passing them on takes"
        f" {numbers.share(min(1.0, share))} of the time at both ends",
        site=site,
        evidence=(
            Evidence("messages put", count, "count"),
            Evidence("of these, at this line", by_site[site], "count"),
            Evidence("bytes of a message", size / count, "bytes"),
            Evidence("processes that put", len(producers), "count"),
            Evidence("processes that get", len(consumers), "count"),
            Evidence("waiting for messages", _blocked(run, indices, "get"), "s"),
            Evidence("waiting for room", _blocked(run, indices, "put"), "s"),
        ),
        fix=Fix(
            f"put lists of {BATCH} items, and get them as lists",
            (
                "The other side then loops over what it gets: for item in queue.get().",
                "Put what is left at the end; where items are rare, put it too when none has come for a while.",
            ),
            _snippet(site),
        ),
        change=Fewer(tuple(indices), share=1 / BATCH),
        explains=("not-worth-it",),
        about=tuple(("pool", pool) for pool in pools),
    )


def _blocked(run: Run, indices: Sequence[int], operation: str) -> float:
    return sum(use.blocked_s for use in by_operation(run, indices, operation))


def _snippet(site: Site) -> str:
    written = call_at(site, "put")
    queue, item = "queue", "item"
    if written is not None and isinstance(written.call.func, ast.Attribute) and written.call.args:
        queue, item = calls.text_of(written.call.func.value), calls.text_of(written.call.args[0])
    return "\n".join(
        (
            "batch = []",
            calls.beside("...", "in the loop:"),
            calls.beside(f"batch.append({item})", f"in place of {queue}.put({item})"),
            f"if len(batch) == {BATCH}:",
            f"    {queue}.put(batch)",
            "    batch = []",
            calls.beside("...", "after the loop, the rest:"),
            f"{queue}.put(batch)",
        )
    )
