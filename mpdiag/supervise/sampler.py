"""Sampling the run's processes from outside: CPU time, run-queue wait, memory, threads, context switches.

It runs in the supervisor's wait loop, needs nothing in the user's processes, and spaces its looks by what they cost and
by how long the run has lasted: its CPU time and its part of the trace stay small for any number of processes and any
length.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from mpdiag.supervise import tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psutil

FIRST_LOOK_S = 0.1
"""A program that is over sooner is not sampled, and psutil not even imported."""
LONGEST_S = 1.0
GROWTH = 1.1
"""Each interval is this much longer than the one before, up to ``LONGEST_S``."""
CPU_SHARE = 0.002
"""Share of one CPU that looking may take; many processes are looked at less often."""
RESOLUTION = 2000
"""Looks in a run so far: past half an hour the intervals grow with the run, and the trace only with its logarithm."""


class Writer(Protocol):
    """What the sampler needs of ``mpdiag.wire.segment.SegmentWriter``."""

    dropped: int

    def put(self, kind: str, *values: float | bytes, flags: int = 0, weight: int = 0) -> bool:
        """Commit one record."""


class Watched:
    """One process of the run and what is known of it from earlier looks."""

    __slots__ = ("process", "retired", "waits")

    def __init__(self, process: psutil.Process) -> None:
        """Begin to watch."""
        self.process = process
        self.waits: dict[str, int] = {}
        self.retired = 0

    def waited(self, waits: dict[str, int]) -> int:
        """The run-queue wait of all its threads so far (ns), those that have ended included as last seen."""
        self.retired += sum(wait for thread, wait in self.waits.items() if thread not in waits)
        self.waits = waits
        return self.retired + sum(waits.values())


class Sampler:
    """Writes a ``sample`` record for each living process of the target's tree at each look."""

    def __init__(self, pid: int, writer: Writer, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        """Watch the tree of process ``pid``; imports psutil, so not before the target has been started.

        Context switches are those of a process's first thread (that is all the kernel tells in one file).
        """
        import psutil  # noqa: PLC0415 - costs 50 ms of CPU, so not before the target runs

        self._psutil = psutil
        self._writer = writer
        self._clock = clock
        self._root = pid
        self._begin = clock()
        self._interval = FIRST_LOOK_S
        self._lists_children = tree.lists_children()
        self._watched: dict[int, Watched] = {}
        self.refused: set[int] = set()
        """Processes that the system does not let us look at."""

    def look(self) -> float:
        """Sample every process once; the seconds until the next look. OSError when /proc cannot be read."""
        begin = time.thread_time()
        for pid, waits in self._living():
            self._sample(pid, waits)
        cost = time.thread_time() - begin
        self._interval = min(self._interval * GROWTH, LONGEST_S)
        lasted = (self._clock() - self._begin) / 1e9
        return max(self._interval, cost / CPU_SHARE, lasted / RESOLUTION)

    def _living(self) -> Iterator[tuple[int, dict[str, int]]]:
        """The pids of the tree with their threads' waits, and of earlier members whose parent has gone."""
        found: set[int] = set()
        yield from self._walk(self._root, found)
        for pid in self._watched.keys() - found:
            if self._watched[pid].process.is_running():
                yield from self._walk(pid, found)
            else:
                del self._watched[pid]

    def _walk(self, root: int, found: set[int]) -> Iterator[tuple[int, dict[str, int]]]:
        queue = [root] if self._lists_children else [root, *self._descendants(root)]
        while queue:
            pid = queue.pop()
            if pid in found:
                continue
            try:
                seen = tree.threads(pid)
            except (FileNotFoundError, ProcessLookupError):
                # It has just ended; the next look forgets it.
                continue
            found.add(pid)
            queue += seen.children
            yield pid, seen.waits

    def _descendants(self, root: int) -> list[int]:
        try:
            return [process.pid for process in self._psutil.Process(root).children(recursive=True)]
        except self._psutil.NoSuchProcess:
            return []

    def _sample(self, pid: int, waits: dict[str, int]) -> None:
        try:
            watched = self._watched.get(pid)
            if watched is None:
                watched = self._watched[pid] = Watched(self._psutil.Process(pid))
            process = watched.process
            with process.oneshot():
                times = process.cpu_times()
                memory = process.memory_info().rss
                count = process.num_threads()
                switches = process.num_ctx_switches()
        except self._psutil.AccessDenied:
            self.refused.add(pid)
            return
        except self._psutil.NoSuchProcess:
            # Ended between two looks (a zombie counts as ended): its own records tell how.
            self._watched.pop(pid, None)
            return
        cpu = round((times.user + times.system) * 1e9)
        waited = watched.waited(waits)
        self._writer.put(
            "sample", self._clock(), cpu, waited, memory, pid, count, switches.voluntary, switches.involuntary
        )
