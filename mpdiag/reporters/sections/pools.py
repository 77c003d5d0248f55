"""The pools, a row each; the site comes last, for it is the only text that has no certain width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabulate import tabulate

from mpdiag.reporters.columns import columns
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpdiag.diagnosis import Diagnosis, PoolSummary
    from mpdiag.reporters.pen import Pen

MOST = 10
SITE = 20
"""Columns for the site at least; others give way, the first of ``_DISPENSABLE`` first."""
_DISPENSABLE = ("computing", "returned", "sent", "items", "workers")
_KINDS = {"ProcessPoolExecutor": "Executor"}
INDENT = "  "


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give the table of pools; of many, the first ten."""
    pools = diagnosis.pools
    if not pools:
        return []
    rows = [_row(pool, pen) for pool in pools[:MOST]]
    names = list(rows[0])
    dispensable = list(_DISPENSABLE)
    while (room := _room(rows, names, pen)) < SITE and dispensable:
        names.remove(dispensable.pop(0))
    cells = [
        [*(row[name] for name in names), pen.site(pool.site, room)] for row, pool in zip(rows, pools, strict=False)
    ]
    page = [pen.paint("Pools", "bold"), *_table(cells, [*names, "created at"], pen)]
    if len(pools) > MOST:
        page += pen.wrap(f"and {numbers.count(len(pools) - MOST)} more in the JSON report", INDENT)
    return page


def _row(pool: PoolSummary, pen: Pen) -> dict[str, str]:
    kind = pen.text(_KINDS.get(pool.kind, pool.kind), 12)
    return {
        "pool": kind if pool.count == 1 else f"{numbers.count(pool.count)} {kind}s",
        "workers": pen.text(f"{numbers.count(pool.workers)} {pool.method}", 13),
        "tasks": numbers.count(pool.tasks),
        "items": numbers.count(pool.items),
        "sent": numbers.size(pool.argument_bytes + pool.callable_bytes),
        "returned": numbers.size(pool.result_bytes),
        "computing": pen.seconds(pool.compute_s),
    }


def _room(rows: Sequence[dict[str, str]], names: Sequence[str], pen: Pen) -> int:
    """Count the columns that are left for the site."""
    widths = (max(len(name), *(columns(row[name]) for row in rows)) for name in names)
    return pen.width - len(INDENT) - sum(width + 2 for width in widths)


def _table(cells: list[list[str]], headers: list[str], pen: Pen) -> list[str]:
    align = ["left" if name in {"pool", "workers", "created at"} else "right" for name in headers]
    # The headers are a row like the others: tabulate would make every column wider than its header.
    table = tabulate([headers, *cells], tablefmt="plain", colalign=align, disable_numparse=True)
    head, *body = (INDENT + line for line in table.split("\n"))
    return [pen.paint(head, "dim"), *body]
