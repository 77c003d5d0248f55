#!/usr/bin/env python3
"""Measures what mpdiag costs the programs that it watches, and what reading a large run costs.

    scripts/bench_overhead.py                      whole programs with and without mpdiag, in turns
    scripts/bench_overhead.py --events             nanoseconds added to each side of a task, inside one process
    scripts/bench_overhead.py --startup            milliseconds and megabytes added to a process
    scripts/bench_overhead.py --scale              seconds and megabytes to read and diagnose a million tasks

Needs mpdiag's own dependencies; the interpreters under test (``--python``, repeatable) need nothing. Beside each figure
stands its budget.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from mpdiag import __version__  # noqa: E402 - found through the line above
from mpdiag.errors import MpdiagError  # noqa: E402
from mpdiag.supervise.cpus import usable_cpus  # noqa: E402
from scripts.bench import events, scale, startup, whole  # noqa: E402
from scripts.bench.launch import FailedError, Python  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    mode = made.add_mutually_exclusive_group()
    mode.add_argument("--events", action="store_true", help="cost of single events instead")
    mode.add_argument("--startup", action="store_true", help="cost of starting processes instead, and their memory")
    mode.add_argument("--scale", action="store_true", help="cost of reading and diagnosing a large run instead")
    made.add_argument("--python", action="append", metavar="PATH", help="interpreter under test (this one)")
    made.add_argument("--program", action="append", choices=whole.BUDGETS, help="of the whole programs only this one")
    made.add_argument("--pairs", type=int, default=7, help="runs without and with mpdiag (7)")
    made.add_argument("--size", type=float, default=1.0, help="of the whole programs: 1 is about two seconds each")
    made.add_argument("--probe-only", action="store_true", help="whole programs without mpdiag run beside them")
    made.add_argument("--tmp", metavar="DIR", help="where to record (as tempfile has it); see bench/whole.py")
    made.add_argument("--repeats", type=int, default=60, help="of --events (60)")
    made.add_argument("--tasks", type=int, default=1_000_000, help="of --scale (1,000,000)")
    return made


def main() -> int:
    """Measure what the command line asks for."""
    options = parser().parse_args()
    try:
        pythons = [Python.at(path) for path in options.python or [sys.executable]]
        os.chdir(CHECKOUT)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling a file each time is not what users have
        if options.tmp:
            os.environ["TMPDIR"] = tempfile.tempdir = os.path.abspath(options.tmp)  # noqa: PTH100 - as tempfile does
        print(f"mpdiag {__version__}, {usable_cpus()} usable CPUs, load {os.getloadavg()[0]:.1f}\n")
        if options.events:
            events.report(pythons, options.repeats)
        elif options.startup:
            startup.report(pythons, options.pairs)
        elif options.scale:
            scale.report(options.tasks)
        else:
            names = options.program or list(whole.BUDGETS)
            whole.report(pythons, names, options.pairs, options.size, probe_only=options.probe_only)
    except (FailedError, MpdiagError) as error:
        print(f"bench_overhead: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
