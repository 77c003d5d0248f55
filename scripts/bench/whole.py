"""The default mode: whole programs with and without mpdiag, in turns.

Every run leaves a run directory, all of which are deleted at the end: ext4 makes new files slowly for a minute after
others were deleted (it will not use their inodes again at once), 0.2 ms a process, which pool-churn shows and whoever
uses mpdiag once does not have. For the same reason wait a minute between two benchmarks, or name another file system
by ``--tmp``.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mpdiag.trace.reader import read_trace
from scripts.bench.figures import Spread, table, verdict
from scripts.bench.launch import HERE, Ran, bare, mpdiag, probed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scripts.bench.launch import Python

BUDGETS = {
    "compute-heavy": 1.01,
    "big-arguments": 1.02,
    "pool-churn": 1.05,
    "chatty-pool": 1.08,
    "chatty-executor": 1.08,
    "manager-calls": 1.06,
    "queue-pipeline": 1.10,
    "pipe-ping-pong": 1.10,
    "locked-counter": 1.10,
}
"""Program -> what the better of its wall and CPU ratio, as medians, may be."""
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Recorded:
    """A program's run under mpdiag: its own span as mpdiag recorded it, and what mpdiag says of itself."""

    ran: Ran
    claimed: float = 0.0
    """Seconds of overhead that the report admits."""
    trace_bytes: int = 0
    tasks: int = 0
    before_and_after: tuple[float, float] = (0.0, 0.0)
    """Seconds of wall clock and of CPU that ``mpdiag run`` took beside the program."""


@dataclass
class Program:
    """One program's pairs of runs."""

    name: str
    pairs: list[tuple[Ran, Recorded]] = field(default_factory=list)

    def ratios(self, quantity: Callable[[Ran], float]) -> Spread:
        """Describe the ratio of a quantity of the runs."""
        return Spread.of_ratios((quantity(plain), quantity(recorded.ran)) for plain, recorded in self.pairs)

    def added(self, quantity: Callable[[Ran], float]) -> float:
        """Give the median of what mpdiag added to a quantity."""
        return Spread.of_differences((quantity(plain), quantity(recorded.ran)) for plain, recorded in self.pairs).median


def recorded_run(command: list[str], python: Python, place: Path) -> Recorded:
    """Run a command under ``mpdiag run``, and keep what it leaves at ``place``."""
    place.mkdir()
    run, report = f"{place}/run.mpdiag", f"{place}/report.json"
    whole = mpdiag("run", "--quiet", "-o", run, "--json", report, "--python", python.path, "--", *command)
    meta = read_trace(run).meta
    said = json.loads(Path(report).read_text(encoding="utf-8"))
    span, cpu = (meta["end"]["perf_ns"] - meta["perf_ns"]) / 1e9, meta["end"]["cpu_ns"] / 1e9
    return Recorded(
        Ran(span, cpu, whole.said),
        said["overhead"]["seconds"],
        said["run"]["trace_bytes"],
        said["run"]["tasks"],
        (whole.wall - span, whole.cpu - cpu),
    )


def probe_only_run(command: list[str], python: Python, place: Path) -> Recorded:
    """Run a command with the probe but without ``mpdiag run`` beside it, recording into ``place``."""
    return Recorded(probed([python.path, *command], place))


def report(pythons: Sequence[Python], names: Sequence[str], pairs: int, size: float, *, probe_only: bool) -> None:
    """Measure and print the tables."""
    run = probe_only_run if probe_only else recorded_run
    for python in pythons:
        programs = [Program(name) for name in names]
        with tempfile.TemporaryDirectory(prefix="bench-") as kept:
            for program in programs:
                command = [str(HERE / "workloads.py"), program.name, str(size)]
                for turn in range(pairs):
                    place = Path(kept, f"{program.name}-{turn}")
                    if turn % 2:  # in either order: the second of a pair finds the machine as the first left it
                        recorded = run(command, python, place)
                        program.pairs.append((bare([python.path, *command]), recorded))
                    else:
                        program.pairs.append((bare([python.path, *command]), run(command, python, place)))
        what = "the probe alone" if probe_only else "mpdiag run"
        print(f"Python {python.version}: ratio with {what} to without, {pairs} interleaved pairs")
        print(table(("program", "wall", "min", "max", "CPU", "min", "max", "budget", ""), map(ratio_row, programs)))
        print()
        headers = ("program", "seconds", "CPU added", "claimed", "bytes/task", "worker MB", "added")
        print(table(headers, map(cost_row, programs)))
        if not probe_only:
            print(_own_line([recorded for program in programs for _, recorded in program.pairs]))
        print()


def ratio_row(program: Program) -> tuple[str, ...]:
    """Give a program's row of ratios, with the verdict on the better of its two medians."""
    wall, cpu = program.ratios(lambda ran: ran.wall), program.ratios(lambda ran: ran.cpu)
    budget = BUDGETS[program.name]
    judged = verdict(min(wall.median, cpu.median), budget)
    return (program.name, *wall.cells(3), *cpu.cells(3), f"{budget:.2f}", judged)


def cost_row(program: Program) -> tuple[str, ...]:
    """Give a program's row of costs: CPU milliseconds measured and claimed, trace bytes per task, a worker's memory."""
    plain, recorded = zip(*program.pairs, strict=True)
    known = recorded[0].tasks > 0
    return (
        program.name,
        f"{Spread.of(ran.wall for ran in plain).median:.2f}",
        f"{1e3 * program.added(lambda ran: ran.cpu):+.0f} ms",
        f"{1e3 * Spread.of(run.claimed for run in recorded).median:.0f} ms" if known else "-",
        f"{Spread.of(run.trace_bytes / run.tasks for run in recorded).median:.1f}" if known else "-",
        f"{Spread.of(worker_bytes(ran) for ran in plain).median / MEBIBYTE:.1f}",
        f"{program.added(worker_bytes) / MEBIBYTE:+.1f}",
    )


def worker_bytes(ran: Ran) -> float:
    """Give the peak memory of a worker, which the programs print."""
    return float(ran.said)


def _own_line(runs: list[Recorded]) -> str:
    wall, cpu = (Spread.of(run.before_and_after[place] for run in runs).median for place in (0, 1))
    return f"mpdiag run itself (start, sampling, report): {wall:.2f} s of wall clock, {cpu:.2f} s of CPU"
