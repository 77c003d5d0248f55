"""How many tasks a timed one stands for, so that the weights of every origin sum to its exact count of tasks.

A task is timed by a side when a hash of it is below that side's threshold, one in k. It is seen by all sides with
probability 1/max(k), so it stands for max(k) tasks (Horvitz and Thompson, 1952). Then the weights are calibrated to the
totals that are known exactly (raking, Deming and Stephan, 1940): tasks per origin, answers per worker. The origins'
totals hold to rounding; the workers' as nearly as the tasks that were timed allow.

Only the tasks that most is known of carry weight: where an origin has tasks that parent and worker both timed, those
that one side alone timed weigh nothing. Otherwise a sum over a column that one side fills would miss the others' share.
So a weighted sum over any column, NaNs left out, estimates the sum over all tasks. Tasks that were sent and never
answered are a group of their own, since they have no worker's side to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mpdiag.model.lookup import Indices
    from mpdiag.model.pools import Pools
    from mpdiag.model.workers import Workers

    Floats = NDArray[np.float64]

ROUNDS = 20
"""Of raking: margins that agree converge geometrically; after 20 what remains is far below the sampling's noise."""
WORK_SCORE = 2
"""What a worker's record counts beside the parent's two: without it a task's compute time is unknown."""


def weigh(table: NDArray[Any], sides: Sequence[Floats], pools: Pools, workers: Workers) -> Floats:
    """The weight of every task; ``sides`` are the weights of its records: send, work, collect (0: no record)."""
    send, work, collect = sides
    origins = len(pools.origins)
    raw = np.maximum(np.maximum(send, work), collect)
    score = (send > 0) + WORK_SCORE * (work > 0).astype(np.int64) + (collect > 0)
    # Tasks of unknown origin stand for those origins of their pool that no task is known of.
    owner = np.where(table["origin"] >= 0, table["origin"], origins + table["pool"]).astype(np.int64)
    answered = (work > 0) | (collect > 0)
    present = np.bincount(owner, minlength=origins + len(pools.pools)) > 0
    totals = _totals(pools, workers, present)
    group = owner + len(present) * ~answered
    counts = np.bincount(group, minlength=2 * len(present)).reshape(2, -1)
    # Without a task that was never answered to carry their number, the answered ones do; and the reverse.
    totals[0] += np.where(counts[1] == 0, totals[1], 0)
    totals[1] = np.where(counts[1] == 0, 0, totals[1])
    totals[1] += np.where(counts[0] == 0, totals[0], 0)
    targets = np.where(counts > 0, totals, 0).ravel()
    best = np.zeros(len(targets), np.int64)
    np.maximum.at(best, group, score)
    weight = np.where(score == best[group], raw, 0.0)
    return weight * _raked(weight, group, table["worker"].astype(np.int64), targets, workers)


def _totals(pools: Pools, workers: Workers, present: NDArray[np.bool_]) -> Floats:
    """Tasks answered and never answered: (2, origins + pools); a pool's place is for tasks of unknown origin."""
    origins = len(pools.origins)
    sent = pools.sent.astype(np.float64)
    answered = np.minimum(pools.collected, pools.sent).astype(np.float64)
    # Workers may have answered more than the parent collected before it was killed or gave up.
    missing = sent - answered
    pool_missing = np.bincount(pools.origin_pool, missing, len(pools.pools))
    done = np.bincount(workers.pool, workers.done, len(pools.pools))
    collected = np.bincount(pools.origin_pool, answered, len(pools.pools))
    surplus = np.clip(done - collected, 0, pool_missing)
    share = np.divide(surplus, pool_missing, out=np.zeros(len(pool_missing)), where=pool_missing > 0)
    answered += missing * share[pools.origin_pool]
    totals = np.zeros((2, len(present)))
    totals[:, :origins] = answered, sent - answered
    absent = ~present[:origins]
    for row, column in zip(totals, (answered, sent - answered), strict=True):
        row[origins:] = np.bincount(pools.origin_pool[absent], column[absent], len(pools.pools))
    return totals


def _raked(weight: Floats, group: Indices, worker: Indices, targets: Floats, workers: Workers) -> Floats:
    """The factor of every task's weight that brings groups to their targets and workers near to what they did."""
    none = len(workers.workers)
    cells, cell = np.unique(group * (none + 1) + np.where(worker >= 0, worker, none), return_inverse=True)
    cell_group, cell_worker = cells // (none + 1), cells % (none + 1)
    start: NDArray[Any] = np.bincount(cell, weight, len(cells))
    mass = start
    pool = np.append(workers.pool, workers.pool.max(initial=-1) + 1)
    done = np.append(workers.done, 0)
    for _ in range(ROUNDS):
        mass = mass * _ratio(targets, np.bincount(cell_group, mass, len(targets)))[cell_group]
        held = np.bincount(cell_worker, mass, none + 1)
        # Workers without a timed task leave their answers to the others of their pool; one whose count is lost keeps.
        reach = np.where((held > 0) & (done > 0), done, 0.0)
        held_by_pool = np.bincount(pool, np.where(reach > 0, held, 0.0))
        goal = reach * _ratio(held_by_pool, np.bincount(pool, reach))[pool]
        mass = mass * np.where(reach > 0, _ratio(goal, held), 1.0)[cell_worker]
    mass = mass * _ratio(targets, np.bincount(cell_group, mass, len(targets)))[cell_group]
    return _ratio(mass, start)[cell]


def _ratio(wanted: NDArray[Any], held: NDArray[Any]) -> Floats:
    ratio = np.zeros(len(held))
    np.divide(wanted, held, out=ratio, where=held > 0)
    return ratio
