"""The rule repeated-payload."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from mpdiag.diagnosis import Finding, Fix, Rule
from mpdiag.model.change import Shed
from mpdiag.model.payload import loads
from mpdiag.model.sites import about_origins
from mpdiag.wording import calls, numbers
from mpdiag.wording.payload import facts, heaviest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.payload import Load
    from mpdiag.model.run import Origin, Pool, Run

LARGE_BYTES = 16_384
"""Content from this size on, in one message: below, the message costs more (30-60 us in a Pool, measured with tasks
that do nothing) than these bytes at 2-4 ns each for pickling, transfer and unpickling."""
MOSTLY = 0.5
"""At least this share of the messages looked into carried what had been sent before; else oversized-argument speaks."""
WORTH_SAYING = 0.1
"""Carrying takes at least this share of carrying and computing: less can hardly save 3 % of a run, and is not said."""


class RepeatedPayload(Rule):
    """The same argument is sent to the workers again and again.

    What it means: one of the arguments, or a large part of them, has the same
    content in most tasks: a table, a model, an archive that every task needs and
    none changes.

    Why it costs: a pool remembers nothing between tasks. The argument is pickled,
    sent and unpickled for every task as if it were new, and the parent does its
    part of that for all workers, one task at a time. A worker that got it when it
    started has it for all its tasks.

    Bad:

        with ProcessPoolExecutor() as executor:
            for query in queries:
                executor.submit(most_similar, query, archive)

    Good:

        def start_worker(archive):
            global ARCHIVE
            ARCHIVE = archive

        def look_up(query):
            return most_similar(query, ARCHIVE)

        with ProcessPoolExecutor(
            initializer=start_worker, initargs=(archive,)
        ) as executor:
            for query in queries:
                executor.submit(look_up, query)
    """

    id = "repeated-payload"
    needs = frozenset({"tasks", "parts"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each call that repeats a heavy argument."""
        heavy = [
            load
            for load in loads(run)
            if load.role == "argument" and load.message_bytes >= LARGE_BYTES and load.repeats >= MOSTLY
        ]
        for origins, group in groupby(heavy, key=lambda load: load.origins):
            parts = list(group)
            if sum(load.share for load in parts) >= WORTH_SAYING:
                yield _finding(run, origins, parts)


def _finding(run: Run, origins: tuple[int, ...], parts: list[Load]) -> Finding:
    origin = max((run.origins[index] for index in origins), key=lambda origin: origin.tasks)
    pool = run.pools[origin.pool]
    tasks = sum(run.origins[index].tasks for index in origins)
    each = sum(load.task_bytes for load in parts)
    main = heaviest(parts)
    # Equal samples make equal content likely, no more: whoever acts on it must look first.
    sampled = any(load.sampled for load in parts)
    same = "what looks like the same" if sampled else "the same"
    already = f"The pool has an initialiser already, {pool.initializer}: let it do this too."
    return Finding(
        rule=RepeatedPayload.id,
        title=f"{same} {main.name} of {numbers.size(main.message_bytes)} goes out with {main.messages:,.0f} tasks,"
        " again and again",
        site=origin.site,
        evidence=facts(parts, tasks),
        fix=Fix(
            f"send {main.name} once to each worker, through the initialiser",
            (
                "Define both functions at the top level of the module.",
                *((already,) if pool.initializer else ()),
                *(
                    (f"Make sure that {main.name} really is the same: only samples of it were compared.",)
                    if sampled
                    else ()
                ),
                f"Where {main.name} differs from task to task but comes back often, send its key and keep them all.",
            ),
            _snippet(pool, origin, main, each),
        ),
        confidence="low" if sampled else "high",
        change=Shed(origin.index, "argument", each, once=sum(load.message_bytes for load in parts)),
        explains=("oversized-argument", "not-worth-it"),
        about=about_origins(run, origins),
    )


def _snippet(pool: Pool, origin: Origin, main: Load, each: float) -> str:
    function, taken = calls.function_name(origin), calls.parameters(origin)
    kept, kept_global = calls.constant(main.name)
    keyword = kept_global if main.name != kept else f"{kept}={kept_global}"
    plain = f"{function}_kept"
    return "\n".join(
        (
            calls.beside(f"def start_worker({kept}):", f"once in each of {pool.workers} workers"),
            f"    global {kept_global}",
            f"    {kept_global} = {kept}",
            "",
            calls.beside(f"def {plain}({taken}):", f"called with what is left: {numbers.size(each)} less a task"),
            f"    return {function}({taken}, {keyword})",
            "",
            calls.creation(pool, f"initializer=start_worker, initargs=({kept},)"),
            f"    {calls.same_call(pool, origin, plain)}",
        )
    )
