"""One pool's messages scheduled onto its feeder, task pipe, workers and collector: when would they be done?

A list schedule in the order of the messages (the worker that has waited longest takes the next), exact in the tail, and
two bounds that no schedule beats: the parent's threads run one at a time (the GIL), and all processes share the cores.
Within a batch these hold as a whole: what binds is the largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heapreplace
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.worker_side import PIPE_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESOURCES = ("workers", "feeder", "collector", "parent", "cores")
"""What can bind a batch; ``parent`` is its GIL."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of one batch in the order of sending: arrays of seconds (bytes for ``size``), one entry each.

    One entry may stand for ``each`` messages alike, its seconds and bytes being their sum.
    """

    arrival: Floats
    """When the main thread has submitted it, from the batch's start."""
    feed: Floats
    """The feeding thread, up to the message being in the pipe, or to its reader being needed."""
    size: Floats
    transfer: Floats
    """Feeder and reader together, for a message larger than the pipe; else 0."""
    read: Floats
    """The reader, which holds the lock of the pipe."""
    work: Floats
    """The worker, from having read it to asking for the next."""
    collect: Floats
    parent: Floats
    """CPU of the parent's threads, one at a time."""
    cpu: Floats
    """CPU of all processes."""
    each: float = 1.0

    def __len__(self) -> int:
        """The entries."""
        return len(self.feed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A batch scheduled: when its last result was handed over, and the seconds that each resource alone would need.

    ``waited`` are the worker-seconds spent waiting for and reading messages.
    """

    end: float
    waited: float
    needs: dict[str, float]

    @property
    def binding(self) -> str:
        """The resource that needs the most."""
        return max(self.needs, key=lambda name: self.needs[name])


def schedule(messages: Messages, start: float, free: list[float], cores: int) -> Outcome:
    """Schedule a batch that is submitted at ``start``; ``free`` says when each worker asks, and is brought up to date.

    All times in seconds from the pool's creation.
    """
    heapify(free)
    before = sum(free)
    begun = max(start, free[0])
    feeder, done = _feed(messages, start, free)
    busy = float(np.sum(messages.work))
    waited = sum(free) - before - busy
    collected = _collect(messages, done)
    parent_s = float(np.sum(messages.parent))
    # Before the workers are up, the parent gets ahead by what the pipe holds.
    ahead = parent_s * min(1.0, PIPE_BYTES / max(float(np.sum(messages.size)), 1.0))
    parent = parent_s + max(start, begun - ahead)
    shared = begun + float(np.sum(messages.cpu)) / max(1, cores)
    end = max(collected, parent, shared)
    # Workers that are kept waiting by the parent or for a core are so all along, not at the end.
    waited += max(0.0, end - collected) * len(free)
    workers = len(free)
    needs = {
        "workers": (busy + float(np.sum(messages.read + messages.transfer))) / workers,
        "feeder": feeder - start,
        "collector": float(np.sum(messages.collect)),
        "parent": parent_s,
        "cores": shared - begun,
    }
    return Outcome(end, waited, needs)


def _feed(messages: Messages, start: float, free: list[float]) -> tuple[float, list[float]]:
    """Feeder, pipe and workers: the feeder's busy end and when each result was written."""
    arrival, feed = (messages.arrival + start).tolist(), messages.feed.tolist()
    size, transfer = messages.size.tolist(), messages.transfer.tolist()
    read, work = messages.read.tolist(), messages.work.tolist()
    # One entry that stands for many fills the pipe sooner than its messages would: leave room for two.
    room = max(PIPE_BYTES, 2.0 * max(size, default=0.0)) if messages.each > 1 else PIPE_BYTES
    feeder = lock = start
    busy = 0.0
    queued, oldest = 0.0, 0
    taken: list[float] = []
    done: list[float] = []
    for k, seconds in enumerate(feed):
        feeder = max(feeder, arrival[k]) + seconds
        busy += seconds
        queued += size[k]
        while queued > room and oldest < k:
            feeder = max(feeder, taken[oldest])
            queued -= size[oldest]
            oldest += 1
        asked = free[0]
        if transfer[k]:
            lock = feeder = max(feeder, asked, lock) + transfer[k]
            busy += transfer[k]
        else:
            lock = max(feeder, asked, lock) + read[k]
        taken.append(lock)
        finished = lock + work[k]
        heapreplace(free, finished)
        done.append(finished)
    return start + busy, done


def _collect(messages: Messages, done: list[float]) -> float:
    """The collector takes the results in the order of their coming: when it has handed over the last."""
    order = np.argsort(done, kind="stable")
    came = np.asarray(done)[order]
    took = messages.collect[order]
    # c[k] = max(c[k-1], came[k]) + took[k]  =  sum(took[:k+1]) + max over j <= k of (came[j] - sum(took[:j]))
    total = np.cumsum(took)
    return float(total[-1] + np.max(came - (total - took))) if len(total) else 0.0
