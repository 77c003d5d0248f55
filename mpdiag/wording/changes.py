"""A change in words, as what-if rows show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.model.change import Chunk, KeepPool, QuickStart, Shed

if TYPE_CHECKING:
    from mpdiag.model.change import Change
    from mpdiag.model.run import Run

BYTE_UNITS = {1e9: "GB", 1e6: "MB", 1e3: "kB", 1.0: "bytes"}


def change_in_words(run: Run, change: Change) -> str:
    """A change in words."""
    if isinstance(change, Chunk):
        return f"chunksize {change.chunksize} at {_place(run, change.origin)}"
    if isinstance(change, Shed):
        what = {"argument": "argument", "callable": "callable's", "result": "result"}[change.role]
        return f"{_bytes(change.bytes)} of {what} bytes less per task at {_place(run, change.origin)}"
    if isinstance(change, KeepPool):
        return f"one pool instead of {len(change.pools)}"
    where = ", ".join(sorted({f"{run.pools[pool].site.file}:{run.pools[pool].site.line}" for pool in change.pools}))
    if isinstance(change, QuickStart):
        return f"workers ready in {change.seconds * 1e3:.3g} ms at {where}"
    return f"no processes at {where}"


def _place(run: Run, origin: int) -> str:
    site = run.origins[origin].site
    return f"{site.file}:{site.line}"


def _bytes(size: float) -> str:
    unit = next((unit for unit in (1e9, 1e6, 1e3) if size >= unit), 1.0)
    return f"{size / unit:.3g} {BYTE_UNITS[unit]}"
