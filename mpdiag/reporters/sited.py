"""Tables whose last column is a site, the only text of no certain width: other columns give way to it."""

from __future__ import annotations

from posixpath import basename
from typing import TYPE_CHECKING, NamedTuple

from tabulate import tabulate

from mpdiag.reporters.columns import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mpdiag.model.run import Site
    from mpdiag.reporters.pen import Pen

LEAST, MOST = 20, 28
"""Columns for the site at least, and so many where its file's name and line take them."""
INDENT = "  "


class Layout(NamedTuple):
    """The header of the sites, columns that give way to them (the first one first), and those that are aligned left."""

    last: str
    dispensable: tuple[str, ...]
    left: frozenset[str]


def fitted(rows: Sequence[dict[str, str]], sites: Sequence[Site], layout: Layout, pen: Pen) -> list[str]:
    """Give the lines of a table, header first."""
    names = list(rows[0])
    going = list(layout.dispensable)
    longest = max(columns(pen.text(f"{basename(site.file)}:{site.line}", MOST)) for site in sites)
    wanted = max(LEAST, longest)
    while (room := _room(rows, names, pen)) < wanted and going:
        names.remove(going.pop(0))
    cells = [[*(row[name] for name in names), pen.site(site, room)] for row, site in zip(rows, sites, strict=True)]
    return _table(cells, [*names, layout.last], layout.left | {layout.last}, pen)


def _room(rows: Sequence[dict[str, str]], names: Sequence[str], pen: Pen) -> int:
    """Count the columns that are left for the site."""
    widths = (max(len(name), *(columns(row[name]) for row in rows)) for name in names)
    return pen.width - len(INDENT) - sum(width + 2 for width in widths)


def _table(cells: list[list[str]], headers: list[str], left: frozenset[str], pen: Pen) -> list[str]:
    # tabulate counts characters, not columns: what has wide ones is given to it as so many of one that stands for it.
    given = {cell: chr(PRIVATE_USE + number) * columns(cell) for number, cell in enumerate(_wide(cells))}
    # The headers are a row like the others: tabulate would make every column wider than its header.
    rows = [headers, *([given.get(cell, cell) for cell in row] for row in cells)]
    align = ["left" if name in left else "right" for name in headers]
    table = tabulate(rows, tablefmt="plain", colalign=align, disable_numparse=True)
    for cell, placeholder in given.items():
        table = table.replace(placeholder, cell)
    head, *body = ((INDENT + line).rstrip() for line in table.split("\n"))
    return [pen.paint(head, "dim"), *body]


PRIVATE_USE = 0xE000
"""The first of 6,400 characters that no text has a meaning for."""


def _wide(cells: Iterable[Iterable[str]]) -> list[str]:
    return sorted({cell for row in cells for cell in row if cell and columns(cell) != len(cell)})
