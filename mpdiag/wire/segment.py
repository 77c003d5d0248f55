"""The segment writer: an append-only log in a memory-mapped file that survives however its process dies.

What was packed is committed: nothing is buffered, so SIGKILL, ``os._exit``, exec or a segmentation fault lose nothing.
A segment grows by further files (chunks) that double in size; the file descriptor is closed as soon as a chunk is
mapped, so that a program which closes, counts or runs out of descriptors meets none of ours.
"""

from __future__ import annotations

import _signal
import _thread
import errno
import mmap
import os
import sys
from itertools import count
from struct import Struct
from time import perf_counter_ns, time_ns

from mpdiag.wire import header
from mpdiag.wire.format import FORMATS, HEADER_SIZE, NUMBER, SLOT_SIZE, TEXT_BYTES, TEXT_LIMIT

FIRST_CHUNK = 1 << 14
"""Bytes of the first chunk, enough for a worker of a few hundred tasks: a program may start thousands of processes."""
LARGEST_CHUNK = 1 << 20
"""What is mapped and written counts as the process's memory: one chunk of it at most, see ``_release``."""
PATIENCE_S = 0.02
"""How long a thread waits for another one to make the next chunk before it makes one itself."""
LIMIT = 1 << 26
"""Bytes of all chunks of one process; then only live counters go on. A sampled trace never comes near it."""

OLD = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
"""How a segment file is opened that has its header already."""

PACKERS = {name: Struct(layout).pack_into for name, layout in FORMATS.items()}


class Chunk:
    """One mapped file of a segment: its buffer, the words of its live records, and the counter that hands out slots."""

    __slots__ = ("buffer", "capacity", "counter", "number", "size", "words")

    def __init__(self, path: str, number: int, size: int, head: bytes = b"") -> None:
        """Map the first ``size`` bytes of the file at ``path``; OSError when that cannot be had.

        With ``head``, what the file begins with, it must be new, and is removed again when it cannot be had.
        """
        self.number = number
        self.size = size
        self.capacity = (size - HEADER_SIZE) // SLOT_SIZE
        self.counter = count()
        _check_limit(size)
        descriptor = os.open(path, header.NEW if head else OLD, 0o600)
        try:
            if head:
                os.write(descriptor, head)
            # Reserves the blocks: a sparse file on a full disk would kill the program by SIGBUS.
            os.posix_fallocate(descriptor, 0, size)
            self.buffer = _mapped(descriptor, size)
        except BaseException:
            if head:
                os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        self.words = memoryview(self.buffer).cast("Q")


def _check_limit(size: int) -> None:
    """Raise OSError where a file of ``size`` bytes would bring the program SIGXFSZ, which Python ignores by default."""
    if _signal.getsignal(_signal.SIGXFSZ) != _signal.SIG_IGN:
        import resource  # noqa: PLC0415 - for the rare program that wants this signal

        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY and limit < size:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _mapped(descriptor: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, trackfd=False)
    # Before 3.13 an mmap keeps a duplicate of the descriptor, which the program may close and reuse; the mmap would
    # then close the program's own file when it goes. So the duplicate goes at once (it is the number that the next
    # duplicate would get; checked, since another thread may have taken that number), and the mmap must never go.
    probe = os.dup(descriptor)
    os.close(probe)
    mapping = mmap.mmap(descriptor, size)
    try:
        one, other = os.fstat(probe), os.fstat(descriptor)
        if one.st_ino == other.st_ino and one.st_dev == other.st_dev:
            os.close(probe)
    except OSError:
        return _kept(mapping)
    return _kept(mapping)


def _kept(mapping: mmap.mmap) -> mmap.mmap:
    # The interpreter holds at-fork callbacks until all modules and objects of the program are gone.
    os.register_at_fork(after_in_parent=mapping.tell)
    return mapping


def _release(mapping: mmap.mmap) -> None:
    """Give back the memory of a full chunk: the file keeps it, and what is touched again comes from there."""
    try:
        mapping.madvise(mmap.MADV_DONTNEED)
    except (OSError, ValueError):  # it stays in memory, then
        return


