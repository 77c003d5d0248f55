"""Runs from traces written as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mpdiag.model.build import build_run
from mpdiag.trace.reader import trace_of
from mpdiag.trace.text import parse

if TYPE_CHECKING:
    from mpdiag.model.run import Run

TRACES = Path(__file__).parents[2] / "fixtures" / "traces"
ENDED = 'meta {"pid": 100, "end": {"perf_ns": 1010000000000, "status": 0, "cpu_ns": 5000000000, "maxrss": 1000}}\n'
"""The meta line of a run that ended after ten seconds."""


def run_of(text: str) -> Run:
    """Give the run that this trace recorded."""
    return build_run(trace_of(parse(text.splitlines())))


def fixture(name: str) -> Run:
    """Give the run of a trace in fixtures/traces."""
    return run_of((TRACES / f"{name}.txt").read_text(encoding="utf-8"))


def parent(*pools: str, pid: int = 100) -> str:
    """Give the segment of a process that made these pools."""
    return f"segment pid={pid} ppid=1 cause=exec python=3.11.7 perf_ns=+0.01\n" + "".join(pools)


def pool(number: int = 1, *, at: float = 1.0, end: float | None = 9.0, more: str = "") -> str:
    """Give the records of a pool: id and channel ``number``, its origin has number 1000 + ``number``."""
    site = f'site="slow.py:{number} (main)"'
    lines = [
        f"pool created=+{at} ready=+{at + 0.1:.3f} channel={number} id={number} {site} workers=2 method=fork {more}",
        f'origin id={1000 + number} pool={number} site="slow.py:12 (main)" function=work method=map',
    ]
    if end is not None:
        lines.append(f"pool_end begin=+{end - 0.1:.3f} end=+{end} id={number}")
    return "\n".join(lines) + "\n"


def worker(pid: int, channel: int = 1, *, at: float = 1.05, done: int = 0, finish: float | None = None) -> str:
    """Give the segment of a worker, child number ``pid - 100`` of process 100; append its ``work`` records to it."""
    lines = [
        f"segment pid={pid} ppid=100 cause=fork python=3.11.7 perf_ns=+{at}",
        f"ready t=+{at + 0.01:.3f} identity={pid - 100} role=worker channel={channel} logical_ppid=100",
        f"first t=+{at + 0.02:.3f} cpu=1000000",
        f"worked received={done} done={done} channel={channel}",
    ]
    if finish is not None:
        lines.append(f"finish t=+{finish} code=0 cpu=1000000000")
    return "\n".join(lines) + "\n"
