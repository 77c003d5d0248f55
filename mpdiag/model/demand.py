"""What tasks demand of the machine: CPU, and time blocked (I/O, sleep); not what they waited for a core.

A task's wall time is its CPU time, the time it was blocked, and the time it could have run and another process had the
core. The kernel's run-queue delay of the worker (``samples``) tells the last two apart, for the workers of alike pools
together. Where it was not seen, tasks are blocked by nature when even the luckiest of them spend most of their time
without the CPU; else they were kept waiting.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.accounting import STANDARD_ERRORS, account
from mpdiag.model.worker_side import worker_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.run import Run

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

LUCKY = 0.1
"""The share of tasks that are taken not to have been kept from a core, on however loaded a machine."""
BLOCKED_FROM = 0.5
"""Lucky tasks that are without the CPU for this share of their time are blocked by nature."""
SEEN_FROM = 0.3
"""Run-queue delays are used when the workers whose delay is known have this share of the time in question."""


@lru_cache(maxsize=2)
def demands(run: Run) -> tuple[Floats, Floats]:
    """CPU seconds and blocked seconds of every task that its worker timed (along ``run.tasks``; NaN for others)."""
    tasks = run.tasks
    weights = worker_weights(run)
    known = weights > 0
    wall = np.where(known, tasks["end"] - tasks["begin"], np.nan)
    cpu = np.where(np.isnan(tasks["cpu"]), wall, np.clip(tasks["cpu"], 0.0, np.maximum(wall, 0.0)))
    rest = wall - cpu
    blocked = np.full(len(tasks), np.nan)
    delays = _runqueue_delays(run)
    group = _groups(run)[tasks["pool"]] if len(tasks) else np.zeros(0, "i8")
    for number in np.unique(group[known]):
        mine = np.flatnonzero(known & (group == number))
        blocked[mine] = rest[mine] * _blocked_share(run, mine, cpu, rest, delays)
    return cpu, blocked


def useful_share(run: Run) -> float:
    """The share of the time inside tasks that they had a core or were blocked; the rest they waited for a core.

    That time is the ledger's, which no worker can exceed: one preempted task that stands for a hundred counts there for
    what is left of its worker's life. What the tasks needed hardly differs from one to the next.
    """
    cpu, blocked = demands(run)
    known = np.isfinite(cpu) & np.isfinite(blocked)
    inside = sum(pool.seconds["compute"] for pool in account(run).pools)
    needed = float(np.sum(worker_weights(run)[known] * (cpu + blocked)[known]))
    return min(1.0, needed / inside) if inside > 0 else 1.0


def _groups(run: Run) -> NDArray[np.int64]:
    """A number for every pool, the same for pools of one site and kind."""
    numbers: dict[tuple[object, ...], int] = {}
    return np.array([numbers.setdefault((pool.site, pool.kind), len(numbers)) for pool in run.pools], "i8")


def _blocked_share(run: Run, mine: Indices, cpu: Floats, rest: Floats, delays: Floats) -> float:
    """The share of the time in these tasks without CPU that their workers were blocked."""
    weight = worker_weights(run)[mine]
    worker = run.tasks["worker"][mine]
    count = len(run.workers)
    estimated = np.bincount(worker, weight * rest[mine], count)
    total = np.minimum(estimated, _most_s(run, run.tasks[mine]) - np.bincount(worker, weight * cpu[mine], count))
    total = np.maximum(total, 0.0)
    if not total.any():
        return 0.0
    seen = np.isfinite(delays) & (estimated > 0)
    if total[seen].sum() < SEEN_FROM * total.sum():
        lucky = float(np.quantile(rest[mine] / np.maximum(rest[mine] + cpu[mine], 1e-9), LUCKY))
        return float(total.sum() / estimated.sum()) if lucky >= BLOCKED_FROM else 0.0
    # One preempted task that stands for many must not look like I/O of them all.
    variance = np.bincount(worker, weight * np.maximum(weight - 1.0, 0.0) * rest[mine] ** 2, count)
    error = STANDARD_ERRORS * float(np.sqrt(variance[seen].sum()))
    left = max(0.0, float(np.sum(total[seen] - delays[seen])) - error)
    return left / float(estimated[seen].sum())


def _most_s(run: Run, tasks: NDArray[Any]) -> Floats:
    """By worker: the seconds it can have spent inside tasks at most, from its first on less the typical messages."""
    messages = tasks["replied"] - tasks["end"] + tasks["begin"] - np.fmax(tasks["asked"], tasks["pickled"])
    typical = float(np.median(messages))
    lives = np.array([worker.end - max(worker.first, worker.launched) for worker in run.workers])
    done = np.array([worker.done for worker in run.workers])
    return np.nan_to_num(lives - done * typical)


def _runqueue_delays(run: Run) -> Floats:
    """By worker: its run-queue seconds, NaN where it was not sampled near its end or the system does not tell."""
    delays = np.full(len(run.workers), np.nan)
    samples = run.samples
    if not len(samples) or not samples["runqueue"].any():
        return delays
    order = np.argsort(samples["pid"], kind="stable")
    samples = samples[order]
    for worker in run.workers:
        pid = run.processes[worker.process].pid
        mine = samples[np.searchsorted(samples["pid"], pid) : np.searchsorted(samples["pid"], pid, side="right")]
        mine = mine[(mine["t"] >= worker.launched) & (mine["t"] <= worker.end + 1.0)]
        lifetime = worker.end - worker.launched
        if len(mine) and lifetime > 0:
            last = mine[np.argmax(mine["t"])]
            seen = float(last["t"]) - worker.launched
            if seen > lifetime / 2:
                delays[worker.index] = float(last["runqueue"]) * max(1.0, lifetime / seen)
    return delays
