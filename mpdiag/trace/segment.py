"""What was read of a run: ``Trace``, its segments (one process each, chunks joined) and their headers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.errors import MpdiagError
from mpdiag.trace.records import DTYPES
from mpdiag.wire import header
from mpdiag.wire.format import CAUSES, HEADER_SIZE, MAGIC, SLOT_SIZE, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mpdiag.trace.names import Names
    from mpdiag.trace.records import Tables


class DamagedError(Exception):
    """A segment file that cannot be read: a loss "what: why" in the user's words, the rest of the run is fine."""


@dataclass(frozen=True, slots=True)
class Header:
    """A segment's header, decoded (``wire.format.HEADER_FIELDS``); ``raw`` is what was decoded."""

    cause: str
    pid: int
    ppid: int
    uid: str
    parent_uid: str
    chunk: int
    python: int
    perf_ns: int
    time_ns: int
    argv: str
    fault: int
    raw: bytes

    @property
    def python_version(self) -> str:
        """``sys.hexversion`` in words: 3.11.7, 3.14.0rc1; empty where it is unknown."""
        if not self.python:
            return ""
        level = {0xA: "a", 0xB: "b", 0xC: "rc"}.get(self.python >> 4 & 0xF, "")
        serial = str(self.python & 0xF) if level else ""
        return f"{self.python >> 24}.{self.python >> 16 & 0xFF}.{self.python >> 8 & 0xFF}{level}{serial}"


def decode_header(raw: bytes, name: str) -> Header:
    """Decode the first bytes of a segment file of the run file or directory ``name``.

    Raises DamagedError for what is no header; MpdiagError for a newer version's.
    """
    if len(raw) < HEADER_SIZE or not any(raw):
        message = (
            "a process: it left no record: it was just being born when it ended or the run was read, or could not write"
        )
        raise DamagedError(message)
    fields = header.decode(raw)
    if fields["magic"] != MAGIC:
        message = "a file of the run: it is named as if it held records, but holds none"
        raise DamagedError(message)
    version = int(fields["version"])
    if version > VERSION:
        message = f"{name} was written by a newer mpdiag (format {version}); upgrade mpdiag"
        raise MpdiagError(message)
    if (version, fields["slot_size"], fields["header_size"]) != (VERSION, SLOT_SIZE, HEADER_SIZE):
        message = "records of a process: their file is damaged at its beginning"
        raise DamagedError(message)
    numbers = ("pid", "ppid", "chunk", "python", "perf_ns", "time_ns", "fault")
    values: dict[str, Any] = {key: fields[key] for key in numbers}
    values.update({key: bytes(fields[key]).hex() for key in ("uid", "parent_uid")})
    cause = int(fields["cause"])
    values["cause"] = CAUSES[cause] if cause < len(CAUSES) else CAUSES[0]
    argv = bytes(fields["argv"])
    values["argv"] = argv.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "backslashreplace")
    return Header(**values, raw=raw[:HEADER_SIZE])


@dataclass(frozen=True, eq=False)
class Trace:
    """A run as it was recorded. ``losses`` are sentences "what: why"; ``notes`` are what interpreters left behind."""

    meta: Mapping[str, Any]
    headers: tuple[Header, ...]
    sizes: tuple[int, ...]
    losses: tuple[str, ...]
    notes: tuple[str, ...]
    tables: Tables
    names: Names

    def table(self, kind: str) -> NDArray[Any]:
        """The records of a kind in the whole run, ordered by segment and slot; ``segment`` is an index."""
        return self.tables.table(kind)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Every process's records, in the order of ``headers``."""
        return tuple(Segment(self, index) for index in range(len(self.headers)))

    @cached_property
    def edges(self) -> Mapping[str, NDArray[Any]]:
        """Kind to where each segment's records begin in its table, and one more: the table's end."""
        numbers = np.arange(len(self.headers) + 1)
        return {kind: np.searchsorted(np.ascontiguousarray(self.table(kind)["segment"]), numbers) for kind in DTYPES}


@dataclass(frozen=True, eq=False)
class Segment:
    """One process's records; ``index`` is its place in the trace."""

    trace: Trace
    index: int

    @property
    def header(self) -> Header:
        """Which process, when and why."""
        return self.trace.headers[self.index]

    @property
    def bytes(self) -> int:
        """Bytes in use on disk: headers and slots, without the preallocated rest."""
        return self.trace.sizes[self.index]

    def records(self, kind: str) -> NDArray[Any]:
        """The records of a kind by name: its fields, ``flags``, ``weight``, ``slot`` (its number), in that order."""
        edges = self.trace.edges[kind]
        return self.trace.table(kind)[edges[self.index] : edges[self.index + 1]]

    def text(self, number: int) -> str:
        """An interned string; "" for 0, "(unknown)" where nothing has this number."""
        return self.trace.names.text(self.index, number)

    def site(self, number: int) -> tuple[str, int, str]:
        """File, line and function of an interned site."""
        return self.trace.names.site(self.index, number)
