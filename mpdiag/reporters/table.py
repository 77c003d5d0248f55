"""Rows of short cells with a text at their end that may take several lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.reporters.columns import columns, pad

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.reporters.pen import Pen

GAP = "  "
TEXT = 12
"""Columns for the text at least; where there are fewer, it begins on a line of its own."""


def hanging(rows: Sequence[tuple[str, ...]], pen: Pen, indent: str, right: tuple[int, ...] = ()) -> Iterator[str]:
    """Give the lines of a table whose last column is wrapped under itself.

    The cells before it are aligned left, or right where their index is in ``right``; they have to be visible text.
    """
    widths = [max(columns(cell) for cell in cells) for cells in zip(*(row[:-1] for row in rows), strict=True)]
    for *cells, text in rows:
        aligned = (
            " " * (width - columns(cell)) + cell if index in right else pad(cell, width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        lead = indent + GAP.join(aligned)
        if pen.width - columns(lead) >= TEXT:
            yield from pen.wrap(text, lead + GAP)
        else:
            yield lead.rstrip()
            yield from pen.wrap(text, indent + 2 * GAP)
