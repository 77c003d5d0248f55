"""Pools and origins of a trace, with their exact counts from the live tallies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.lookup import Index, paired
from mpdiag.model.run import Origin, Pool, Site
from mpdiag.trace.clocks import NS_PER_S, seconds
from mpdiag.wire.format import FLAGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mpdiag.model.lookup import Indices
    from mpdiag.trace.segment import Trace

    Floats = NDArray[np.float64]

COUNT_LIMIT = 1 << 48
"""No exact count of a real run is larger; a damaged tally is cut to this, so that sums of them cannot overflow."""


@dataclass(frozen=True, eq=False)
class Pools:
    """The pools (by time of creation) and origins, and how records refer to them."""

    pools: tuple[Pool, ...]
    origins: tuple[Origin, ...]
    closed: NDArray[np.bool_]
    """Whether the pool's end was seen."""
    segment: Indices
    """The segment of each pool's parent."""
    channel: NDArray[np.uint64]
    created: Floats
    by_id: Index
    """Finds a pool by ``paired(segment, id)``."""
    origin_by_id: Index
    """Finds an origin by ``paired(segment, id)``."""
    origin_pool: Indices
    sent: NDArray[np.int64]
    """Tasks sent and results collected, per origin."""
    collected: NDArray[np.int64]
    lost_origins: int
    """Origins of pools that are not recorded."""


def read_pools(trace: Trace, ends: Floats) -> Pools:
    """Read the pools; ``ends``, when each segment's process ended or was last seen, ends those that were not closed."""
    launch = trace.meta["perf_ns"]
    records = trace.table("pool")
    records = records[records["flags"] & FLAGS["threads"] == 0]
    # A pool's record is written again as more becomes known: the last one says all.
    _, last = np.unique(paired(records["segment"], records["id"])[::-1], return_index=True)
    records = records[len(records) - 1 - last]
    records = records[np.argsort(records["created"], kind="stable")]
    by_id = Index(paired(records["segment"], records["id"]))
    segment = records["segment"].astype(np.int64)
    created = seconds(records["created"], launch)
    begin, end, cpu = _endings(trace, by_id, records)
    closed = ~np.isnan(end)
    ended = np.fmax(np.where(closed, end, ends[segment]), created)
    closing = np.fmin(np.where(np.isnan(begin), ended, begin), ended)
    ready = np.fmax(created, seconds(records["ready"], launch))
    sites = _Sites(trace)
    texts = trace.names.text
    origins, origin_by_id, tallies, lost = _read_origins(trace, by_id, sites)
    totals = _totals(origins, len(records))
    pools = tuple(
        Pool(
            index=index,
            kind="ProcessPoolExecutor" if record["flags"] & FLAGS["executor"] else "Pool",
            pid=trace.headers[segment[index]].pid,
            site=sites.get(int(record["segment"]), int(record["site"])),
            workers=int(record["workers"]),
            method=texts(int(record["segment"]), int(record["method"])),
            initializer=texts(int(record["segment"]), int(record["initializer"])),
            maxtasks=int(record["maxtasks"]),
            created=float(created[index]),
            ready=float(ready[index]),
            ended=float(ended[index]),
            closing=float(closing[index]),
            main_cpu_s=float(cpu[index]),
            **totals[index],
        )
        for index, record in enumerate(records)
    )
    return Pools(
        pools=pools,
        origins=origins,
        closed=closed,
        segment=segment,
        channel=records["channel"],
        created=created,
        by_id=by_id,
        origin_by_id=origin_by_id,
        origin_pool=np.array([origin.pool for origin in origins], np.int64),
        sent=tallies[0],
        collected=tallies[1],
        lost_origins=lost,
    )


def with_callable_bytes(pools: Pools, shares: Floats) -> tuple[tuple[Pool, ...], tuple[Origin, ...]]:
    """The pools and origins with their callable bytes: each origin's exact payload times its share."""
    origins = tuple(
        replace(origin, callable_bytes=min(round(origin.payload_bytes * float(share)), origin.payload_bytes))
        for origin, share in zip(pools.origins, shares, strict=True)
    )
    callables = [0] * len(pools.pools)
    for origin in origins:
        callables[origin.pool] += origin.callable_bytes
    return (
        tuple(replace(pool, callable_bytes=size) for pool, size in zip(pools.pools, callables, strict=True)),
        origins,
    )


