"""--events: nanoseconds that the probe adds to each side of a task, counted only and timed."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.trace.reader import read_trace
from scripts.bench.figures import table, verdict
from scripts.bench.launch import HERE, FailedError, probed

if TYPE_CHECKING:
    from mpdiag.trace.segment import Trace
    from scripts.bench.launch import Python

COUNTED_NS, TIMED_NS = 800, 3000
"""Budgets of one event that is only counted, and of one that is timed."""
EVENTS = 300
"""Of one repeat: a few milliseconds, in which another process often enough does not get in between."""
COUNT_ONLY, TIME_ALL = 0.0, 4.0
"""Budgets (shares of the wall time) that make the probe only count, or time every event: here a timed event follows
upon another at once, so even the whole wall time would not do."""
TIMED_SHARE = 0.98
"""Of the events must really have been timed, or the figure is none."""
SETTLING = 2000
"""Events that may be timed until the probe has found out that it should not."""

Costs = dict[str, tuple[float, float]]
"""Side -> least nanoseconds of an event bare and probed."""
Units = tuple[float, float]
"""What the recorder reckons for a counted and for a timed event (ns)."""


def measure(python: Python, budget: float, repeats: int) -> tuple[Costs, Units]:
    """Measure every side with one budget; FailedError when events were timed that should not be, or the reverse."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        ran = probed([python.path, str(HERE / "sides.py"), str(EVENTS), str(repeats)], Path(place, "run"), budget)
        trace = read_trace(str(Path(place, "run")))
    events, timed = count_events(trace)
    if (timed < TIMED_SHARE * events) if budget else (timed > SETTLING + (1 - TIMED_SHARE) * events):
        message = f"with a budget of {budget:.0%}, {timed} of {events} events were timed"
        raise FailedError(message)
    costs: Costs = {side: (least[0], least[1]) for side, least in json.loads(ran.said).items()}
    own = trace.table("cost")
    return costs, (float(np.mean(own["counted_unit"])), float(np.mean(own["timed_unit"])))


def count_events(trace: Trace) -> tuple[int, int]:
    """Count the events of a run, and those that were timed."""
    events = sum(
        int(np.sum(trace.table(kind)[field]))
        for kind, field in (("sent", "tasks"), ("worked", "received"), ("collected", "tasks"))
    )
    return events, sum(len(trace.table(kind)) for kind in ("send", "work", "collect"))


def report(pythons: list[Python], repeats: int) -> None:
    """Print a table for each interpreter."""
    for python in pythons:
        counted, units = measure(python, COUNT_ONLY, repeats)
        timed, _ = measure(python, TIME_ALL, repeats)
        print(f"Python {python.version}: microseconds of one event, the least of {repeats} repeats of {EVENTS}")
        print(table(("side", "bare", "counted", "0.8 us", "timed", "3 us"), rows(counted, timed)))
        print(f"the recorder reckons {units[0] / 1e3:.2f} us a counted, {units[1] / 1e3:.2f} us a timed event\n")


def rows(counted: Costs, timed: Costs) -> list[tuple[str, ...]]:
    """Give the table's rows: what each side adds when counted and when timed."""
    listed: list[tuple[str, ...]] = []
    for side, (bare, taken) in counted.items():
        bare_too, taken_too = timed[side]
        added, added_too = taken - bare, taken_too - bare_too
        cells = (f"{min(bare, bare_too) / 1e3:.2f}", f"{added / 1e3:+.2f}", verdict(added, COUNTED_NS))
        if side.endswith("submit"):  # noted for every task, never sampled
            listed.append((side, *cells, "", ""))
        else:
            listed.append((side, *cells, f"{added_too / 1e3:+.2f}", verdict(added_too, TIMED_NS)))
    return listed
