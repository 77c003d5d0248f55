"""Where pools lie in the run: their regions, the union of them, and pools inside workers of other pools."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mpdiag.model.run import Pool, Run

Interval = tuple[float, float]


def region(run: Run, pool: Pool) -> Interval:
    """The part of the run in which the pool existed: seconds from the run's start, clipped to the run."""
    wall = run.meta.wall_s
    start = min(max(pool.created, 0.0), wall)
    end = pool.ended if isfinite(pool.ended) else wall
    return start, min(max(end, start), wall)


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The intervals merged where they touch or overlap, in order."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def length(intervals: Iterable[Interval]) -> float:
    """The seconds that the union of the intervals covers."""
    return sum(end - start for start, end in union(intervals))


@lru_cache(maxsize=2)
def owners(run: Run) -> dict[int, int]:
    """The worker (index) in whose process a pool was created, for every pool that was created inside a worker.

    A pid may be used again: the worker's lifetime must cover the pool's creation.
    """
    workers_of_pid: dict[int, list[int]] = {}
    for worker in run.workers:
        workers_of_pid.setdefault(run.processes[worker.process].pid, []).append(worker.index)
    found = {}
    for pool in run.pools:
        for index in workers_of_pid.get(pool.pid, ()):
            worker = run.workers[index]
            if worker.pool != pool.index and worker.launched <= pool.created <= worker.end:
                found[pool.index] = index
    return found


def outside_pools_s(run: Run) -> float:
    """Wall seconds of the run in which no pool existed."""
    return max(0.0, run.meta.wall_s - length(region(run, pool) for pool in run.pools))
