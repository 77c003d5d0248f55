"""A pool's region taken apart: creation, start of its workers, batches of work, the time after, shutdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.batches import batches, handled_s
from mpdiag.model.regions import region

if TYPE_CHECKING:
    from mpdiag.model.batches import Batch
    from mpdiag.model.run import Pool, Run


@dataclass(frozen=True, slots=True)
class Workload:
    """A pool's region, taken apart. Seconds; ``first`` and ``launched`` count from the pool's creation."""

    pool: int
    seconds: float
    """The recorded region: what a replay must reproduce."""
    create_s: float
    launched: tuple[float, ...]
    first: tuple[float, ...]
    """When each of the pool's first workers asked for its first task."""
    trail_s: float
    """From the last result handed over to the beginning of the shutdown."""
    close_s: float
    batches: tuple[Batch, ...]


def workload(run: Run, pool: Pool) -> Workload:
    """Take a pool's region apart."""
    start, end = region(run, pool)
    tasks = run.tasks[run.tasks["pool"] == pool.index]
    handled = handled_s(tasks)
    last = float(np.nanmax(handled)) if np.isfinite(handled).any() else pool.ready
    last = min(max(last, start), end)
    closing = min(max(pool.closing, last), end) if np.isfinite(pool.closing) else end
    ready = min(max(pool.ready, start), end)
    launched, first = _slots(run, pool, start, end)
    return Workload(
        pool.index,
        end - start,
        ready - start,
        launched,
        first,
        closing - last,
        end - closing,
        tuple(batches(run, tasks, ready)),
    )


def _slots(run: Run, pool: Pool, start: float, end: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Launch and first task of the pool's first ``workers`` workers; one that never asked could have at the end."""
    mine = sorted((worker for worker in run.workers if worker.pool == pool.index), key=lambda worker: worker.launched)
    mine = mine[: max(1, pool.workers)]
    launched = tuple(min(max(worker.launched - start, 0.0), end - start) for worker in mine)
    first = tuple((worker.first if np.isfinite(worker.first) else end) - start for worker in mine)
    first = tuple(min(max(at, begin), end - start) for at, begin in zip(first, launched, strict=True))
    return launched or (0.0,), first or (0.0,)
