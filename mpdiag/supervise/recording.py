"""The supervisor's own part of the recording: the run's description, its samples, and the losses on mpdiag's side.

Nothing here may disturb the target: whatever fails (a full disk, a deleted run directory, psutil) becomes a loss.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpdiag.supervise.interpreter import uninstrumented
from mpdiag.supervise.sampler import Sampler
from mpdiag.supervise.streams import release_streams
from mpdiag.wire.format import CAUSES
from mpdiag.wire.segment import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mpdiag.supervise.launch import Ended
    from mpdiag.supervise.output import RunFile
    from mpdiag.supervise.rundir import RunDirectory

NO_MORE_LOOKS_S = 3600.0


class Recording:
    """Writes meta.json and the supervisor's segment while the target runs."""

    def __init__(self, directory: RunDirectory, meta: Mapping[str, Any], run_file: RunFile | None) -> None:
        """Record into ``directory``; ``meta`` is what is known of the run before it starts."""
        self._directory = directory
        self._meta = dict(meta)
        self._run_file = run_file
        self._writer: SegmentWriter | None = None
        self._sampler: Sampler | None = None
        self._sampling = True
        self._losses: list[tuple[str, str]] = []

    def begin(self, pid: int, perf_ns: int) -> None:
        """The target has just been launched."""
        since = time.perf_counter_ns() - perf_ns
        self._meta.update(pid=pid, perf_ns=perf_ns, time_ns=time.time_ns() - since, uninstrumented=[], end=None)
        try:
            release_streams()
            self._directory.write_meta(self._meta)
            if self._run_file is not None:
                self._run_file.publish()
            self._writer = SegmentWriter(self._directory.path, CAUSES.index("supervisor"))
        except OSError as error:
            if self._run_file is not None:
                # Unpublished, the pointer would lie beside the user's file for good; published, there is none.
                self._run_file.withdraw()
            self._lose("what the supervisor sees", error)

    def look(self) -> float:
        """Sample the processes; the seconds until the next look."""
        if self._writer is None or not self._sampling:
            return NO_MORE_LOOKS_S
        try:
            if self._sampler is None:
                self._sampler = Sampler(self._meta["pid"], self._writer)
            return self._sampler.look()
        except Exception as error:  # noqa: BLE001 - psutil may fail in many ways; the wait for the target must go on
            self._sampling = False
            self._lose("samples of the processes", error)
            return NO_MORE_LOOKS_S

    def end(self, ended: Ended, command: Sequence[str]) -> list[tuple[str, str]]:
        """The target has ended: complete the recording. What was lost and why, as far as it is not written there."""
        self._meta["end"] = {
            "perf_ns": ended.perf_ns,
            "status": ended.exit_code,
            "cpu_ns": ended.cpu_ns,
            "maxrss": ended.maxrss,
        }
        try:
            if not self._mended():
                self._meta["uninstrumented"] = uninstrumented(command, self._directory.seen(self._meta["pid"]))
            self._directory.rewrite_meta(self._meta)
        except OSError as error:
            self._lose("the end of the run", error)
        return self._close(ended)

    def _mended(self) -> bool:
        """Was the run directory deleted? Then it is made again, for what is known besides."""
        if Path(self._directory.path, "segments").is_dir():
            return False
        self._writer = None
        self._losses.append(("the records of all processes", "the run directory was deleted while the program ran"))
        self._directory.recreate()
        self._writer = SegmentWriter(self._directory.path, CAUSES.index("supervisor"))
        return True

    def _close(self, ended: Ended) -> list[tuple[str, str]]:
        writer = self._writer
        if writer is None:
            return self._losses
        now = time.perf_counter_ns()
        writer.put("exit", ended.perf_ns, self._meta["pid"], ended.status, ended.cpu_ns, ended.maxrss)
        if self._sampler is not None and self._sampler.refused:
            self._losses.append((f"samples of {len(self._sampler.refused)} processes", "the system refused a look"))
        if writer.dropped:
            self._losses.append((f"{writer.dropped} samples", "the disk or the segment was full"))
        return [
            (what, why)
            for what, why in self._losses
            if not writer.put("loss", now, 1, writer.text(what), writer.text(why))
        ]

    def _lose(self, what: str, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else None
        self._losses.append((what, reason or f"{type(error).__name__}: {error}"))
