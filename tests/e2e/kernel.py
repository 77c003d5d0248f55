"""What strace saw of the writes to pipes and sockets, decoded into the messages of multiprocessing."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CALL = re.compile(r'(read|write)\(\d+<((?:->|[^>])+)>, "([^"]*)"(?:\.\.\.)?, \d+\) = (\d+)')


class NotFramedError(ValueError):
    """What was written is not a Connection's stream of messages."""


@dataclass
class Pipe:
    """What went through one pipe: by thread, the first bytes and the length of every write, and who read."""

    writes: dict[str, list[tuple[bytes, int]]] = field(default_factory=lambda: defaultdict(list))
    readers: set[str] = field(default_factory=set)


def framed(writes: list[tuple[bytes, int]]) -> list[int]:
    """Decode one thread's writes: every message is 4 bytes of length, big endian, and then the payload."""
    sizes: list[int] = []
    left = 0
    for start, length in writes:
        if not left:
            size = int.from_bytes(start[:4], "big", signed=True)
            left = size + 4
            sizes.append(size)
        left -= length
        if left < 0 or sizes[-1] < 0:
            raise NotFramedError
    if left:
        raise NotFramedError
    return sizes


def read_calls(directory: Path) -> dict[str, Pipe]:
    """Read strace's files, one for each thread, into pipes and sockets by name: pipe:[inode], UNIX-STREAM:[a->b]."""
    pipes: dict[str, Pipe] = defaultdict(Pipe)
    for path in directory.iterdir():
        for name, file, start, length in CALL.findall(path.read_text(encoding="ascii")):
            where = in_hex(file).decode() if file.startswith("\\x") else file  # strace 6.1 has file names in hex, too
            if name == "read":
                pipes[where].readers.add(path.suffix)
            else:
                pipes[where].writes[path.suffix].append((in_hex(start), int(length)))
    return {where: pipe for where, pipe in pipes.items() if where.startswith(("pipe:", "UNIX"))}


def in_hex(text: str) -> bytes:
    """Decode what strace -xx prints: two digits for each byte, after a backslash and an x."""
    return bytes.fromhex(text.replace("\\x", ""))


def under(strace: str, calls: Path) -> list[str]:
    """The command that runs another one under strace, a file for each thread in ``calls``."""
    options = ["-ff", "--seccomp-bpf", "-yy", "-xx", "-s", "12", "-e", "trace=read,write", "-e", "signal=none"]
    return [strace, *options, "-o", str(calls / "of")]


def inode(where: str) -> int:
    """The inode in the name of a pipe, or of the near end of a socket."""
    found = re.search(r"\[(\d+)", where)
    return int(found[1]) if found else 0
