"""What recording cost, by the recorders' own account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.pools import COUNT_LIMIT
from mpdiag.model.run import Overhead
from mpdiag.trace.clocks import durations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.trace.segment import Trace

COUNTERS = {
    "sent": "tasks",
    "collected": "tasks",
    "worked": "received",
    "use": "count",
    "lock": "acquired",
    "served": "calls",
}
"""Live counters of events: a task sent, a result collected, a task served by a worker; an operation on a queue, pipe or
proxy, an acquisition, a call served by a manager."""
TIMED = ("send", "work", "collect", "event")


def build_overhead(trace: Trace) -> Overhead:
    """Every process's events at what one costs there, and what it spent on looking into large messages."""
    size = len(trace.headers)
    counted, timed = np.zeros(size), np.zeros(size)
    for kind, name in COUNTERS.items():
        table = trace.table(kind)
        counted += np.bincount(table["segment"], np.minimum(table[name], COUNT_LIMIT), size)
    for kind in TIMED:
        timed += np.bincount(trace.table(kind)["segment"], minlength=size)
    cost = trace.table("cost")
    where = cost["segment"]
    seconds = counted[where] * _known(cost["counted_unit"]) + timed[where] * _known(cost["timed_unit"])
    return Overhead(
        seconds=float(np.sum(seconds + _known(cost["spent"]))),
        counted=int(counted.sum()),
        timed=int(timed.sum()),
        trace_bytes=sum(trace.sizes),
    )


def _known(spans: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(durations(spans))
