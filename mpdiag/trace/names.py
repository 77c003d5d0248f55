"""Interned strings and sites: numbers of one segment to text. What refers to nothing resolves to a placeholder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.wire.format import TEXT_BYTES, TEXT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NOWHERE = "(unknown)"
"""What a number that refers to nothing resolves to."""
GAP = "…".encode()
"""Stands where a piece of a string is missing."""


class Names:
    """The strings and sites of all segments, from the tables ``text`` and ``site``."""

    def __init__(self, texts: NDArray[Any], sites: NDArray[Any]) -> None:
        """Resolve all records of the two tables."""
        decoded: dict[bytes, str] = {}  # a name recurs in every process: one object for all
        self._texts: dict[int, str] = {}
        for key, data in _joined(texts):
            if data not in decoded:
                decoded[data] = data.decode("utf-8", "backslashreplace")
            self._texts[key] = decoded[data]
        self._sites: dict[int, tuple[str, int, str]] = {}
        columns = (sites["segment"], sites["id"], sites["file"], sites["line"], sites["function"])
        for segment, number, file, line, function in zip(*(column.tolist() for column in columns), strict=True):
            site = (self.text(segment, file), line, self.text(segment, function))
            self._sites.setdefault(segment << 32 | number, site)

    def text(self, segment: int, number: int) -> str:
        """The string with this number in a segment; number 0 is the empty string unless the segment says otherwise."""
        return self._texts.get(segment << 32 | number, NOWHERE if number else "")

    def site(self, segment: int, number: int) -> tuple[str, int, str]:
        """File, line and function of the site with this number in a segment."""
        return self._sites.get(segment << 32 | number, (NOWHERE, 0, NOWHERE))


def _joined(texts: NDArray[Any]) -> Iterator[tuple[int, bytes]]:
    """Every string as (segment << 32 | id, bytes): pieces put in order, repeated ones ignored, long ones cut."""
    order = np.lexsort((texts["slot"], texts["part"], texts["id"], texts["segment"]))
    ordered = texts[order]
    keys = ordered["segment"].astype("u8") << np.uint64(32) | ordered["id"]
    columns = (keys, ordered["part"], ordered["size"], ordered["data"])
    current, expected, pieces = -1, 0, bytearray()
    for key, part, size, data in zip(*(column.tolist() for column in columns), strict=True):
        if key != current:
            if current >= 0:
                yield current, bytes(pieces[:TEXT_LIMIT])
            current, expected, pieces = key, 0, bytearray()
        if part < expected or len(pieces) >= TEXT_LIMIT:
            continue
        if part > expected:
            pieces += GAP
        # numpy drops the zeros at the end of a bytes field; those within ``size`` belong to the text.
        pieces += data[:size].ljust(min(size, TEXT_BYTES), b"\0")
        expected = part + 1
    if current >= 0:
        yield current, bytes(pieces[:TEXT_LIMIT])
