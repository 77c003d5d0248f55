"""Creating a segment file and its header with nothing but ``os`` and ``int.to_bytes``.

Every Python process of the run does this at start-up, also those that never use multiprocessing, so it must not import
even ``struct``; the header therefore stands here, the records in ``format.py``.
"""

from __future__ import annotations

import os

MAGIC = b"MPDIAG\r\n"
VERSION = 1

SLOT_SIZE = 64
HEADER_SIZE = 512

HEADER_FIELDS = (
    # name, bytes, "int" (little endian, unsigned) | "bytes" (zero padded)
    ("magic", 8, "bytes"),
    ("version", 2, "int"),
    ("slot_size", 2, "int"),
    ("header_size", 2, "int"),
    ("cause", 2, "int"),
    ("pid", 4, "int"),
    ("ppid", 4, "int"),
    ("uid", 8, "bytes"),
    ("parent_uid", 8, "bytes"),
    ("chunk", 4, "int"),
    ("python", 4, "int"),
    ("perf_ns", 8, "int"),
    ("time_ns", 8, "int"),
    ("argv", 384, "bytes"),
    ("fault", 2, "int"),
)
"""What the first bytes of every segment say; ``python`` is ``sys.hexversion``, ``chunk`` counts a process's files;
``fault`` is the errno for which nothing could follow the header, 0 mostly."""

NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
"""How a segment file is opened that must not be there yet."""

CAUSES = ("unknown", "root", "exec", "fork", "spawn", "forkserver", "supervisor")
"""How a process came to be; the header's ``cause`` is an index into this."""


def encode(**values: int | bytes) -> bytes:
    """The header as ``HEADER_SIZE`` bytes; missing fields are zero, long bytes are cut."""
    parts = []
    for name, size, kind in HEADER_FIELDS:
        value = values.get(name, 0 if kind == "int" else b"")
        if isinstance(value, int):
            parts.append((value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))
        else:
            parts.append(value[:size].ljust(size, b"\0"))
    return b"".join(parts).ljust(HEADER_SIZE, b"\0")


def renewed(  # noqa: PLR0913, PLR0917 - the fields, in their order
    raw: bytes, cause: int, pid: int, ppid: int, uid: bytes, parent_uid: bytes, perf_ns: int, time_ns: int
) -> bytes:
    """A process's first header, from one with what is the same in it and its parent.

    Writes only what differs: right after a fork every object touched costs a page fault.
    """
    return b"".join(
        (
            raw[:14],
            cause.to_bytes(2, "little"),
            pid.to_bytes(4, "little"),
            ppid.to_bytes(4, "little"),
            uid,
            parent_uid or bytes(8),
            raw[40:48],
            perf_ns.to_bytes(8, "little"),
            time_ns.to_bytes(8, "little"),
            raw[64:],
        )
    )


def of_chunk(raw: bytes, number: int) -> bytes:
    """The header of a further file of the same process."""
    return raw[:40] + number.to_bytes(4, "little") + raw[44:]


def decode(data: bytes) -> dict[str, int | bytes]:
    """The header's fields from (at least) ``HEADER_SIZE`` bytes; bytes fields without their padding."""
    fields: dict[str, int | bytes] = {}
    position = 0
    for name, size, kind in HEADER_FIELDS:
        raw = data[position : position + size]
        fields[name] = int.from_bytes(raw, "little") if kind == "int" else raw
        position += size
    argv = fields["argv"]
    fields["argv"] = argv.rstrip(b"\0") if isinstance(argv, bytes) else b""
    return fields


def identity(pid: int, perf_ns: int, uid: bytes) -> str:
    """The part of a segment's file name that names the process: unique in a run even when a pid is used again."""
    return f"{pid}-{perf_ns:x}-{uid.hex()}"


def path_of(directory: str, name: str, chunk: int) -> str:
    """Where chunk ``chunk`` of the process called ``name`` lies in a run directory."""
    return f"{directory}/segments/{name}.{chunk}.seg"


def create(directory: str, name: str, header: bytes) -> str:
    """Create the first file of a segment, with its header only; return its path.

    Raises OSError (disk full, directory gone, no rights, no file descriptors left).
    """
    path = path_of(directory, name, 0)
    descriptor = os.open(path, NEW, 0o600)
    try:
        os.write(descriptor, header)  # failing that, an empty file still tells that there was a process
    finally:
        os.close(descriptor)
    return path


def mark_fault(path: str, errno: int) -> None:
    """Note in a header that was written already why its segment could not be opened; OSError when that fails too."""
    before = 0
    for name, size, _kind in HEADER_FIELDS:
        if name == "fault":
            break
        before += size
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, errno.to_bytes(2, "little"), before)
    finally:
        os.close(descriptor)


def fields(cause: int, pid: int, perf_ns: int, uid: bytes) -> dict[str, int | bytes]:
    """The header's fields that every segment has alike."""
    return {
        "magic": MAGIC,
        "version": VERSION,
        "slot_size": SLOT_SIZE,
        "header_size": HEADER_SIZE,
        "cause": cause,
        "pid": pid,
        "perf_ns": perf_ns,
        "uid": uid,
    }
