"""How much other programs kept the processors busy: what everything took longer for that, serial code too."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.consumption import room
from mpdiag.model.demand import useful_share

if TYPE_CHECKING:
    from mpdiag.model.run import Pool, Run


def slowdown(run: Run, pool: Pool) -> float:
    """How many times longer work took because of other programs; 1 where they left this one alone.

    All of the program's waiting for a processor, less what the pool's own processes, workers and parent, make each
    other wait: that many on so few processors, each gets its part. And no more than others can have had: where the
    program's own processes and threads kept all processors busy, they waited for each other.
    """
    return max(1.0, min(max(_of_processes(run), _of_tasks(run)) / _own(run, pool), room(run)))


def seen_slowdown(run: Run, pool: Pool) -> float:
    """``slowdown`` by the kernel's figures alone, which no single preempted task distorts; 1 where it tells none."""
    return max(1.0, min(_of_processes(run) / _own(run, pool), room(run)))


def _own(run: Run, pool: Pool) -> float:
    return max(1.0, (pool.workers + 1) / max(1, run.meta.cpus_usable))


@lru_cache(maxsize=2)
def _of_processes(run: Run) -> float:
    """CPU and run-queue time over CPU time, of all processes as the kernel counted them; 1 where it does not tell."""
    cpu = waited = 0.0
    for pid in np.unique(run.samples["pid"]):
        mine = run.samples[run.samples["pid"] == pid]
        cpu += float(mine["cpu"].max())
        waited += float(mine["runqueue"].max())
    return (cpu + waited) / cpu if cpu > 0 else 1.0


def _of_tasks(run: Run) -> float:
    """The tasks' time over what they needed of it (``demand`` tells waiting for a processor from being blocked)."""
    useful = useful_share(run)
    return 1.0 / useful if useful > 0 else 1.0
