from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpdiag.model.change import QuickStart
from mpdiag.model.run import NEVER
from mpdiag.rules.slow_startup import BARE_S, SlowStartup
from tests.model.synthetic import PoolPlan, simulate
from tests.rules.problems import PLANS

PLAN = PLANS["slow-startup"]


def starting(plan: PoolPlan, imports: float, initialiser: float):
    """Give the run with workers that took so long for each part of their start."""
    run = simulate(replace(plan, startup_s=imports + initialiser), cpus=2)
    workers = tuple(replace(worker, ready=worker.launched + imports) for worker in run.workers)
    return replace(run, workers=workers)


def found(run):
    return list(SlowStartup().check(run))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_slow_initialiser_is_handed_its_product(method):
    (finding,) = found(starting(replace(PLAN, start_method=method), 0.1, 0.6))

    assert finding.title == "each of 2 workers needs 700 ms to start: the initialiser takes 600 ms"
    assert isinstance(finding.change, QuickStart)
    assert finding.change.seconds == pytest.approx(0.1)
    assert "def start_worker(prepared):" in finding.fix.snippet
    assert "initializer=start_worker, initargs=(prepared,)" in finding.fix.snippet


@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
def test_slow_imports_are_done_once_for_all(kind):
    (finding,) = found(starting(replace(PLAN, start_method="spawn", kind=kind), 0.9, 0.01))

    assert finding.title == "each of 2 workers needs 910 ms to start: imports and arguments take 900 ms"
    assert isinstance(finding.change, QuickStart)
    assert finding.change.seconds == pytest.approx(BARE_S["spawn"] + 0.01)
    assert "set_forkserver_preload" in finding.fix.snippet


def test_slow_fork_is_told_to_come_earlier():
    (finding,) = found(starting(PLAN, 0.9, 0.0))
    assert "before" in finding.fix.steps[0]
    assert "preload" not in finding.fix.snippet


@pytest.mark.parametrize(
    ("imports", "initialiser"), [(0.3, 0.05), (0.005, 0.0)], ids=["what numpy takes", "a bare fork"]
)
def test_usual_starts_are_not_slow(imports, initialiser):
    assert found(starting(replace(PLAN, items=20), imports, initialiser)) == []


def test_slow_start_before_much_work_is_not_said():
    assert found(starting(replace(PLAN, items=4_000), 0.05, 0.2)) == []


def test_busy_machine_makes_no_slow_start():
    run = starting(replace(PLAN, start_method="spawn"), 0.9, 0.05)
    assert found(run) != []
    samples = np.zeros(1, run.samples.dtype)
    samples["pid"], samples["cpu"], samples["runqueue"] = 1001, 1.0, 2.5
    assert found(replace(run, samples=samples)) == []


def test_workers_that_never_asked_for_a_task_tell_nothing():
    run = starting(PLAN, 0.1, 0.6)
    assert found(replace(run, workers=tuple(replace(worker, first=NEVER) for worker in run.workers))) == []
