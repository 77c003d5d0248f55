"""What the same work would take as plain serial code, and the speed-up that the processes brought.

    serial = wall outside pools + useful work of the tasks + the parent's own work while the pools existed

*Useful work* of a task is its CPU time plus the time it was blocked (``demand``). Failed tasks count nothing. What
other programs on the machine made this one wait for a core would have kept serial code waiting, too (``competition``).
*The parent's own work* is the CPU time of the thread that created the pool, less what the pool's machinery used of it,
plus the time that the iterable of an ``imap`` took in the feeding thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.competition import seen_slowdown
from mpdiag.model.demand import demands
from mpdiag.model.regions import outside_pools_s, owners, region
from mpdiag.model.stages import stages, target
from mpdiag.model.worker_side import worker_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mpdiag.model.run import Origin, Pool, Run

    Floats = NDArray[np.float64]

MACHINERY_S: Mapping[tuple[str, str], tuple[float, float]] = {
    ("Pool", "apply"): (24e-6, 0.0),
    ("Pool", "apply_async"): (10e-6, 0.0),
    ("Pool", "imap"): (1.7e-6, 0.1e-6),
    ("Pool", "imap_unordered"): (1.7e-6, 0.1e-6),
    ("ProcessPoolExecutor", "submit"): (21e-6, 0.0),
    ("ProcessPoolExecutor", "map"): (26e-6, 0.3e-6),
}
"""CPU seconds of the submitting thread per task and per item, by kind of pool and method: measured here with tasks that
do nothing (CPython 3.11, thread_time around the submission and the taking of the results). Other methods: nothing."""
CLOSE_S = 1e-3
"""CPU seconds of the creating thread to shut a pool down: measured likewise."""
ONE_PROCESS = 0.5
"""Other load slows one process down less than several: by this power of their slowdown. Measured here beside three
busy loops, where a serial loop took 2.3-3 and a pool of two workers 3.5-6.5 times longer (the kernel shares the cores
between programs as much as between processes: autogroups, containers)."""
INFLATION = 0.9
"""Low end of the range: the same work, run alone, may need this share of the CPU time it needed beside other workers
(shared caches, memory bandwidth and hyper-threads; not measurable from one run)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its range, in the same unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Work:
    """What serial code would do in place of one pool, in seconds."""

    useful: Estimate
    """The tasks' functions."""
    main: float
    """The creating thread's own work while the pool existed."""
    produce: float
    """The iterables of imap-like calls."""

    @property
    def total(self) -> Estimate:
        """All of it."""
        own = self.main + self.produce
        return Estimate(self.useful.value + own, self.useful.low + own, self.useful.high + own)


def serial_estimate(run: Run) -> float | None:
    """Seconds that the run would take as serial code; None when no task was timed."""
    estimate = serial_range(run)
    return None if estimate is None else estimate.value


def serial_range(run: Run) -> Estimate | None:
    """``serial_estimate`` with its range; of a program without pools, from what its processes computed."""
    if not len(run.tasks):
        return _of_stages(run)
    outside = outside_pools_s(run)
    totals = [pool_work(run, pool.index).total for pool in run.pools]
    value, low, high = (sum(getattr(total, name) for total in totals) for name in ("value", "low", "high"))
    return Estimate(outside + value, outside + low, outside + high)


def _of_stages(run: Run) -> Estimate | None:
    """Serial code does what the processes computed, and waits for files and such as they did; None without processes.

    What the target neither computed nor waited for in a way that is recorded was mostly waiting for them to end.
    """
    every = stages(run)
    if run.pools or len(every) < 2:  # noqa: PLR2004 - the target and another
        return None
    first = target(run)
    computed = sum(stage.seconds["compute"] for stage in every)
    unknown = sum(stage.seconds["unaccounted"] for stage in every if stage.process != first)
    return Estimate(computed + unknown, computed * INFLATION, computed + unknown)


def speedup(run: Run) -> Estimate | None:
    """How many times faster than serial code the run was (below 1: slower); None when no task was timed."""
    estimate = serial_range(run)
    wall = run.meta.wall_s
    if estimate is None or wall <= 0:
        return None
    return Estimate(estimate.value / wall, estimate.low / wall, estimate.high / wall)


