"""What the workers' own records say: how long they waited and read, what lies between tasks, whom they stand for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.run import Run

    Floats = NDArray[np.float64]

PIPE_BYTES = 65536
"""Capacity of a pipe on Linux (pipe(7)); a larger message is handed over while its reader reads."""
SEVERAL = 1.5
"""A task of at least this weight stands for others too (recorded weights are powers of two, then calibrated)."""


def split_wait(tasks: NDArray[Any]) -> tuple[Floats, Floats]:
    """Seconds that each task's worker waited for it, then read it: two arrays, NaN where the worker did not record.

    The wait ends when the parent begins to write (``pickled``); where that is unknown, the reading is estimated by the
    median of the joined tasks of similar size (the same power of two), or of the quickest tenth if none is joined.
    """
    whole = np.asarray(tasks["received"] - tasks["asked"], "f8")
    reading = np.clip(tasks["received"] - np.fmax(tasks["pickled"], tasks["asked"]), 0.0, whole)
    unknown = np.isnan(tasks["pickled"])
    if unknown.any():
        power = np.frexp((tasks["argument_bytes"] + tasks["callable_bytes"]).astype("f8"))[1]
        known = ~unknown & np.isfinite(whole)
        for size in np.unique(power[unknown]):
            alike = known & (power == size)
            if not alike.any():
                alike = known
            here = unknown & (power == size)
            if alike.any():
                typical = np.median(reading[alike])
            else:
                seen = whole[here & np.isfinite(whole)]
                typical = np.quantile(seen, 0.1) if len(seen) else 0.0
            reading[here] = np.minimum(typical, whole[here])
    return whole - reading, reading


def between_s(tasks: NDArray[Any]) -> tuple[Floats, Floats]:
    """Seconds between each task's reply and its worker's next asking (two arrays): of large tasks, and of others.

    After a large task or result its memory is given back; after others there is only the pool's loop. NaN in the other
    array, and in both where the worker's next task is not known for certain (the last one; tasks not all timed).
    """
    released, looped = np.full(len(tasks), np.nan), np.full(len(tasks), np.nan)
    if not _timed_each(tasks["weight"]).any():
        return released, looped
    order = np.lexsort((tasks["asked"], tasks["worker"]))
    ordered = tasks[order]
    gaps = np.maximum(ordered["asked"][1:] - ordered["replied"][:-1], 0.0)
    certain = (ordered["worker"][1:] == ordered["worker"][:-1]) & (ordered["worker"][1:] >= 0)
    certain &= _timed_each(ordered["weight"][1:]) & _timed_each(ordered["weight"][:-1])
    large = (ordered["argument_bytes"] + ordered["callable_bytes"] + ordered["result_bytes"])[:-1] > PIPE_BYTES
    released[order[:-1][certain & large]] = gaps[certain & large]
    looped[order[:-1][certain & ~large]] = gaps[certain & ~large]
    return released, looped


def _timed_each(weight: Floats) -> NDArray[np.bool_]:
    """Whether every task was timed when these were: they stand for one, give or take the calibration to totals."""
    return (weight > 0) & (weight < SEVERAL)


@lru_cache(maxsize=2)
def worker_weights(run: Run) -> Floats:
    """The weight of every task in sums over the workers' side alone; 0 where its worker did not record it.

    ``Run.tasks`` weighs a task that only one side timed with 0. Where the workers of a pool timed all of theirs, each
    stands for itself here, whatever the parent did.
    """
    tasks = run.tasks
    known = tasks["worker"] >= 0
    for stamp in ("asked", "received", "begin", "end", "replied_from", "replied"):
        known &= np.isfinite(tasks[stamp])
    weights: Floats = np.where(known, tasks["weight"], 0.0)
    weights[known & whole_pools(run)[tasks["pool"]]] = 1.0
    return weights


def whole_pools(run: Run) -> NDArray[np.bool_]:
    """By pool: whether its workers timed every task that they did."""
    done = np.array([worker.done for worker in run.workers], "i8")
    pool = np.array([worker.pool for worker in run.workers], "i8")
    mine = run.tasks["worker"][(run.tasks["worker"] >= 0) & np.isfinite(run.tasks["replied"])]
    whole = np.ones(len(run.pools), "?")
    whole[pool[np.bincount(mine, minlength=len(done)) != done]] = False
    return whole
