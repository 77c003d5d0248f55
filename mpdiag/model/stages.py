"""The processes that the program started itself, each with what its time went into.

A stage's life, launch to end, is cut into start-up, waiting (for messages, for room, for locks, for a manager), the
pickling of what it put into queues and the unpickling of what it got, and its own computing, which is what remains of
the time that its target function ran. Of what it neither computed (by its CPU clock) nor is known to have waited for,
the kernel says how much was waiting for a processor; the rest, a sleep or a file say, is unaccounted.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mpdiag.model.run import LockUse, Process, Run, Use

CHANNELS = frozenset({"Queue", "JoinableQueue", "SimpleQueue", "Connection"})
"""Kinds of ``Use`` that are messages between processes; all others are proxies of managers."""
SENDING = frozenset({"put", "send"})
FLUSH = "flush"
"""Waiting, at the end of a process, for what it put to be written: while its own feeder pickles and writes."""
WAITS = ("wait_receive", "wait_send", "wait_lock", "manager")
UNPICKLING = 0.36
"""What unpickling takes of the time of pickling (measured: ForkingPickler.loads 1.95 us, dumps 5.4 us of a task)."""
HELPERS = frozenset({"forkserver", "resource tracker", "manager"})


@dataclass(frozen=True, slots=True)
class Stage:
    """One process; ``seconds`` by activity sum to its life, ``end`` - ``begin`` (seconds of the run)."""

    process: int
    begin: float
    end: float
    seconds: Mapping[str, float]

    @property
    def busy_s(self) -> float:
        """The part of its life in which it did not wait for another process's messages."""
        return self.end - self.begin - self.seconds["wait_receive"] - self.seconds["wait_send"]


def activity(use: Use) -> str:
    """What the time in an operation is."""
    if use.kind not in CHANNELS:
        return "manager"
    return "wait_send" if use.operation in SENDING else "wait_receive"


def lock_activity(use: LockUse) -> str:
    """What waiting for a lock is: for other holders, or (Condition, Event) for others to get on."""
    return "wait_lock" if use.operation == "acquire" else "wait_receive"


@lru_cache(maxsize=2)
def waits(run: Run) -> tuple[Mapping[str, float], ...]:
    """By process: the seconds of each of ``WAITS``, over all its threads."""
    found: list[dict[str, float]] = [dict.fromkeys(WAITS, 0.0) for _ in run.processes]
    for use in run.uses:
        if use.operation != FLUSH:
            found[use.process][activity(use)] += use.blocked_s
    for lock in run.locks:
        found[lock.process][lock_activity(lock)] += lock.waited_s
    return tuple(found)


@lru_cache(maxsize=2)
def stages(run: Run) -> tuple[Stage, ...]:
    """The stages of a run: the target, and what it started by ``Process``, but no pool's worker and no helper."""
    working = {worker.process for worker in run.workers}
    pickling, first = _pickling(run), target(run)
    found = []
    for index, process in enumerate(run.processes):
        child = isfinite(process.ready)
        if index in working or process.role in HELPERS or not (child or index == first):
            continue
        begin = _or(process.launched, _or(process.start, 0.0)) if child else 0.0
        found.append(_stage(run, index, process, max(0.0, begin), pickling[index]))
    return tuple(found)


def target(run: Run) -> int | None:
    """The process (index) that was launched: the earliest that no other one of the program's started."""
    own = [
        (process.start, index)
        for index, process in enumerate(run.processes)
        if not isfinite(process.ready) and process.role not in HELPERS and isfinite(process.start)
    ]
    return min(own)[1] if own else None


def started(run: Run) -> tuple[Stage, ...]:
    """The stages but the target: processes that the program started."""
    first = target(run)
    return tuple(stage for stage in stages(run) if stage.process != first)


def _stage(run: Run, index: int, process: Process, begin: float, pickling: Mapping[str, float]) -> Stage:
    wall = run.meta.wall_s
    end = min(max(_or(process.end, wall), begin), wall) if begin < wall else begin
    ready = min(max(_or(process.ready, begin), begin), end)
    seconds = {"startup": ready - begin, **waits(run)[index], **pickling}
    spent = sum(seconds.values()) - seconds["startup"]
    if spent > end - ready:  # several threads waited at once
        scale = (end - ready) / spent
        seconds.update({name: value * scale for name, value in seconds.items() if name != "startup"})
        spent = end - ready
    own = end - ready - spent
    computing, queued = own, 0.0
    if isfinite(process.cpu_s):
        before = process.ready_cpu_s if isfinite(process.ready_cpu_s) else 0.0
        computing = min(own, max(0.0, process.cpu_s - before - seconds["pickle"] - seconds["unpickle"]))
        queued = min(own - computing, _run_queue_s(run, process.pid))
        flushed = sum(use.blocked_s for use in run.uses if use.process == index and use.operation == FLUSH)
        seconds["wait_send"] += (flushed := min(own - computing - queued, flushed))
        own -= flushed
    rest = {"compute": computing, "wait_core": queued, "unaccounted": own - computing - queued}
    return Stage(index, begin, end, {**seconds, **rest})


def _run_queue_s(run: Run, pid: int) -> float:
    """Seconds that a process was seen to wait for a processor, when it was looked at last."""
    seen = run.samples["runqueue"][run.samples["pid"] == pid]
    return float(np.nanmax(seen)) if len(seen) and not np.isnan(seen).all() else 0.0


def _or(value: float, fallback: float) -> float:
    return value if isfinite(value) else fallback


def _pickling(run: Run) -> list[dict[str, float]]:
    """By process: seconds of pickling what it put, and of unpickling what it got, into and out of queues.

    Unpickling shows in no hook: it is reckoned from the pickling of what went through that queue, by the byte.
    """
    pickled: dict[int, float] = defaultdict(float)
    sizes: dict[int, int] = defaultdict(int)
    found = [dict.fromkeys(("pickle", "unpickle"), 0.0) for _ in run.processes]
    for use in run.uses:
        if use.kind in CHANNELS and use.operation == "put" and use.timed:
            spent = use.busy_s / use.timed * use.count
            found[use.process]["pickle"] += spent
            pickled[use.object] += spent
            sizes[use.object] += use.bytes
    for use in run.uses:
        if use.kind in CHANNELS and use.operation == "get" and sizes[use.object]:
            found[use.process]["unpickle"] += UNPICKLING * pickled[use.object] / sizes[use.object] * use.bytes
    return found
