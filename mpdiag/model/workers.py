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

UNSEEN_PERIODS = 3.0
"""A process that the supervisor saw, and then not for so many of its sampling periods, is gone."""
LEAST_UNSEEN_S = 0.3
"""And never less than this: on a busy machine the supervisor itself may be late."""
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
    now = None if trace.meta["end"] is not None else wall
    end, ended = _endings(family, pools, segments, pool, now)
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


def _endings(
    family: Family, pools: Pools, segments: Indices, pool: Indices, now: float | None
) -> tuple[Floats, list[str]]:
    """When and how each worker ended.

    "returned": it said so. "killed": the supervisor saw it no more, long before its pool was shut down. "terminated":
    by the shutdown of its pool, or the end of its pool's process. "running": the run goes on, or was cut off, ``now``.
    "unknown": nobody saw it or its pool end.
    """
    finished, last, sampled = family.finished[segments], family.last[segments], family.sampled[segments]
    ended = np.array([entry.ended for entry in pools.pools], np.float64)[pool]
    closing = np.array([entry.closing for entry in pools.pools], np.float64)[pool]
    closed = pools.closed[pool]
    times = family.sample_times
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    watched_until = np.fmin(closing, times[-1] if len(times) else -np.inf)
    killed = watched_until - np.fmax(sampled, last) > max(UNSEEN_PERIODS * period, LEAST_UNSEEN_S)
    killed &= ~np.isnan(sampled)
    parent_seen = ~np.isnan(family.finished[pools.segment[pool]]) | (now is None)
    alive = ~closed & (now is not None)
    kinds = ["returned", "killed", "running", "terminated"]
    cases = [~np.isnan(finished), killed, alive, closed | parent_seen]
    ends = [finished, last, np.full(len(last), np.nan if now is None else now), np.fmax(ended, last)]
    return np.select(cases, ends, last), np.select(cases, kinds, "unknown").tolist()
