"""What a run could not record, gathered from everyone who noticed: never silently."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.pools import COUNT_LIMIT
from mpdiag.model.run import Loss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.family import Family
    from mpdiag.model.pools import Pools
    from mpdiag.model.tasks import Tasks
    from mpdiag.model.workers import Workers
    from mpdiag.trace.segment import Trace


def gather_losses(
    trace: Trace, family: Family, pools: Pools, workers: Workers, unread: dict[str, int]
) -> tuple[Loss, ...]:
    """All losses of a run: the recorder's, the interpreters', the reader's, and what the model found missing.

    ``unread`` counts records that refer to nothing, by what they are.
    """
    return (
        *_recorded(trace),
        *(Loss("a Python process", note) for note in trace.notes),
        *_unopened(trace),
        *(Loss("the program", sentence) for sentence in trace.meta["uninstrumented"]),
        *_split(trace.losses),
        *_processes(trace, family, workers),
        *_unanswered(trace, pools),
        *(Loss(what, "what it belongs to was not recorded", count) for what, count in unread.items() if count),
    )


def _recorded(trace: Trace) -> Iterator[Loss]:
    """What recorders said they lost, the same things together."""
    counts: Counter[tuple[str, str]] = Counter()
    for record in trace.table("loss"):
        segment = int(record["segment"])
        names = (trace.names.text(segment, int(record["what"])), trace.names.text(segment, int(record["why"])))
        counts[names] += max(1, min(int(record["count"]), COUNT_LIMIT))
    yield from (Loss(what, why, count) for (what, why), count in counts.items())
    dropped = int(np.minimum(trace.table("cost")["dropped"], COUNT_LIMIT).sum())
    if dropped:
        yield Loss("a record", "the disk was full, or its process had recorded all it may", dropped)


def _unopened(trace: Trace) -> Iterator[Loss]:
    """Processes that wrote a header and could not go on."""
    faults = Counter(header.fault for header in trace.headers if header.fault)
    for fault, count in faults.items():
        yield Loss("what a process did", f"its recording could not be opened: {os.strerror(fault)}", count)


def _split(sentences: tuple[str, ...]) -> Iterator[Loss]:
    """The reader's sentences, "what: why"."""
    for sentence, count in Counter(sentences).items():
        what, _, why = sentence.partition(": ")
        yield Loss(what, why, count)


def _processes(trace: Trace, family: Family, workers: Workers) -> Iterator[Loss]:
    live = trace.meta["end"] is None
    if family.unrecorded:
        why = "it left no record" + (" yet" if live else ": it could not be instrumented, or died while it started")
        yield Loss("a process that was started", why, family.unrecorded)
    if workers.strays:
        yield Loss("a worker process", "its pool was not recorded", workers.strays)


def _unanswered(trace: Trace, pools: Pools) -> Iterator[Loss]:
    """Tasks that were sent and never answered, by where their pool was made."""
    live = trace.meta["end"] is None
    missing = np.bincount(pools.origin_pool, np.maximum(pools.sent - pools.collected, 0), len(pools.pools))
    counts: Counter[tuple[str, str]] = Counter()
    for place in np.flatnonzero(missing):
        pool = pools.pools[place]
        if live and not pools.closed[place]:
            why = "they were under way when the run was read, or cut off"
        else:
            why = "they were waiting, or in a worker, when the pool was shut down or the worker died"
        counts[f"answers to tasks of the {pool.kind} at {pool.site}", why] += int(missing[place])
    yield from (Loss(what, why, count) for (what, why), count in counts.items())


def unread_records(pools: Pools, tasks: Tasks, parts: int) -> dict[str, int]:
    """Count the records that refer to nothing."""
    return {
        "a timed task": tasks.lost,
        "a part of a large message": parts + tasks.parts.lost,
        "a place that submits tasks": pools.lost_origins,
    }
