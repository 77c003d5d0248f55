"""The chunk size to recommend for an origin: the smallest whose predicted wall is within 2 % of the best.

Small chunks win ties: results come sooner, the work is better balanced, less is in memory, less is lost with a task.
"""

from __future__ import annotations

from math import ceil, log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.change import Chunk
from mpdiag.model.whatif import replay

if TYPE_CHECKING:
    from mpdiag.model.run import Origin, Run

TOLERANCE = 0.02
"""What is within this share of the best wall is as good as the best."""
ROUNDS = 2
"""Every worker gets at least so many chunks of a call, so that one slow chunk can be made up for."""
MESSAGE_S = 100e-6
"""What a message is taken to cost in all, for the Kruskal-Weiss candidate only: measured between 26 and 198 us."""


def recommended_chunksize(run: Run, origin: int) -> int:
    """Items per message for this origin; 1 when a call has too few items for chunks."""
    most = _most(run, run.origins[origin])
    candidates = _candidates(run, run.origins[origin], most)
    walls = {size: replay(run, (Chunk(origin, size),)).wall_s for size in candidates}
    # Within 2 % of what can change at all: a long program around these calls, or others in the same pool, must not make
    # every size look good.
    best = min(walls.values())
    limit = best + TOLERANCE * max(best - run.meta.wall_s + _span_s(run, origin), 0.0)
    return min(size for size in candidates if walls[size] <= limit)


def _most(run: Run, origin: Origin) -> int:
    """The largest chunk that leaves every worker ``ROUNDS`` chunks of a call (of all items, if each came by itself)."""
    calls = origin.jobs if origin.jobs < origin.tasks else 1
    items = origin.items / max(1, calls)
    return max(1, int(items / (ROUNDS * max(1, run.pools[origin.pool].workers))))


def _candidates(run: Run, origin: Origin, most: int) -> list[int]:
    """Powers of two up to ``most``, the standard library's choice, and that of Kruskal and Weiss (1985)."""
    workers = max(1, run.pools[origin.pool].workers)
    sizes = {1 << power for power in range(most.bit_length())} | {most, ceil(most / 2)}
    tasks = run.tasks_by_origin[origin.index]
    spread = float(np.nanstd((tasks["end"] - tasks["begin"]) / np.maximum(tasks["items"], 1))) if len(tasks) else 0.0
    if spread > 0 and most > 1:
        ideal = (sqrt(2) * origin.items * MESSAGE_S / (spread * workers * sqrt(log(max(workers, 2))))) ** (2 / 3)
        sizes.add(min(most, max(1, round(ideal))))
    return sorted(size for size in sizes if size <= most)


def _span_s(run: Run, origin: int) -> float:
    """Seconds from the first submission of the origin's tasks to the last result, while the pool existed."""
    pool = run.pools[run.origins[origin].pool]
    tasks = run.tasks_by_origin[origin]
    begin = float(np.fmin.reduce(tasks["submitted"], initial=pool.ended))
    end = float(np.fmax.reduce(tasks["handled"], initial=pool.created))
    return min(pool.ended, run.meta.wall_s, end) - max(pool.created, begin)
