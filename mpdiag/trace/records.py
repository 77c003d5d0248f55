"""Slots to tables: numpy dtypes from the table of kinds, and the vectorised split of raw slots by kind.

A table holds the records of one kind of the whole run, in the order (segment, slot), so that a run of 80,000 processes
is read as fast as one process with as many records.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.wire.format import COMMIT_OFFSET, KINDS, NUMBER, SLOT_SIZE, TYPE_CODES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fields = tuple[tuple[str, str], ...]

UNKNOWN = "unknown"
"""Name of the table of records whose kind this version does not know."""
BATCH_BYTES = 1 << 24
"""Raw slots are split in batches: enough to be fast, little beside the 64 bytes a record takes anyway."""


def record_dtype(fields: Fields) -> np.dtype[np.void]:
    """The dtype of a kind's records: its fields, ``flags``, ``weight``, ``kind``, and whence: ``slot``, ``segment``."""
    names = [name for name, _ in fields]
    codes = [TYPE_CODES.get(declared, declared) for _, declared in fields]
    sizes = [int(code[1:]) for code in codes]
    offsets = [sum(sizes[:place]) for place in range(len(sizes))]
    return np.dtype(
        {
            "names": [*names, "flags", "weight", "kind", "slot", "segment"],
            "formats": [*map(_numpy_code, codes), "u1", "u1", "<u2", "<u4", "<u4"],
            "offsets": [*offsets, COMMIT_OFFSET, COMMIT_OFFSET + 1, COMMIT_OFFSET + 2, SLOT_SIZE, SLOT_SIZE + 4],
            "itemsize": SLOT_SIZE + 8,
        }
    )


def _numpy_code(code: str) -> str:
    return f"S{code[1:]}" if code.startswith("s") else f"<{code}"


FIELDS: dict[str, Fields] = {name: fields for _, name, fields, _ in KINDS} | {UNKNOWN: (("data", f"s{COMMIT_OFFSET}"),)}
DTYPES = {name: record_dtype(fields) for name, fields in FIELDS.items()}
NAMES = {number: name for name, number in NUMBER.items()}

_OTHER = 0xFF
_CODES = np.full(1 << 16, _OTHER, "u1")
_CODES[[0, *NAMES]] = [0, *NAMES]
"""Kind to itself, and all that are unknown to one: a hostile segment may have all 65,536 of them."""
_CODES.flags.writeable = False
_RAW = np.dtype((np.void, SLOT_SIZE))
_TAIL = np.dtype([("fields", np.void, COMMIT_OFFSET + 2), ("kind", "<u2")])
_PLACED = np.dtype([("raw", _RAW), ("slot", "<u4"), ("segment", "<u4")])


class Tables:
    """Collects raw slots and gives the records of one kind; adding ends with the first table that is asked for."""

    def __init__(self) -> None:
        """Begin without slots."""
        self._pending: list[tuple[bytes, int, int]] = []
        self._pending_bytes = 0
        self._parts: dict[str, list[NDArray[Any]]] = {}
        self._tables: dict[str, NDArray[Any]] = {}
        self._last = (0, 0)
        self._ordered = True

    def add(self, raw: bytes, segment: int, slot: int) -> None:
        """Add whole slots of a segment, the first of which is number ``slot``."""
        self._ordered &= (segment, slot) >= self._last
        self._last = (segment, slot)
        self._pending.append((raw, segment, slot))
        self._pending_bytes += len(raw)
        if self._pending_bytes >= BATCH_BYTES:
            self._split()

    def table(self, kind: str) -> NDArray[Any]:
        """All records of a kind by name, ordered by segment and slot."""
        if kind not in self._tables:
            self._split()
            parts = self._parts.pop(kind, [])
            table = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, DTYPES[kind]), *parts])
            if not self._ordered:
                table = table[np.lexsort((table["slot"], table["segment"]))]
            table.flags.writeable = False
            self._tables[kind] = table
        return self._tables[kind]

    def _split(self) -> None:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        if not pending:
            return
        raw = np.frombuffer(b"".join(piece for piece, _, _ in pending), _RAW)
        lengths = np.array([len(piece) // SLOT_SIZE for piece, _, _ in pending])
        segments = np.array([segment for _, segment, _ in pending], "u4")
        # The slot's number in its segment, less its place in this batch.
        shifts = np.array([slot for _, _, slot in pending]) - (np.cumsum(lengths) - lengths)
        owners = np.repeat(np.arange(len(pending)), lengths)
        codes = _CODES[raw.view(_TAIL)["kind"]]
        order = np.argsort(codes, kind="stable")
        # Holes (0) sort first, and no group begins with them.
        edges = np.flatnonzero(np.diff(codes[order], prepend=0, append=_OTHER + 1))
        for begin, end in pairwise(edges):
            places = order[begin:end]
            part = np.empty(len(places), _PLACED)
            part["raw"] = raw[places]
            part["slot"] = places + shifts[owners[places]]
            part["segment"] = segments[owners[places]]
            name = NAMES.get(int(codes[places[0]]), UNKNOWN)
            self._parts.setdefault(name, []).append(part.view(DTYPES[name]))
