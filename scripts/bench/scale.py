"""--scale: seconds and memory of reading and diagnosing a run of a million tasks."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from scripts.bench.figures import table, verdict
from scripts.bench.launch import HERE, bare

SECONDS, MEGABYTES = 3.0, 500.0
"""Budgets of everything from the run directory to the diagnosis, imports included."""
SHIFTS = {"sampled": (4, 1), "dense": (2, 0)}
"""One in 2**shift tasks is timed by the parent and by a worker: as the default budget has it at 30 us a task, and
nearly as much as the segments of these processes can hold."""
REPEATS = 3
MEBIBYTE = 1 << 20
STAGES = """\
import json, resource, sys, time
begin = time.perf_counter()
from mpdiag.engine import diagnose
from mpdiag.model.build import build_run
from mpdiag.trace.reader import read_trace
stamps = [begin, time.perf_counter()]
trace = read_trace(sys.argv[1])
stamps.append(time.perf_counter())
run = build_run(trace)
stamps.append(time.perf_counter())
diagnosis = diagnose(run)
stamps.append(time.perf_counter())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([[after - before for before, after in zip(stamps, stamps[1:])], peak, diagnosis.run.tasks]))
"""


def report(tasks: int) -> None:
    """Print the table."""
    rows = [_row(name, tasks, shifts) for name, shifts in SHIFTS.items()]
    print(f"{tasks:,} tasks read and diagnosed: seconds, the least of {REPEATS}, and peak memory")
    print(table(("timings", "MB", "import", "read", "model", "rules", "all", "<= 3", "peak MB", "<= 500"), rows))


def _row(name: str, tasks: int, shifts: tuple[int, int]) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        directory = Path(place, "run")
        # In processes of their own: a child's peak memory is at least what its parent's was when it was started.
        bare([sys.executable, str(HERE / "synthetic.py"), str(directory), str(tasks), *map(str, shifts)])
        size = sum(path.stat().st_blocks * 512 for path in (directory / "segments").iterdir())
        runs = [json.loads(bare([sys.executable, "-c", STAGES, str(directory)]).said) for _ in range(REPEATS)]
    stages, peak, _ = min(runs, key=lambda run: sum(run[0]))
    seconds = [f"{stage:.2f}" for stage in (*stages, sum(stages))]
    judged = verdict(sum(stages), SECONDS)
    megabytes = peak / MEBIBYTE
    return (name, f"{size / MEBIBYTE:.0f}", *seconds, judged, f"{megabytes:.0f}", verdict(megabytes, MEGABYTES))
