"""Workers: which process served which pool, from when to when, how it ended, and how much went through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.lookup import MISSING, latest
from mpdiag.model.pools import COUNT_LIMIT
from mpdiag.model.run import Worker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.family import Family
    from mpdiag.model.lookup import Indices
    from mpdiag.model.pools import Pools
    from mpdiag.trace.segment import Trace

    Floats = NDArray[np.float64]

MISSED_LOOKS = 2
"""A worker is gone when the supervisor saw its parent so often after it saw the worker last: one look may lie between
the two, another must have missed the worker."""
COUNTERS = ("received", "received_bytes", "done", "result_bytes")


@dataclass(frozen=True, eq=False)
class Workers:
    """The workers, and the worker of each segment (-1: none)."""

    workers: tuple[Worker, ...]
    of_segment: Indices
    pool: Indices
    done: NDArray[np.int64]
    end: Floats
    strays: int
    """Worker processes whose pool is not recorded."""


def read_workers(trace: Trace, family: Family, pools: Pools, wall: float) -> Workers:
    """Find every worker; a worker belongs to the pool whose task pipe it reads."""
    tallies = trace.table("worked")
    channel = family.channel.copy()
    silent = channel[tallies["segment"]] == 0
    channel[tallies["segment"][silent]] = tallies["channel"][silent]
    started = np.where(np.isnan(family.ready), family.born, family.ready)
    # Pipe inodes are unique while a machine runs, practically; the latest pool before is right in any case.
    pool_of = latest(pools.channel, pools.created, channel, started)
    pool_of[channel == 0] = MISSING
    segments = np.flatnonzero((pool_of >= 0) & (family.process >= 0))
    pool = pool_of[segments]
    of_segment = np.full(len(channel), MISSING, np.int64)
    of_segment[segments] = np.arange(len(segments))
    counts = np.zeros((len(COUNTERS), len(channel)), np.int64)
    for row, name in zip(counts, COUNTERS, strict=True):
        np.maximum.at(row, tallies["segment"], np.minimum(tallies[name], COUNT_LIMIT).astype(np.int64))
    outlook = _Outlook(trace.meta["end"] is None, wall, _ended_parents(trace, family)[pools.segment[pool]])
    end, ended = _endings(family, pools, segments, pool, outlook)
    launched = np.where(np.isnan(family.launched), family.born, family.launched)[segments]
    stamps = np.transpose([launched, family.ready[segments], family.first[segments], end]).tolist()
    workers = tuple(
        Worker(
            index=index,
            process=int(family.process[segment]),
            pool=int(pool[index]),
            launched=launched_at,
            ready=ready,
            first=first,
            end=end_at,
            ended=ended[index],
            received=received,
            received_bytes=received_bytes,
            done=done,
            result_bytes=result_bytes,
        )
        for index, (segment, (launched_at, ready, first, end_at), (received, received_bytes, done, result_bytes)) in (
            enumerate(zip(segments, stamps, counts[:, segments].T.tolist(), strict=True))
        )
    )
    strays = int(np.sum((channel > 0) & (pool_of < 0)))
    return Workers(workers, of_segment, pool, counts[COUNTERS.index("done"), segments], end, strays)


@dataclass(frozen=True, eq=False)
class _Outlook:
    """What is known about the rest of the run: whether it goes on, its last instant, whose parent ended properly."""

    live: bool
    wall: float
    parent_ended: NDArray[np.bool_]


def _ended_parents(trace: Trace, family: Family) -> NDArray[np.bool_]:
    """Which segments' processes are known to have ended by themselves, taking their pools along."""
    ended = ~np.isnan(family.finished)
    end = trace.meta["end"]
    if family.root is not None and end is not None:
        ended[family.root] = end["status"] >= 0
    return ended


def _endings(
    family: Family, pools: Pools, segments: Indices, pool: Indices, outlook: _Outlook
) -> tuple[Floats, list[str]]:
    """When and how each worker ended.

    "returned": it said so. "killed": the supervisor saw it no more while it went on seeing its parent. "terminated":
    by the shutdown of its pool, or the end of its pool's process. "running": the run goes on, or was cut off.
    "unknown": nobody saw it or its pool end.
    """
    finished, last, sampled = family.finished[segments], family.last[segments], family.sampled[segments]
    ended = np.array([entry.ended for entry in pools.pools], np.float64)[pool]
    closing = np.array([entry.closing for entry in pools.pools], np.float64)[pool]
    closed = pools.closed[pool]
    missed = family.seen_between(family.pid[pools.segment[pool]], last, closing)
    killed = (missed >= MISSED_LOOKS) & ~np.isnan(sampled)
    kinds = ["returned", "killed", "running", "terminated"]
    cases = [~np.isnan(finished), killed, ~closed & outlook.live, closed | outlook.parent_ended]
    ends = [finished, last, np.full(len(last), outlook.wall), np.fmax(ended, last)]
    return np.select(cases, ends, last), np.select(cases, kinds, "unknown").tolist()
