#!/usr/bin/env python3
"""Compares what mpdiag predicts that a change saves with what it saves: over the pairs in fixtures/programs.

    scripts/bench_accuracy.py --rounds 5 --method fork spawn forkserver

A round runs the slow program under ``mpdiag run``, then the slow and the fixed one bare, so that a machine whose speed
changes treats all alike. Shares are of the slow program's wall time, medians over the rounds; the error is that of the
saving: measured over predicted, less 1. The fixed programs do what the findings' snippets say.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAMS = CHECKOUT / "fixtures/programs"
NOT_ABOUT_TIME = {"shm_leak"}
PAIRS = sorted({path.stem.removesuffix("_slow") for path in PROGRAMS.glob("*_slow.py")} - NOT_ABOUT_TIME)
METHODS = ("fork", "spawn", "forkserver")
ALLOWED = 0.25
"""The error of a saving that is still a good prediction."""
sys.path.insert(0, str(CHECKOUT))

from scripts.bench.figures import table, verdict  # noqa: E402 - found through the line above
from scripts.bench.launch import FailedError, Python, bare, mpdiag  # noqa: E402


@dataclass(frozen=True)
class Round:
    """The predicted and the measured saving, as shares of the slow program's wall time, and the predicted range."""

    predicted: float
    low: float
    high: float
    measured: float


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--python", default=sys.executable, metavar="PATH", help="interpreter of the programs (this one)")
    made.add_argument("--method", nargs="+", choices=METHODS, default=["fork"], help="start methods (fork)")
    made.add_argument("--program", nargs="+", choices=PAIRS, default=PAIRS, help="only these pairs")
    made.add_argument("--rounds", type=int, default=5, help="of each pair and start method (5)")
    return made


def main() -> int:
    """Measure and print the table."""
    options = parser().parse_args()
    rows: list[tuple[str, ...]] = []
    errors: list[float] = []
    try:
        python = Python.at(options.python)
        for method in options.method:
            for pair in options.program:
                rounds = [one_round(python, pair, method) for _ in range(options.rounds)]
                errors.append(error_of(rounds))
                rows.append(row(pair, method, rounds, errors[-1]))
    except FailedError as error:
        print(f"bench_accuracy: {error}", file=sys.stderr)
        return 1
    print(f"Python {python.version}: share of the wall time saved, medians of {options.rounds} rounds\n")
    print(table(("program", "start", "predicted", "range", "measured", "error", f"<= {ALLOWED:.0%}"), rows))
    absolute = sorted(map(abs, errors))
    print(f"\nerror of the saving: median {median(absolute):.0%}, largest {absolute[-1]:.0%}")
    return 0


def one_round(python: Python, pair: str, method: str) -> Round:
    """Predict and measure once; a finding that is missing predicts nothing."""
    slow, fixed = ([python.path, str(PROGRAMS / f"{pair}_{kind}.py"), method] for kind in ("slow", "fixed"))
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        report = Path(place, "report.json")
        mpdiag("run", "--quiet", "--json", str(report), "--", *slow)
        said = json.loads(report.read_text(encoding="utf-8"))
    found = [one["savings"] for one in said["findings"] if one["rule"] == pair.replace("_", "-") and one["savings"]]
    wall = said["run"]["wall_s"]
    predicted, low, high = (found[0][name] / wall if found else 0.0 for name in ("seconds", "low", "high"))
    before, after = bare(slow).wall, bare(fixed).wall
    return Round(predicted, low, high, 1.0 - after / before)


def error_of(rounds: list[Round]) -> float:
    """The error of the predicted saving; infinite where none was predicted."""
    predicted = median(one.predicted for one in rounds)
    return median(one.measured for one in rounds) / predicted - 1.0 if predicted > 0 else float("inf")


def row(pair: str, method: str, rounds: list[Round], error: float) -> tuple[str, ...]:
    """Give a pair's row."""
    predicted, low, high, measured = (
        median(getattr(one, name) for one in rounds) for name in ("predicted", "low", "high", "measured")
    )
    return (
        pair,
        method,
        f"{predicted:.0%}",
        f"{low:.0%}-{high:.0%}",
        f"{measured:.0%}",
        f"{error:+.0%}",
        verdict(abs(error), ALLOWED),
    )


if __name__ == "__main__":
    sys.exit(main())
