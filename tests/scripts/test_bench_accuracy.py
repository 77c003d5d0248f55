"""The accuracy benchmark: its arithmetic, and that it runs."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from mpdiag.engine import all_rules
from scripts.bench_accuracy import NOT_ABOUT_TIME, PAIRS, Round, error_of, row

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench_accuracy.py"


def test_error_is_of_the_medians():
    rounds = [Round(0.4, 0.3, 0.5, 0.5), Round(0.4, 0.3, 0.5, 0.5), Round(0.9, 0.8, 1.0, 0.0)]
    assert error_of(rounds) == pytest.approx(0.25)
    assert row("pool_churn", "fork", rounds, 0.25)[2:] == ("40%", "30%-50%", "50%", "+25%", "within")


def test_no_prediction_is_no_accuracy():
    rounds = [Round(0.0, 0.0, 0.0, 0.5)]
    assert error_of(rounds) == math.inf
    assert row("pool_churn", "fork", rounds, math.inf)[-1] == "over"


def test_every_rule_has_its_pair():
    assert {pair.replace("_", "-") for pair in (*PAIRS, *NOT_ABOUT_TIME)} == {rule.id for rule in all_rules()}


def test_it_runs():
    command = [sys.executable, str(SCRIPT), "--rounds", "1", "--program", "chatty_tasks", "--method", "fork"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert finished.returncode == 0, finished.stderr
    assert "chatty_tasks" in finished.stdout
    assert "error of the saving: median" in finished.stdout
