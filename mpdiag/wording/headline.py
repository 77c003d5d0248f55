"""The first line of a report: is it worth having the processes? In plain words, with the number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.model.competition import slowdown
from mpdiag.model.demand import useful_share
from mpdiag.model.regions import outside_pools_s
from mpdiag.model.stages import CHANNELS, stages, target
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
CLEARLY = 0.1
"""A stage is the bottleneck where it is busier than another one by at least this share of its time."""
UNSEEN = frozenset({"the program", "a Python process"})
"""What losses call a program that could not be instrumented."""


def headline(run: Run, speed: Estimate | None) -> str:
    """Is it worth having the processes? In plain words, with the number."""
    unseen = next((loss.why for loss in run.losses if loss.what in UNSEEN), None)
    if not run.pools and unseen is not None:
        return f"Nothing could be seen: {unseen}"
    if not run.pools and speed is None:
        return "No pool was used, and no process was started: there is nothing to judge"
    words = _judgement(run, speed) if run.pools or speed is None else _compared(run, speed)
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
    return _compared(run, speed)


def _compared(run: Run, speed: Estimate) -> str:
    if not speed.value > 0:
        return "No useful work was recorded: nothing can be said about the speed"
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


def bottleneck(run: Run) -> str | None:
    """The stage that the others wait for, in words; None where processes outside pools exchange no messages."""
    talking = {use.process for use in run.uses if use.kind in CHANNELS}
    taking_part = [stage for stage in stages(run) if stage.process in talking and stage.end > stage.begin]
    if run.pools or len(taking_part) < 2:  # noqa: PLR2004 - a pipeline has two ends
        return None
    busiest = max(taking_part, key=lambda stage: stage.busy_s / (stage.end - stage.begin))
    process = run.processes[busiest.process]
    share = busiest.busy_s / (busiest.end - busiest.begin)
    name = "the main process" if busiest.process == target(run) else process.name or f"process {process.pid}"
    others = [stage for stage in taking_part if stage is not busiest]
    waits = max(1.0 - stage.busy_s / (stage.end - stage.begin) for stage in others)
    if share - (1.0 - waits) < CLEARLY:
        return None
    return f"{name} works {100 * share:.0f} % of its time, others wait up to {100 * waits:.0f} % of theirs"


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