def pool_work(run: Run, pool: int) -> Work:
    """The work that serial code would do in place of one pool."""
    return _works(run)[pool]


@lru_cache(maxsize=2)
def _works(run: Run) -> tuple[Work, ...]:
    cpu, blocked = demands(run)
    works = []
    for pool in run.pools:
        useful = _useful(run, pool, cpu, blocked)
        works.append(Work(useful, _main(run, pool) * kept_waiting(run, pool), _produce(run, pool)))
    for inner, worker in owners(run).items():
        # A task that ran a pool of its own was blocked while that pool existed: its useful work is the inner pool's.
        outer = run.workers[worker].pool
        start, end = region(run, run.pools[inner])
        less = [max(0.0, value - (end - start)) for value in _triple(works[outer].useful)]
        works[outer] = Work(Estimate(*less), works[outer].main, works[outer].produce)
    return tuple(works)


def kept_waiting(run: Run, pool: Pool) -> float:
    """How many times longer other load would have made serial code take."""
    return float(seen_slowdown(run, pool) ** ONE_PROCESS)


def _triple(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _useful(run: Run, pool: Pool, cpu: Floats, blocked: Floats) -> Estimate:
    """Useful work of a pool's tasks, scaled to the exact number of tasks that did not fail."""
    tasks, weights = run.tasks, worker_weights(run)
    value = low = high = 0.0
    for origin in run.origins:
        if origin.pool != pool.index:
            continue
        mine = (tasks["origin"] == origin.index) & np.isfinite(cpu) & ~tasks["failed"]
        weight = weights[mine]
        total = float(weight.sum())
        if not total:
            continue
        scale = max(0, min(origin.tasks, origin.results) - origin.failed) / total
        alone = float(np.sum(weight * cpu[mine])) * scale
        busy = alone * kept_waiting(run, pool)
        waited = float(np.sum(weight * blocked[mine])) * scale
        wall = float(np.sum(weight * (tasks["end"][mine] - tasks["begin"][mine]))) * scale
        value += busy + waited
        low += alone * INFLATION + waited
        # Nothing says that the rest was not blocked, where it is small.
        high += max(busy + waited, min(wall, (busy + waited) / INFLATION))
    return Estimate(value, low, high)


def _main(run: Run, pool: Pool) -> float:
    if np.isnan(pool.main_cpu_s):
        return 0.0
    machinery = max(0.0, pool.ready - pool.created) + CLOSE_S
    for origin in run.origins:
        if origin.pool == pool.index:
            per_task, per_item = MACHINERY_S.get((pool.kind, origin.method), (0.0, 0.0))
            machinery += origin.tasks * per_task + origin.items * per_item
    start, end = region(run, pool)
    return min(max(0.0, pool.main_cpu_s - machinery), end - start)


def _produce(run: Run, pool: Pool) -> float:
    origins = (origin for origin in run.origins if origin.pool == pool.index)
    return sum(produce_s(run, origin) for origin in origins if origin.method.startswith("imap"))


def produce_s(run: Run, origin: Origin) -> float:
    """Seconds that the iterable of an imap-like origin took in the feeding thread, without the thread's own loop."""
    tasks = run.tasks_by_origin[origin.index]
    gaps = feeding_gaps(tasks)
    known = np.isfinite(gaps) & (tasks["weight"] > 0)
    weight, gaps = tasks["weight"][known], gaps[known]
    total = float(weight.sum())
    if not total:
        return 0.0
    # The rare gap far beyond all others is the thread waiting for the GIL or a core.
    gaps = np.minimum(gaps, OUTLIER * float(np.quantile(gaps, 0.9)))
    return max(0.0, float(np.sum(weight * gaps)) / total - FEEDER_LOOP_S) * origin.tasks


OUTLIER = 5.0
"""Gaps beyond so many times the 90th percentile count as that: a preempted thread waits for milliseconds."""
FEEDER_LOOP_S = 6e-6
"""What the feeding thread does between two tasks of its own: measured here (a list as the iterable), with a margin."""


def feeding_gaps(tasks: NDArray[Any]) -> Floats:
    """Seconds before each task's pickling in which it was submitted and the task before it was out (NaN: unknown)."""
    gaps: Floats = np.fmin(tasks["produce"], tasks["pickled_from"] - tasks["submitted"])
    return np.maximum(gaps, 0.0)
