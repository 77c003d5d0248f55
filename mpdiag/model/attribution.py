"""Which origin a task belongs to where its worker alone timed it: workers do not know the user's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.lookup import MISSING, Index, paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mpdiag.model.lookup import Indices
    from mpdiag.model.pools import Pools
    from mpdiag.model.tasks import Records
    from mpdiag.trace.segment import Trace


def attribute(table: NDArray[Any], trace: Trace, pools: Pools) -> None:
    """Fill in missing origins of tasks (ordered by pool, job, index), in place; what cannot be told stays -1.

    In this order: a pool's only origin; the origin of the job's submission; the origin of the job's other tasks (a
    ``Pool`` job is one submission; all tasks of an executor are one job, so there both neighbours must agree).
    """
    unknown = np.flatnonzero(table["origin"] < 0)
    if not len(unknown):
        return
    origin = table["origin"].astype(np.int64)
    origin[unknown] = only_origins(pools)[table["pool"][unknown]]
    unknown = unknown[origin[unknown] < 0]
    origin[unknown] = _submitted(trace, pools, table["pool"][unknown], table["job"][unknown])
    unknown = unknown[origin[unknown] < 0]
    origin[unknown] = _neighbours(table, origin, unknown, executors(pools))
    table["origin"] = origin


def only_origins(pools: Pools) -> Indices:
    """Every pool's origin where it has only one, else -1; and -1 for pool -1."""
    count = np.bincount(pools.origin_pool, minlength=len(pools.pools))
    only = np.full(len(pools.pools) + 1, MISSING, np.int64)
    only[pools.origin_pool] = np.arange(len(pools.origin_pool))
    only[:-1][count > 1] = MISSING
    return only


def executors(pools: Pools) -> NDArray[np.bool_]:
    """Which pools are executors, all of whose tasks are one job."""
    return np.array([pool.kind != "Pool" for pool in pools.pools], bool)


def _submitted(trace: Trace, pools: Pools, pool: Indices, job: NDArray[Any]) -> Indices:
    """The origins by the parents' records of jobs."""
    jobs = trace.table("job")
    origin = pools.origin_by_id.find(paired(jobs["segment"], jobs["origin"]))
    jobs, origin = jobs[origin >= 0], origin[origin >= 0]
    place = Index(paired(pools.origin_pool[origin], jobs["job"])).find(paired(pool, job))
    found: Indices = np.append(origin, MISSING)[place]
    return found


def _neighbours(table: NDArray[Any], origin: Indices, unknown: Indices, executor: NDArray[np.bool_]) -> Indices:
    """The origins by the nearest known tasks of the same job, before and after."""
    known = np.flatnonzero(origin >= 0)
    if not len(known):
        return np.full(len(unknown), MISSING, np.int64)
    place = np.searchsorted(known, unknown)
    sides = []
    for near in (known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]):
        same = (table["pool"][near] == table["pool"][unknown]) & (table["job"][near] == table["job"][unknown])
        sides.append(np.where(same, origin[near], MISSING))
    before, after = sides
    before[place == 0] = MISSING
    after[place == len(known)] = MISSING
    agreed = np.where(before == after, before, MISSING)
    return np.where(executor[table["pool"][unknown]], agreed, np.maximum(before, after))


def origins_of(records: Records, rows: Indices, table: NDArray[Any], trace: Trace, pools: Pools) -> Indices:
    """The origins of records about tasks (which may have been timed, then ``rows`` says where, or not)."""
    origin: Indices = records.origin.copy()
    job = records.table["job"]
    steps: tuple[Callable[[Indices], Indices], ...] = (
        lambda place: np.append(table["origin"].astype(np.int64), MISSING)[rows[place]],
        lambda place: only_origins(pools)[records.pool[place]],
        lambda place: _submitted(trace, pools, records.pool[place], job[place]),
        lambda place: _by_job(table, pools, records.pool[place], job[place]),
    )
    for step in steps:
        unknown = np.flatnonzero(origin < 0)
        if len(unknown):
            origin[unknown] = step(unknown)
    return origin


def _by_job(table: NDArray[Any], pools: Pools, pool: Indices, job: NDArray[Any]) -> Indices:
    """The origins by timed tasks of the same job of a ``Pool``."""
    known = table[(table["origin"] >= 0) & ~np.append(executors(pools), False)[table["pool"]]]
    place = Index(paired(known["pool"], known["job"])).find(paired(pool, job))
    found: Indices = np.append(known["origin"].astype(np.int64), MISSING)[place]
    return found
