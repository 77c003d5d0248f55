"""A change in words, as what-if rows show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.model.change import Chunk, Fewer, KeepPool, Overlap, QuickStart, Reuse, Serial, Shed
from mpdiag.model.stages import CHANNELS

if TYPE_CHECKING:
    from mpdiag.model.change import Change
    from mpdiag.model.run import Run

SITES = 2
"""Places named in one row."""
BYTE_UNITS = {1e9: "GB", 1e6: "MB", 1e3: "kB", 1.0: "bytes"}


def change_in_words(run: Run, change: Change) -> str:
    """A change in words."""
    match change:
        case Chunk():
            words = f"chunksize {change.chunksize} at {_place(run, change.origin)}"
        case Shed():
            what = {"argument": "argument", "callable": "callable's", "result": "result"}[change.role]
            words = f"{_bytes(change.bytes)} of {what} bytes less per task at {_place(run, change.origin)}"
        case KeepPool():
            words = f"one pool instead of {len(change.pools)}"
        case Fewer():
            words = _fewer(run, change)
        case Reuse():
            words = f"{change.lasting} lasting processes instead of {len(change.processes)}"
        case Overlap():
            words = f"all tasks submitted before the first result is awaited at {_pools(run, change.pools)}"
        case QuickStart():
            words = f"workers ready in {change.seconds * 1e3:.3g} ms at {_pools(run, change.pools)}"
        case Serial():
            words = f"no processes at {_pools(run, change.pools)}"
    return words


def _pools(run: Run, pools: tuple[int, ...]) -> str:
    return ", ".join(sorted({f"{run.pools[pool].site.file}:{run.pools[pool].site.line}" for pool in pools}))


def _fewer(run: Run, change: Fewer) -> str:
    used, locked = [run.uses[index] for index in change.uses], [run.locks[index] for index in change.locks]
    at = [use.site for use in used] + [lock.site for lock in locked]
    sites = sorted({(site.file, site.line) for site in at})
    where = ", ".join(f"{file}:{line}" for file, line in sites[:SITES]) + (", ..." if len(sites) > SITES else "")
    what = "waits for a lock" if locked else "messages" if used and used[0].kind in CHANNELS else "calls of a manager"
    left = f"{1 / change.share:,.0f} times fewer" if change.share else "no"
    return f"{left} {what} at {where}"


def _place(run: Run, origin: int) -> str:
    site = run.origins[origin].site
    return f"{site.file}:{site.line}"


def _bytes(size: float) -> str:
    unit = next((unit for unit in (1e9, 1e6, 1e3) if size >= unit), 1.0)
    return f"{size / unit:.3g} {BYTE_UNITS[unit]}"
