"""The pools, a row each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.reporters.sited import Layout, fitted
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from mpdiag.diagnosis import Diagnosis, PoolSummary
    from mpdiag.reporters.pen import Pen

MOST = 10
LAYOUT = Layout("created at", ("computing", "returned", "sent", "items", "workers"), frozenset({"pool", "workers"}))
_KINDS = {"ProcessPoolExecutor": "Executor"}
INDENT = "  "


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give the table of pools; of many, the first ten."""
    pools = diagnosis.pools
    if not pools:
        return []
    rows = [_row(pool, pen) for pool in pools[:MOST]]
    page = [pen.paint("Pools", "bold"), *fitted(rows, [pool.site for pool in pools[:MOST]], LAYOUT, pen)]
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
