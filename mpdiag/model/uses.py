"""What the processes did with queues, pipes, managers, locks and shared memory, from their live counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.pools import COUNT_LIMIT
from mpdiag.model.run import Block, Import, LockUse, Served, Site, Use
from mpdiag.trace.clocks import durations, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mpdiag.model.family import Family
    from mpdiag.trace.segment import Trace


def read_uses(trace: Trace, family: Family) -> tuple[Use, ...]:
    """Every line's operations on queues, pipes and proxies."""
    return tuple(
        Use(*who, int(count), int(size), blocked, busy, int(timed))
        for who, row, blocked, busy in _counters(trace, family, "use", ("blocked", "busy"))
        for count, size, timed in (_counts(row, "count", "bytes", "timed"),)
    )


def read_locks(trace: Trace, family: Family) -> tuple[LockUse, ...]:
    """Every line's acquisitions of locks."""
    return tuple(
        LockUse(*who, int(acquired), int(contended), waited, held, int(timed))
        for who, row, waited, held in _counters(trace, family, "lock", ("waited", "held"))
        for acquired, contended, timed in (_counts(row, "acquired", "contended", "timed"),)
    )


def _counters(
    trace: Trace, family: Family, kind: str, times: tuple[str, str]
) -> Iterator[tuple[tuple[int, str, str, int, Site], Any, float, float]]:
    """Every live counter of a kind: whose it is (process, type, operation, object, site), the record, two times (s)."""
    table, names = trace.table(kind), trace.names
    first, second = (np.nan_to_num(durations(table[name])) for name in times)
    for row, one, other in zip(table, first.tolist(), second.tolist(), strict=True):
        segment = int(row["segment"])
        if family.process[segment] >= 0:
            site = Site(*names.site(segment, int(row["site"]))) if row["site"] else NOWHERE
            kinds = names.text(segment, int(row["type"])), names.text(segment, int(row["operation"]))
            yield (int(family.process[segment]), *kinds, int(row["object"]), site), row, one, other


NOWHERE = Site("(unknown)", 0, "(unknown)")


def _counts(row: Any, *fields: str) -> tuple[int, ...]:  # noqa: ANN401 - a record of numpy's
    return tuple(min(int(row[name]), COUNT_LIMIT) for name in fields)


def read_served(trace: Trace, family: Family) -> tuple[Served, ...]:
    """What managers' servers did."""
    table, names = trace.table("served"), trace.names
    busy = np.nan_to_num(durations(table["busy"])).tolist()
    found = []
    for row, spent in zip(table, busy, strict=True):
        segment = int(row["segment"])
        if family.process[segment] >= 0:
            calls, received, sent = _counts(row, "calls", "received", "sent")
            kind, method = names.text(segment, int(row["type"])), names.text(segment, int(row["method"]))
            found.append(
                Served(int(family.process[segment]), kind, method, int(row["object"]), calls, spent, received, sent)
            )
    return tuple(found)


def read_blocks(trace: Trace, family: Family) -> tuple[Block, ...]:
    """What was done with shared memory, in the order of time."""
    table: NDArray[Any] = trace.table("memory")
    names = trace.names
    stamps = seconds(table["t"], trace.meta["perf_ns"])
    found = []
    for place in np.argsort(stamps, kind="stable").tolist():
        row = table[place]
        segment = int(row["segment"])
        if family.process[segment] >= 0:
            name, action = names.text(segment, int(row["name"])), names.text(segment, int(row["action"]))
            site = Site(*names.site(segment, int(row["site"]))) if row["site"] else NOWHERE
            (size,) = _counts(row, "size")
            found.append(Block(int(family.process[segment]), float(stamps[place]), name, action, size, site))
    return tuple(found)


def read_imports(trace: Trace, family: Family) -> tuple[tuple[Import, ...], dict[int, float]]:
    """The imports of spawned processes, and when each began with the program's module."""
    table, names = trace.table("stage"), trace.names
    stamps = seconds(table["t"], trace.meta["perf_ns"]).tolist()
    spent, own = (np.nan_to_num(durations(table[name])).tolist() for name in ("spent", "own"))
    found, mains = [], {}
    for place, row in enumerate(table):
        segment = int(row["segment"])
        process = int(family.process[segment])
        if process < 0:
            continue
        name, sort = names.text(segment, int(row["name"])), names.text(segment, int(row["sort"]))
        if sort == "module":
            found.append(Import(process, name, spent[place], own[place]))
        elif name == "main":
            mains[process] = stamps[place]
    return tuple(found), mains
