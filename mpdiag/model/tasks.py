"""Timed tasks: what the parent recorded of sending and collecting, joined with what the worker recorded.

Parent and worker time the tasks that the same hash chooses, each with its own sampling rate, so one side's tasks are a
subset of the other's. The join is an outer one on (pool, job, index): a side that recorded nothing leaves NaN. Rows
come in that order, which is the order of submission within a pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.attribution import attribute
from mpdiag.model.keys import Keys
from mpdiag.model.lookup import MISSING, Index, paired
from mpdiag.model.run import TASK_DTYPE
from mpdiag.model.weights import weigh
from mpdiag.trace.clocks import durations, seconds
from mpdiag.wire.format import FLAGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.lookup import Indices
    from mpdiag.model.pools import Pools
    from mpdiag.model.workers import Workers
    from mpdiag.trace.segment import Trace

    Floats = NDArray[np.float64]
    Place = Indices | slice

LARGEST_SHIFT = 40
"""A record's weight is 2 to this at most; the recorder stops at 24, a damaged record could say 255."""
STAMPS = tuple(name for name in TASK_DTYPE.names or () if TASK_DTYPE[name] == np.float64 and name != "weight")


@dataclass(frozen=True, eq=False)
class Records:
    """The records of one kind about tasks, those whose pool is known."""

    table: NDArray[Any]
    pool: Indices
    origin: Indices
    """-1 where it is not known (workers do not know it)."""
    worker: Indices
    lost: int
    """Records whose pool is not known: they are not in the table."""

    @property
    def weight(self) -> Floats:
        """How many tasks each record stands for, by its own side's sampling."""
        weight: Floats = np.exp2(np.minimum(self.table["weight"], LARGEST_SHIFT).astype(np.float64))
        return weight

    @property
    def columns(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """What tells tasks apart."""
        return self.pool, self.table["job"], self.table["index"]


@dataclass(frozen=True, eq=False)
class Tasks:
    """The table of tasks, and what else the join found out."""

    table: NDArray[Any]
    send_weight: Floats
    """By row: what the record of the sending side stood for, 0 where there is none; so for the working side."""
    work_weight: Floats
    callable_shares: Floats
    """By origin: the callable's share of the payload."""
    parts: Records
    part_keys: NDArray[np.uint64]
    """By record of ``parts``: its task's key."""
    part_rows: Indices
    """By record of ``parts``: its task's row; -1 where that was not timed."""
    lost: int
    """Records of tasks whose pool is not known."""


def join_tasks(trace: Trace, pools: Pools, workers: Workers) -> Tasks:
    """Join the records of all tasks, and give every task the number of tasks it stands for."""
    send, work, collect, parts = (
        _located(trace.table(kind), pools, workers) for kind in ("send", "work", "collect", "part")
    )
    keys = Keys([side.columns for side in (send, work, collect, parts)])
    row_keys, (send_rows, work_rows, collect_rows) = _rows([keys.of(side.columns) for side in (send, work, collect)])
    table = np.full(len(row_keys), _blank())
    launch = trace.meta["perf_ns"]
    _fill_collect(table, _place(collect_rows), collect, launch)
    _fill_work(table, _place(work_rows), work, launch)
    _fill_send(table, _place(send_rows), send, launch)
    attribute(table, trace, pools)
    unsent = np.ones(len(table), bool)
    unsent[send_rows] = False
    table["items"][unsent] = _typical_items(pools)[table["origin"][unsent]]
    weights = [np.zeros(len(table)) for _ in range(3)]
    for weight, rows, side in zip(weights, (send_rows, work_rows, collect_rows), (send, work, collect), strict=True):
        weight[rows] = side.weight
    part_keys = keys.of(parts.columns)
    table["weight"] = weigh(table, weights, pools, workers)
    return Tasks(
        table=table,
        send_weight=weights[0],
        work_weight=weights[1],
        callable_shares=_callable_shares(send, len(pools.origins)),
        parts=parts,
        part_keys=part_keys,
        part_rows=Index(row_keys).find(part_keys),
        lost=send.lost + work.lost + collect.lost,
    )


def _located(table: NDArray[Any], pools: Pools, workers: Workers) -> Records:
    """Find out which pool, origin and worker each record is about, from what its kind says."""
    names = table.dtype.names or ()
    worker = workers.of_segment[table["segment"]]
    origin = np.full(len(table), MISSING, np.int64)
    if "origin" in names:
        origin = pools.origin_by_id.find(paired(table["segment"], table["origin"]))
    pool = np.where(origin >= 0, np.append(pools.origin_pool, MISSING)[origin], MISSING)
    if "pool" in names:
        said = pools.by_id.find(paired(table["segment"], table["pool"]))
        pool = np.where(pool >= 0, pool, said)
    else:
        # What a worker records is about its own pool, unless it names an origin: then it is a parent itself.
        pool = np.where(pool >= 0, pool, np.append(workers.pool, MISSING)[worker])
    known = pool >= 0
    if known.all():
        return Records(table, pool, origin, worker, 0)
    return Records(table[known], pool[known], origin[known], worker[known], int(np.sum(~known)))


def _rows(sides: list[NDArray[np.uint64]]) -> tuple[NDArray[np.uint64], list[Indices]]:
    """The distinct keys in order, and for every side the rows of its records."""
    together = np.concatenate(sides)
    order = np.argsort(together, kind="stable")  # quick: every side is all but sorted
    ordered = together[order]
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    rows = np.empty(len(ordered), np.int64)
    rows[order] = np.cumsum(first) - 1
    return ordered[first], np.split(rows, np.cumsum([len(side) for side in sides])[:-1])


def _blank() -> NDArray[Any]:
    """A task of which nothing is known."""
    blank = np.zeros((), TASK_DTYPE)
    for name in STAMPS:
        blank[name] = np.nan
    for name in ("pool", "origin", "worker"):
        blank[name] = MISSING
    return blank


def _place(rows: Indices) -> Place:
    """The same rows as a slice where they follow one another, which numpy fills several times faster."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and np.all(rows[1:] - rows[:-1] == 1):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _identify(table: NDArray[Any], rows: Place, side: Records) -> None:
    table["pool"][rows] = side.pool
    table["job"][rows] = side.table["job"]
    table["index"][rows] = side.table["index"]


def _run_on(
    table: NDArray[Any], rows: Place, begin: Floats, steps: tuple[tuple[str, NDArray[Any] | None], ...]
) -> None:
    """Fill stamps that follow one another: each is the one before plus a duration."""
    at = begin
    for name, span in steps:
        if span is not None:
            at = at + durations(span)
        table[name][rows] = at


def _fill_send(table: NDArray[Any], rows: Place, side: Records, launch: int) -> None:
    _identify(table, rows, side)
    records = side.table
    table["origin"][rows] = side.origin
    table["items"][rows] = records["items"]
    table["submitted"][rows] = seconds(records["submitted"], launch)
    steps = (("pickled_from", None), ("pickled", records["dump"]), ("sent", records["write"]))
    _run_on(table, rows, seconds(records["t"], launch), steps)
    table["produce"][rows] = durations(records["produce"])
    captured = np.minimum(records["callable"], records["bytes"])
    table["callable_bytes"][rows] = captured
    table["argument_bytes"][rows] = records["bytes"] - captured


def _fill_work(table: NDArray[Any], rows: Place, side: Records, launch: int) -> None:
    _identify(table, rows, side)
    records = side.table
    table["worker"][rows] = side.worker
    steps = (
        ("asked", None),
        ("received", records["read"]),
        ("begin", records["load"]),
        ("end", records["run"]),
        ("replied_from", records["dump"]),
        ("replied", records["write"]),
    )
    _run_on(table, rows, seconds(records["t"], launch), steps)
    table["cpu"][rows] = durations(records["cpu"])
    table["argument_bytes"][rows] = records["bytes"]
    table["result_bytes"][rows] = records["result"]
    table["failed"][rows] |= records["flags"] & FLAGS["failed"] != 0


def _fill_collect(table: NDArray[Any], rows: Place, side: Records, launch: int) -> None:
    _identify(table, rows, side)
    records = side.table
    table["origin"][rows] = side.origin
    steps = (("arrived", None), ("collected", records["load"]), ("handled", records["handle"]))
    _run_on(table, rows, seconds(records["t"], launch), steps)
    table["result_bytes"][rows] = records["bytes"]
    table["failed"][rows] |= records["flags"] & FLAGS["failed"] != 0


def _typical_items(pools: Pools) -> NDArray[np.int64]:
    """Items per task of every origin, at least 1, and for -1."""
    typical = [max(1, round(origin.items / origin.tasks)) if origin.tasks else 1 for origin in pools.origins]
    return np.minimum(np.array([*typical, 1], np.int64), np.iinfo(np.uint32).max)


def _callable_shares(send: Records, count: int) -> Floats:
    known = send.origin >= 0
    origin, weight, records = send.origin[known], send.weight[known], send.table[known]
    payload = np.bincount(origin, weight * records["bytes"].astype(np.float64), count)
    captured = np.bincount(origin, weight * np.minimum(records["callable"], records["bytes"]).astype(np.float64), count)
    return np.divide(captured, payload, out=np.zeros(count), where=payload > 0)
