"""The processes of the run, found from outside: the target and its descendants, and the run-queue wait of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BUFFER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Threads:
    """One process: its child processes, and the nanoseconds that each living thread has waited for a CPU so far."""

    children: tuple[int, ...]
    waits: dict[str, int]


def threads(pid: int) -> Threads:
    """Look at the threads of a process; FileNotFoundError or ProcessLookupError when it has gone."""
    children: list[int] = []
    waits = {}
    for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - Path objects would double the cost of a look
        children += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
        _cpu, wait, *_slices = _read(f"/proc/{pid}/task/{thread}/schedstat").split() or (b"0", b"0")
        waits[thread] = int(wait)
    return Threads(tuple(children), waits)


def lists_children() -> bool:
    """Does this kernel list the children of a thread (CONFIG_PROC_CHILDREN)?"""
    return Path("/proc/thread-self/children").exists()


def _read(path: str) -> bytes:
    """The file's content; nothing where the thread has just ended, or this kernel has no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.read(descriptor, BUFFER_BYTES)
    except ProcessLookupError:
        return b""
    finally:
        os.close(descriptor)