class _Sites:
    """Site objects, one for each line."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._known: dict[tuple[str, int, str], Site] = {}

    def get(self, segment: int, number: int) -> Site:
        key = self._trace.names.site(segment, number)
        return self._known.setdefault(key, Site(*key))


def _endings(trace: Trace, by_id: Index, records: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """When each pool's shutdown began and ended, and the creating thread's CPU seconds meanwhile; NaN if not seen."""
    endings = trace.table("pool_end")
    pool = by_id.find(paired(endings["segment"], endings["id"]))
    endings, pool = endings[pool >= 0], pool[pool >= 0]
    begin, end, cpu = (np.full(len(records), np.nan) for _ in range(3))
    # A pool may be closed, terminated and joined: its shutdown is all of that.
    np.fmin.at(begin, pool, seconds(endings["begin"], trace.meta["perf_ns"]))
    np.fmax.at(end, pool, seconds(endings["end"], trace.meta["perf_ns"]))
    used = endings["main_cpu"].astype(np.float64) - records["main_cpu"][pool]
    # Another thread's clock is 0 in the record, or has nothing to do with the creator's.
    seen = (endings["main_cpu"] > 0) & (used >= 0)
    cpu[pool[seen]] = used[seen] / NS_PER_S
    return begin, end, cpu


def _read_origins(
    trace: Trace, by_id: Index, sites: _Sites
) -> tuple[tuple[Origin, ...], Index, tuple[NDArray[np.int64], NDArray[np.int64]], int]:
    records = trace.table("origin")
    _, first = np.unique(paired(records["segment"], records["id"]), return_index=True)
    records = records[np.sort(first)]
    pool = by_id.find(paired(records["segment"], records["pool"]))
    known = pool >= 0
    records, pool = records[known], pool[known]
    index = Index(paired(records["segment"], records["id"]))
    sent = _tally(trace.table("sent"), index, ("tasks", "items", "bytes"), len(records))
    collected = _tally(trace.table("collected"), index, ("tasks", "bytes", "failed"), len(records))
    jobs, length, chunksize = _jobs(trace, index, len(records))
    texts = trace.names.text
    origins = tuple(
        Origin(
            index=place,
            pool=int(pool[place]),
            site=sites.get(segment, int(record["site"])),
            function=texts(segment, int(record["function"])),
            method=texts(segment, int(record["method"])),
            tasks=tasks,
            items=items,
            payload_bytes=payload,
            callable_bytes=0,
            results=results,
            result_bytes=result_bytes,
            failed=failed,
            jobs=int(jobs[place]) or tasks,
            length=int(length[place]) or items,
            chunksize=int(chunksize[place]) or 1,
        )
        for place, (record, segment, (tasks, items, payload), (results, result_bytes, failed)) in enumerate(
            zip(records, records["segment"].tolist(), sent.T.tolist(), collected.T.tolist(), strict=True)
        )
    )
    return origins, index, (sent[0], collected[0]), int(np.sum(~known))


def _tally(table: NDArray[Any], index: Index, names: Sequence[str], count: int) -> NDArray[np.int64]:
    """The live counters of every origin, one row per name; those of several threads add up."""
    origin = index.find(paired(table["segment"], table["origin"]))
    table, origin = table[origin >= 0], origin[origin >= 0]
    totals = np.zeros((len(names), count), np.int64)
    for row, name in zip(totals, names, strict=True):
        np.add.at(row, origin, np.minimum(table[name], COUNT_LIMIT).astype(np.int64))
    return totals


def _jobs(trace: Trace, index: Index, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Map-like submissions of every origin, their items (0 where unknown), and the first one's chunk size."""
    table = trace.table("job")
    origin = index.find(paired(table["segment"], table["origin"]))
    table, origin = table[origin >= 0], origin[origin >= 0]
    jobs, length, chunksize = (np.zeros(count, np.int64) for _ in range(3))
    weight = np.int64(1) << np.minimum(table["weight"], 32).astype(np.int64)
    np.add.at(jobs, origin, weight)
    items = np.where(table["length"] < COUNT_LIMIT >> 32, table["length"], 0).astype(np.int64)
    np.add.at(length, origin, weight * items)
    chunksize[origin[::-1]] = table["chunksize"][::-1]
    return jobs, length, chunksize


def _totals(origins: Sequence[Origin], count: int) -> list[dict[str, int]]:
    """What every pool's origins add up to, by the names of ``Pool``'s fields."""
    names = ("tasks", "items", "payload_bytes", "callable_bytes", "result_bytes", "results", "failed")
    totals = [dict.fromkeys(names, 0) for _ in range(count)]
    for origin in origins:
        mine = totals[origin.pool]
        for name in names:
            mine[name] += getattr(origin, name)
    return totals
