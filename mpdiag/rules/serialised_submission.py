"""The rule serialised-submission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.batches import outstanding
from mpdiag.model.change import Overlap
from mpdiag.model.sites import about_origins
from mpdiag.wording import calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.run import Origin, Pool, Run

FEWEST = 10
"""Tasks awaited one by one: fewer may be steps that depend on each other."""
MOST_AT_ONCE = 1.5
"""Tasks outstanding on average (Little's law): at the number of workers all are busy, at 1 one of them."""


class SerialisedSubmission(Rule):
    """Each result awaited before the next task is submitted.

    What it means: a loop submits a task, waits for its result, and then submits the
    next one. However many workers there are, one works at a time.

    Why it costs: the program pays for sending and pickling, and gains nothing for
    it: it is a serial program with a detour. Submit all tasks first, then collect
    the results; map does both.

    Bad:

        with Pool(2) as pool:
            for gene in genes:
                scores.append(pool.apply_async(align, (gene,)).get())

    Good:

        with Pool(2) as pool:
            scores = pool.map(align, genes)
    """

    id = "serialised-submission"
    needs = frozenset({"tasks", "origins"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each line whose tasks never overlap."""
        for origin in run.origins:
            pool = run.pools[origin.pool]
            alone = [other for other in run.origins if other.pool == origin.pool] == [origin]
            if origin.method in calls.SINGLE and alone and origin.tasks >= FEWEST and pool.workers > 1:
                at_once = outstanding(run, origin)
                if at_once is not None and at_once < MOST_AT_ONCE:
                    yield _finding(run, pool, origin, at_once)


def _finding(run: Run, pool: Pool, origin: Origin, at_once: float) -> Finding:
    return Finding(
        rule=SerialisedSubmission.id,
        title=f"{origin.tasks:,} tasks submitted one at a time: of {pool.workers} workers {at_once:.1f} had one, on"
        " average",
        site=origin.site,
        evidence=(
            Evidence("tasks", origin.tasks, "count"),
            Evidence("outstanding at a time, on average", at_once, "ratio"),
            Evidence("workers", pool.workers, "count"),
            Evidence("usable processors", run.meta.cpus_usable, "count"),
        ),
        fix=Fix(
            f"submit all {origin.tasks:,} tasks, then collect the results",
            (
                "Where a task needs the result of the one before, there is nothing to do at the same time: no pool.",
                "Where all arguments at once are too many to keep, an iterator feeds them by and by (imap).",
            ),
            _snippet(pool, origin),
        ),
        change=Overlap((pool.index,)),
        explains=("not-worth-it",),
        about=about_origins(run, (origin.index,)),
    )


def _snippet(pool: Pool, origin: Origin) -> str:
    function, receiver = calls.function_name(origin), calls.receiver(pool)
    if pool.kind == "Pool":
        return calls.beside(f"results = {receiver}.starmap({function}, arguments)", "arguments: a tuple for each task")
    return "\n".join(
        (
            f"futures = [{receiver}.submit({function}, *one) for one in arguments]",
            calls.beside("results = [future.result() for future in futures]", "all are under way by now"),
        )
    )
