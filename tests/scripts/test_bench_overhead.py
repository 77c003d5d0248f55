"""The overhead benchmark: its arithmetic, its tables, and that every mode runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.bench import events
from scripts.bench.figures import WIDTH, Spread, table, verdict
from scripts.bench.launch import FailedError, Python, Ran, launch
from scripts.bench.whole import BUDGETS, Program, Recorded, cost_row, ratio_row

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench_overhead.py"


def bench(*arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=100
    )
    assert finished.returncode == 0, finished.stderr
    assert max(map(len, finished.stdout.splitlines())) <= WIDTH
    return finished.stdout


def test_spread_of_ratios_and_differences():
    pairs = [(1.0, 1.1), (2.0, 2.4), (1.0, 1.0)]
    assert Spread.of_ratios(pairs) == Spread(1.1, 1.0, 1.2)
    assert Spread.of_differences(pairs).median == pytest.approx(0.1)
    assert Spread(1.1, 1.0, 1.2).cells(3) == ("1.100", "1.000", "1.200")


def test_spread_of_nothing():
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=20))
def test_median_lies_between_least_and_most(values):
    spread = Spread.of(values)
    assert spread.least <= spread.median <= spread.most


def test_budget_itself_is_within():
    assert verdict(1.08, 1.08) == "within"
    assert verdict(1.081, 1.08) == "over"


def test_table_aligns_the_first_column_left_and_others_right():
    assert table(("side", "us"), [("send", "1.25"), ("a", "10.00")]) == "side     us\nsend   1.25\na     10.00"


def test_table_above_80_columns():
    with pytest.raises(ValueError, match="81 columns"):
        table(("x" * 81,), [])


def test_rows_of_a_program_judge_the_better_median():
    recorded = [Recorded(Ran(2.2, 2.02, str(12 << 20)), claimed=0.03, trace_bytes=4000, tasks=100)] * 3
    program = Program("compute-heavy", [(Ran(2.0, 2.0, str(10 << 20)), run) for run in recorded])
    assert ratio_row(program) == ("compute-heavy", *["1.100"] * 3, *["1.010"] * 3, "1.01", "within")
    assert cost_row(program) == ("compute-heavy", "2.00", "+20 ms", "30 ms", "40.0", "10.0", "+2.0")


def test_rows_of_events():
    counted = {"Pool worker": (6000.0, 6500.0), "Executor submit": (4000.0, 4900.0)}
    timed = {"Pool worker": (5900.0, 9000.0), "Executor submit": (4000.0, 5000.0)}
    assert events.rows(counted, timed) == [
        ("Pool worker", "5.90", "+0.50", "within", "+3.10", "over"),
        ("Executor submit", "4.00", "+0.90", "over", "", ""),
    ]


def test_a_program_that_fails_is_no_measurement():
    with pytest.raises(FailedError, match="failed with 3"):
        launch([sys.executable, "-c", "raise SystemExit(3)"], {})


def test_what_is_no_python():
    with pytest.raises(FailedError, match="is no Python"):
        Python.at("/dev/null")


def test_events():
    said = bench("--events", "--repeats", "4")
    sides = [line.partition("  ")[0] for line in said.splitlines()]
    assert {"Pool.imap send", "Pool worker", "Executor send", "Executor collect"} <= set(sides)


def test_whole_programs_with_the_probe_alone():
    said = bench("--probe-only", "--pairs", "1", "--size", "0.02")
    assert all(f"\n{name} " in said for name in BUDGETS)


def test_whole_program_under_mpdiag_run():
    said = bench("--pairs", "1", "--size", "0.02", "--program", "chatty-pool")
    assert "mpdiag run itself" in said


def test_scale():
    assert "\ndense " in bench("--scale", "--tasks", "2000")
