"""How much CPU time pools really used, by the operating system's own account of the run."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.accounting import account
from mpdiag.model.regions import outside_pools_s, region, union

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mpdiag.model.run import Process, Run


def cpu_beside_tasks_s(run: Run, pools: Iterable[int]) -> float:
    """CPU seconds of these pools, parents and workers, beside their start-up: tasks, messages, the main thread.

    The total of the run, as its supervisor was told at its end and with what it could not be told, less what the
    program used outside pools and what other processes used, shared among the pools by the time that their processes
    existed. NaN when the run's total is not known.
    """
    chosen = set(pools)
    spans = {pool.index: _length(region(run, pool)) * (pool.workers + 1) for pool in run.pools}
    total = sum(spans.values())
    share = sum(spans[pool] for pool in chosen) / total if total > 0 else 0.0
    starting = sum(account(run).pools[pool].seconds["startup"] for pool in chosen)
    return _in_pools_s(run) * share - starting


def room(run: Run) -> float:
    """How many times the CPU time that the pools' processes used the processors had, while there were pools.

    Near 1 there was no room for anybody else's. Infinite where the run's total is not known.
    """
    used = _in_pools_s(run)
    had = run.meta.cpus_usable * sum(map(_length, union(region(run, pool) for pool in run.pools)))
    return max(1.0, had / used) if used > 0 else float("inf")


@lru_cache(maxsize=2)
def _in_pools_s(run: Run) -> float:
    if not run.meta.complete:
        return float("nan")
    workers = {worker.process for worker in run.workers}
    total = run.meta.cpu_s - _outside_s(run)
    for place, process in enumerate(run.processes):
        if place in workers:
            total += _cpu_s(run, process) if _unaccounted(process) else 0.0
        elif process.role != "program" and not _unaccounted(process):
            total -= process.cpu_s if isfinite(process.cpu_s) else 0.0
    return total


def _unaccounted(process: Process) -> bool:
    """Whether the run's total is without this process.

    No process of the program waits for the fork server, nor for the resource tracker; and the fork server is the parent
    of all that it forks.
    """
    return process.method == "forkserver" or process.role in ("forkserver", "resource tracker")


def _cpu_s(run: Run, process: Process) -> float:
    """CPU seconds of a process as it told at its end; else, as it was killed, as it was last sampled."""
    if isfinite(process.cpu_s):
        return process.cpu_s
    mine = run.samples[(run.samples["pid"] == process.pid) & (run.samples["t"] >= process.start)]
    return float(mine["cpu"].max()) if len(mine) else 0.0


def _outside_s(run: Run) -> float:
    """CPU seconds of the program's own process outside pools, by samples of it; all the time where none was taken."""
    wall = run.meta.wall_s
    mine = run.samples[run.samples["pid"] == run.processes[0].pid] if run.processes else run.samples[:0]
    if not len(mine):
        return outside_pools_s(run)
    mine = mine[np.argsort(mine["t"], kind="stable")]
    times, used = np.append(0.0, mine["t"]), np.append(0.0, mine["cpu"])
    edges = [(0.0, 0.0), *union(region(run, pool) for pool in run.pools), (wall, wall)]
    gaps = [(before[1], after[0]) for before, after in pairwise(edges)]
    return float(sum(np.interp(end, times, used) - np.interp(start, times, used) for start, end in gaps))


def _length(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]
