"""The first line of a report: is it worth having the processes? In plain words, with the number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.model.competition import slowdown
from mpdiag.model.demand import useful_share
from mpdiag.model.regions import outside_pools_s
from mpdiag.wording.numbers import seconds

if TYPE_CHECKING:
    from mpdiag.model.run import Run
    from mpdiag.model.serial import Estimate

SAME_SPEED = 0.05
"""A speed-up within this of 1 is called the same speed: runs of one program differ by as much."""
LITTLE = 0.1
"""Pools that were there for less than this share of the run do not decide its speed."""
BUSY = 1.5
"""Other programs that made the work take so many times longer are named in the headline."""
KEPT_WAITING = 0.1
"""and so is what can be seen in the report: this share of the time inside tasks was spent waiting for a core."""
UNSEEN = frozenset({"the program", "a Python process"})
"""What losses call a program that could not be instrumented."""


def headline(run: Run, speed: Estimate | None) -> str:
    """Is it worth having the processes? In plain words, with the number."""
    unseen = next((loss.why for loss in run.losses if loss.what in UNSEEN), None)
    if not run.pools and unseen is not None:
        return f"Nothing could be seen: {unseen}"
    if not run.pools:
        return "No pool was used: there are no tasks to judge"
    words = _judgement(run, speed)
    if failures(run) and succeeded(run):
        words += f" ({failures(run):,} of {failures(run) + succeeded(run):,} tasks failed)"
    if not ended_well(run):
        return f"Cut off after {seconds(run.meta.wall_s)}; until then: {words[0].lower()}{words[1:]}"
    return words


def _judgement(run: Run, speed: Estimate | None) -> str:
    if speed is None:
        pools = "A pool was" if len(run.pools) == 1 else f"{len(run.pools)} pools were"
        return f"{pools} created, but no task was recorded: nothing can be said about the speed"
    if not succeeded(run):
        return "No useful work was recorded: " + ("every task failed" if failures(run) else "no task was finished")
    pooled = run.meta.wall_s - outside_pools_s(run)
    if pooled < LITTLE * run.meta.wall_s:
        return f"Pools were there for {pooled / run.meta.wall_s:.0%} of the time: the rest of the program decides"
    cpus = "1 CPU" if run.meta.cpus_usable == 1 else f"{run.meta.cpus_usable} CPUs"
    if speed.value < 1 - SAME_SPEED:
        cause = "the processes cost more than they bring"
        kept_waiting = 1.0 - useful_share(run) >= KEPT_WAITING
        if kept_waiting and max((slowdown(run, pool) for pool in run.pools), default=1.0) > BUSY:
            cause = "other programs kept the CPUs busy, and the processes cost more than they bring"
        return f"{1 / speed.value:.1f}x slower than serial code would be: {cause}"
    if speed.value <= 1 + SAME_SPEED:
        return f"As fast as serial code would be: the processes bring nothing on {cpus}"
    return f"{speed.value:.1f}x faster than serial code would be, on {cpus}"


def failures(run: Run) -> int:
    """How many tasks raised, in all pools."""
    return sum(pool.failed for pool in run.pools)


def succeeded(run: Run) -> int:
    """How many tasks were answered with a value, in all pools."""
    return sum(pool.results - pool.failed for pool in run.pools)


def ended_well(run: Run) -> bool:
    """Whether the program came to its own end: it was not killed, and is not still running."""
    status = run.meta.exit_status
    return run.meta.complete and (status is None or status >= 0)
