"""The run directory: where all processes of a run leave their segments, and the file that tells of the whole run.

The end of the run must be written even when the disk has filled up meanwhile. So a second file of the same size is kept
in reserve: the final ``meta.json`` is written over its blocks, then renamed into place.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpdiag.errors import MpdiagError
from mpdiag.supervise.interpreter import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

RESERVE_BYTES = 8192
"""Room for the final meta.json: two blocks, far above what it needs unless the command line is huge."""
INJECT = str(Path(__file__).absolute().parent.parent / "probe" / "inject")
"""The directory that brings the probe into every interpreter which has it on PYTHONPATH."""


class RunDirectory:
    """A run directory, private to its user (mode 0700)."""

    def __init__(self, path: str) -> None:
        """Refer to the directory at ``path``; ``create`` makes one."""
        self.path = path

    @classmethod
    def create(cls) -> RunDirectory:
        """Make a new one among the temporary files; MpdiagError when there is no room for it."""
        try:
            path = Path(tempfile.mkdtemp(prefix="mpdiag-")).absolute()
            (path / "segments").mkdir(0o700)
        except OSError as error:
            message = f"no room for recording: {error.strerror}; let TMPDIR name a directory with space"
            raise MpdiagError(message) from error
        return cls(str(path))

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        """Write the run's description and a reserve for its end; OSError when the disk is full."""
        for name, text in (("meta.next", ""), ("meta.json", json.dumps(meta))):
            with os.fdopen(self._open(name, os.O_TRUNC), "w", encoding="utf-8") as file:
                file.write(text.ljust(RESERVE_BYTES))

    def rewrite_meta(self, meta: Mapping[str, Any]) -> None:
        """Replace the run's description atomically, in the blocks kept in reserve; OSError when there are none."""
        with os.fdopen(self._open("meta.next"), "r+b") as file:
            file.write(json.dumps(meta).encode())
            file.truncate()
        Path(self.path, "meta.next").rename(Path(self.path, "meta.json"))

    def _open(self, name: str, flags: int = 0) -> int:
        return os.open(f"{self.path}/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)

    def recreate(self) -> None:
        """Make the directory again after somebody deleted it, so that what is known besides can be reported."""
        for directory in (Path(self.path), Path(self.path, "segments")):
            directory.mkdir(0o700, exist_ok=True)

    def seen(self, pid: int) -> Seen:
        """Who left something here: process ``pid``, any process at all (but this one), one that is too old for it."""
        segments = (file.name for file in Path(self.path, "segments").iterdir() if file.suffix == ".seg")
        recorded = {int(name.partition("-")[0]) for name in segments} - {os.getpid()}
        notes = any(file.suffix == ".note" for file in Path(self.path).iterdir())
        return Seen(pid in recorded, bool(recorded), notes)

    def remove(self) -> None:
        """Delete it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def environment(base: Mapping[str, str], initial: frozenset[str], directory: str, budget: float) -> dict[str, str]:
    """The target's environment: ``base`` and what brings the probe in, nothing else.

    ``initial`` are the names that mpdiag itself was started with: in the C locale Python sets LC_CTYPE for itself
    (PEP 538), and that must not leak.
    """
    result = dict(base)
    if "LC_CTYPE" not in initial:
        result.pop("LC_CTYPE", None)
    others = [entry for entry in result.get("PYTHONPATH", "").split(os.pathsep) if entry != INJECT]
    # An empty entry would mean the current directory: there is none where there was no PYTHONPATH.
    path = [INJECT, *others] if others != [""] else [INJECT]
    result.update(MPDIAG_RUN=directory, MPDIAG_BUDGET=str(budget), PYTHONPATH=os.pathsep.join(path))
    return result


def current_directory() -> str:
    """The current directory; empty where somebody has deleted it, for a program may run all the same."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""


def initial_names() -> frozenset[str]:
    """The names in the environment that this process was started with; its present ones where that is unknown."""
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return frozenset(os.environ)
    return frozenset(os.fsdecode(entry.partition(b"=")[0]) for entry in entries)