class SegmentWriter:
    """Writes one process's segment; any thread may call any method.

    A full disk or a vanished directory drop records and count them in ``dropped``; nothing but the constructor raises.
    """

    __slots__ = (
        "_directory",
        "_header",
        "_lock",
        "_name",
        "_numbers",
        "_refused",
        "_sites",
        "_texts",
        "chunk",
        "dropped",
        "total",
    )

    def __init__(
        self, directory: str, cause: int, born: tuple[str, bytes] | None = None, *, fresh: bool = False
    ) -> None:
        """Open the segment of this process in run directory ``directory``.

        ``born`` is the name and header of the file that ``header.create`` already made for this process; without it,
        or when that is ``fresh``, the file is made here. Raises OSError when the first chunk cannot be had.
        """
        self._directory = directory
        if born is None:
            uid = os.urandom(8)
            now = perf_counter_ns()
            head = header.fields(cause, os.getpid(), now, uid)
            head.update(ppid=os.getppid(), python=sys.hexversion, time_ns=time_ns())
            born = (header.identity(os.getpid(), now, uid), header.encode(**head))
            fresh = True
        self._name, self._header = born
        self._lock = _thread.allocate_lock()
        self._numbers = count(1)
        self._refused = 0
        self._texts: dict[str, int] = {}
        self._sites: dict[tuple[str, str, int], int] = {}
        self.dropped = 0
        self.total = FIRST_CHUNK
        self.chunk = Chunk(header.path_of(directory, self._name, 0), 0, FIRST_CHUNK, self._header if fresh else b"")

    def slot(self) -> tuple[Chunk, int]:
        """A free slot: its chunk and byte offset; IndexError when the segment is full or its disk is."""
        chunk = self.chunk
        number = next(chunk.counter)
        while number >= chunk.capacity:
            grown = self._grow(chunk)
            if grown is None:
                self.drop()
                raise IndexError
            chunk = grown
            number = next(chunk.counter)
        return chunk, HEADER_SIZE + number * SLOT_SIZE

    def drop(self) -> None:
        """Count a record for which there is no room."""
        self.dropped += 1

    def abandon(self) -> None:
        """Write no more: in a forked child, for this is its parent's file."""
        self._lock = _thread.allocate_lock()
        self.chunk.capacity = 0
        self.total = LIMIT

    def put(self, kind: str, *values: float | bytes, flags: int = 0, weight: int = 0) -> bool:
        """Commit one record, fields in the order of the table; False when it had to be dropped (and was counted)."""
        try:
            chunk, offset = self.slot()
        except IndexError:
            return False
        PACKERS[kind](chunk.buffer, offset, *values, flags, weight, NUMBER[kind])
        return True

    def live(self, kind: str, *values: float) -> tuple[memoryview, int] | None:
        """Commit a record whose first words will be updated in place: (the chunk's u64 words, index of the first)."""
        try:
            chunk, offset = self.slot()
        except IndexError:
            return None
        PACKERS[kind](chunk.buffer, offset, *values, 0, 0, NUMBER[kind])
        return chunk.words, offset // 8

    def text(self, string: str) -> int:
        """The number of an interned string; 0 stands for the empty one."""
        if not string:
            return 0
        known = self._texts.get(string)
        if known is None:
            # Two threads may intern the same string under two numbers: harmless, both resolve.
            known = next(self._numbers)
            self._write_text(known, string)
            self._texts[string] = known
        return known

    def _write_text(self, number: int, string: str) -> None:
        data = string.encode("utf-8", "backslashreplace")
        if len(data) <= TEXT_BYTES:
            self.put("text", number, 0, len(data), data)
            return
        data = data[:TEXT_LIMIT]
        for part, start in enumerate(range(0, len(data), TEXT_BYTES)):
            piece = data[start : start + TEXT_BYTES]
            self.put("text", number, part, len(piece), piece)

    def site(self, file: str, line: int, function: str) -> int:
        """The number of an interned site; 0 stands for none."""
        key = (file, function, line)
        known = self._sites.get(key)
        if known is None:
            known = next(self._numbers)
            self.put("site", known, self.text(file), self.text(function), line)
            self._sites[key] = known
        return known

    def _grow(self, full: Chunk) -> Chunk | None:
        # To wait for ever would be a deadlock where a finaliser or a signal handler has interrupted this very thread
        # here, or waits for a thread that waits for this lock. Without the lock the file system decides who makes it.
        held = self._lock.acquire(timeout=PATIENCE_S)
        try:
            if self.chunk is not full:
                return self.chunk
            size = min(full.size * 2, LARGEST_CHUNK)
            # What cannot be had now may be later: tried again at the 1st, 2nd, 4th, 8th ... record that wants it.
            again = not self._refused & (self._refused - 1)
            self._refused += 1
            if not again or self.total + size > LIMIT:
                return None
            try:
                number = full.number + 1
                path = header.path_of(self._directory, self._name, number)
                grown = Chunk(path, number, size, header.of_chunk(self._header, number))
            except FileExistsError:
                return None if self.chunk is full else self.chunk
            except OSError:
                return None
            self._refused = 0
            self.total += size
            self.chunk = grown
            _release(full.buffer)
            return grown
        finally:
            if held:
                self._lock.release()
