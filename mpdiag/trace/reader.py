"""Reading a run: its segments to tables of records. What is damaged is a loss; only what is no run is an error."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mpdiag.errors import MpdiagError
from mpdiag.trace.meta import parse_meta
from mpdiag.trace.names import Names
from mpdiag.trace.records import UNKNOWN, Tables
from mpdiag.trace.segment import DamagedError, Header, Trace, decode_header
from mpdiag.trace.source import (
    META,
    NOTE_LIMIT,
    UNREADABLE,
    Source,
    VanishedError,
    memory_source,
    open_source,
    shown,
    too_large,
)
from mpdiag.wire.format import HEADER_SIZE, SLOT_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

BLOCK = 1 << 20
"""Bytes read at a time: what lies beyond the last record of a preallocated file is dropped at once."""
ATTEMPTS = 3
"""How often a live run is looked for again when it was packed while it was being read."""


def read_trace(path: str) -> Trace:
    """Read the run at ``path``: a packed run file, a live pointer, or a run directory.

    Raises MpdiagError, one line, for everything that is not a readable run.
    """
    for _ in range(ATTEMPTS):
        with ExitStack() as opened:
            try:
                source = open_source(path, opened)
            except VanishedError as error:
                vanished = str(error)
                continue
            trace = _read(source)
            # Packed and removed while it was being read? Then the pointer has become a run file by now.
            if not source.live or Path(source.live, META).exists():
                return trace
            vanished = shown(source.live)
    message = f"the run of {shown(path)} is gone: its directory {vanished} holds no run any more; record the run again"
    raise MpdiagError(message)


def trace_of(files: Mapping[str, bytes], name: str = "the run") -> Trace:
    """Read a run whose files are in memory, by their names in the run directory (``text.parse`` gives such)."""
    return _read(memory_source(files, name))


@dataclass
class _Reading:
    """A run half read."""

    source: Source
    losses: list[str]
    tables: Tables = field(default_factory=Tables)
    headers: list[Header] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    """The next chunk's number, and (in ``slots``) its first slot's, of every segment."""
    slots: list[int] = field(default_factory=list)
    places: dict[tuple[int, str], int] = field(default_factory=dict)
    total: int = 0


def _read(source: Source) -> Trace:
    meta = parse_meta(source.meta, source.name)
    reading = _Reading(source, list(source.losses))
    for name in sorted(source.segments, key=_order):
        _read_file(reading, name)
    tables = reading.tables
    unknown = len(tables.table(UNKNOWN))
    if unknown:
        reading.losses.append(f"{unknown} records: of kinds that this version of mpdiag does not know")
    names = Names(tables.table("text"), tables.table("site"))
    notes = _read_notes(reading)
    return Trace(meta, tuple(reading.headers), tuple(reading.sizes), tuple(reading.losses), notes, tables, names)


def _order(name: str) -> tuple[int, str, int]:
    """By time of birth, then chunk, as the file's name tells them (<pid>-<perf_ns>-<uid>.<chunk>.seg)."""
    stem, _, chunk = name.removesuffix(".seg").rpartition(".")
    try:
        return int(stem.split("-")[1], 16), stem, int(chunk)
    except (IndexError, ValueError):
        return 0, name, 0


def _read_file(reading: _Reading, name: str) -> None:
    """Read a segment file as far as it can be read."""
    try:
        with reading.source.segments[name]() as stream:
            _read_chunk(reading, stream)
    except DamagedError as error:
        reading.losses.append(str(error))
    except UNREADABLE as error:
        reading.losses.append(f"records of a process: their file cannot be read to its end ({shown(str(error))})")


def _read_chunk(reading: _Reading, stream: BinaryIO) -> None:
    head = decode_header(stream.read(HEADER_SIZE), reading.source.name)
    key = (head.pid, head.uid)
    place = reading.places.setdefault(key, len(reading.headers))
    if place == len(reading.headers):
        reading.headers.append(head)
        reading.sizes.append(0)
        reading.chunks.append(0)
        reading.slots.append(0)
    expected = reading.chunks[place]
    if head.chunk < expected:
        message = f"records of process {head.pid}: part {head.chunk} of them is there twice"
        raise DamagedError(message)
    if head.chunk > expected:
        reading.losses.append(f"records of process {head.pid}: what comes before part {head.chunk} of them is missing")
    reading.chunks[place] = head.chunk + 1
    reading.sizes[place] += HEADER_SIZE
    first = slot = reading.slots[place]
    while block := stream.read(BLOCK):
        used = -(-len(block.rstrip(b"\0")) // SLOT_SIZE) * SLOT_SIZE
        if used > len(block):
            reading.losses.append("records of a process: their file was cut off in the middle of a record")
            used -= SLOT_SIZE
        if used:
            reading.total += used
            if reading.total > reading.source.limit:
                raise too_large(reading.source.name, reading.total, reading.source.limit)
            reading.tables.add(block[:used], place, slot)
            reading.slots[place] = slot + used // SLOT_SIZE
            reading.sizes[place] += (reading.slots[place] - first) * SLOT_SIZE
            first = reading.slots[place]
        slot += len(block) // SLOT_SIZE


def _read_notes(reading: _Reading) -> tuple[str, ...]:
    return tuple(note for name in sorted(reading.source.notes) for note in _read_note(reading, name))


def _read_note(reading: _Reading, name: str) -> list[str]:
    try:
        with reading.source.notes[name]() as stream:
            return stream.read(NOTE_LIMIT).decode("utf-8", "backslashreplace").splitlines()[:1]
    except UNREADABLE as error:
        reading.losses.append(f"why a Python process was not recorded: its note cannot be read ({shown(str(error))})")
        return []
