"""Tables whose last column is a site, the only text of no certain width: other columns give way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mpdiag.reporters.columns import columns, pad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpdiag.model.run import Site
    from mpdiag.reporters.pen import Pen

SITE = 20
"""Columns for the site at least."""
INDENT = GAP = "  "


class Layout(NamedTuple):
    """The header of the sites, columns that give way to them (the first one first), and those that are aligned left."""

    last: str
    dispensable: tuple[str, ...]
    left: frozenset[str]


def fitted(rows: Sequence[dict[str, str]], sites: Sequence[Site], layout: Layout, pen: Pen) -> list[str]:
    """Give the lines of a table, header first."""
    names = list(rows[0])
    going = list(layout.dispensable)
    while (room := _room(rows, names, pen)) < SITE and going:
        names.remove(going.pop(0))
    cells = [[*(row[name] for name in names), pen.site(site, room)] for row, site in zip(rows, sites, strict=True)]
    return _table(cells, [*names, layout.last], layout.left | {layout.last}, pen)


def _room(rows: Sequence[dict[str, str]], names: Sequence[str], pen: Pen) -> int:
    """Count the columns that are left for the site."""
    widths = (max(len(name), *(columns(row[name]) for row in rows)) for name in names)
    return pen.width - len(INDENT) - sum(width + 2 for width in widths)


def _table(cells: list[list[str]], headers: list[str], left: frozenset[str], pen: Pen) -> list[str]:
    rows = [headers, *cells]
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    aligned = (
        GAP.join(
            pad(cell, width) if name in left else " " * (width - columns(cell)) + cell
            for cell, width, name in zip(row, widths, headers, strict=True)
        )
        for row in rows
    )
    head, *body = ((INDENT + line).rstrip() for line in aligned)
    return [pen.paint(head, "dim"), *body]
