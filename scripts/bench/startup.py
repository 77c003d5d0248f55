"""--startup: what the probe adds to the start of a process, and to the memory of a worker."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.bench.events import TIME_ALL
from scripts.bench.figures import Spread, table, verdict
from scripts.bench.launch import BUDGET, HERE, bare, probed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scripts.bench.launch import Python, Ran

METHODS = ("fork", "spawn", "forkserver")
ALONE_MS, WORKER_MS, MEMORY_MB = 1.0, 5.0, 2.0
"""Budgets: milliseconds of a Python that uses no multiprocessing and of a worker, megabytes of a worker."""
ROUNDS = 8
"""Workers started by one program."""
TASKS = 30_000
"""Done by a worker before its memory is asked for: some 2 MB of records when every task is timed."""
MEBIBYTE = 1 << 20


def in_turns(command: list[str], pairs: int, budget: float = BUDGET) -> list[tuple[Ran, Ran]]:
    """Run a command bare and probed, ``pairs`` times."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        taken = [(bare(command), probed(command, Path(place, str(turn)), budget)) for turn in range(pairs + 1)]
    return taken[1:]  # the first one compiles, and warms the file system's cache


def report(pythons: list[Python], pairs: int) -> None:
    """Print the tables."""
    for python in pythons:
        print(f"Python {python.version}: milliseconds of a start, {pairs} interleaved pairs")
        headers = ("", "least", "added", "median", "added", "budget", "")
        print(table(headers, [_alone(python, pairs), *(_worker(python, method, pairs) for method in METHODS)]))
        print("(a worker: from making a pool of one to its first result, the parent's part included)\n")
        print(f"Python {python.version}: memory of a worker after {TASKS:,} tasks, MB")
        rows = [_memory(python, method, budget) for method in METHODS for budget in (BUDGET, TIME_ALL)]
        print(table(("", "peak", "added", "its own", "added", "budget", ""), rows), end="\n\n")


def _alone(python: Python, pairs: int) -> tuple[str, ...]:
    runs = in_turns([python.path, "-c", "pass"], 4 * pairs)
    return _start_row("python -c pass", [(plain.wall, taken.wall) for plain, taken in runs], ALONE_MS)


def _worker(python: Python, method: str, pairs: int) -> tuple[str, ...]:
    command = [python.path, str(HERE / "children.py"), "start", method, str(ROUNDS)]
    both = [(json.loads(plain.said), json.loads(taken.said)) for plain, taken in in_turns(command, pairs)]
    times = [pair for plain, taken in both for pair in zip(plain, taken, strict=True)]
    return _start_row(f"{method} worker", times, WORKER_MS)


def _start_row(name: str, seconds: Iterable[tuple[float, float]], budget: float) -> tuple[str, ...]:
    """Give a row: least and median of the bare times, and what the probed ones have more."""
    plain, taken = (Spread.of(1e3 * second for second in times) for times in zip(*seconds, strict=True))
    added = taken.least - plain.least
    cells = (f"{plain.least:.1f}", f"{added:+.2f}", f"{plain.median:.1f}", f"{taken.median - plain.median:+.2f}")
    return (name, *cells, f"{budget:+.0f}", verdict(added, budget))


def _memory(python: Python, method: str, budget: float) -> tuple[str, ...]:
    command = [python.path, str(HERE / "children.py"), "memory", method, str(TASKS)]
    ((plain, taken),) = in_turns(command, 1, budget)
    (peak, own), (peak_taken, own_taken) = json.loads(plain.said), json.loads(taken.said)
    added = (peak_taken - peak) / MEBIBYTE
    cells = (peak / MEBIBYTE, added, own / MEBIBYTE, (own_taken - own) / MEBIBYTE)
    texts = (f"{cells[0]:.1f}", f"{cells[1]:+.2f}", f"{cells[2]:.1f}", f"{cells[3]:+.2f}")
    name = f"{method} worker" + (", all timed" if budget == TIME_ALL else "")
    return (name, *texts, f"{MEMORY_MB:+.0f}", verdict(added, MEMORY_MB))
