"""How much CPU time pools really used, by the operating system's own account of the run."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

from mpdiag.model.accounting import account
from mpdiag.model.regions import outside_pools_s, region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mpdiag.model.run import Run


def cpu_beside_tasks_s(run: Run, pools: Iterable[int]) -> float:
    """CPU seconds of these pools, parents and workers, beside their start-up: tasks, messages, the main thread.

    The total of the run, as its supervisor was told at its end, less what lies outside pools (taken to be all CPU) and
    what other processes used, shared among the pools by the time that their processes existed. NaN when the run's total
    is not known.
    """
    chosen = set(pools)
    spans = {pool.index: _length(region(run, pool)) * (pool.workers + 1) for pool in run.pools}
    total = sum(spans.values())
    share = sum(spans[pool] for pool in chosen) / total if total > 0 else 0.0
    starting = sum(account(run).pools[pool].seconds["startup"] for pool in chosen)
    return _in_pools_s(run) * share - starting


@lru_cache(maxsize=2)
def _in_pools_s(run: Run) -> float:
    workers = {worker.process for worker in run.workers}
    others = (
        process.cpu_s
        for place, process in enumerate(run.processes)
        if place not in workers and process.role != "program" and isfinite(process.cpu_s)
    )
    return run.meta.cpu_s - outside_pools_s(run) - sum(others) if run.meta.complete else float("nan")


def _length(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]
