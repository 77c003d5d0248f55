from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpdiag.engine import diagnose
from mpdiag.model.change import Serial
from mpdiag.model.run import Site
from mpdiag.rules.not_worth_it import NotWorthIt
from tests.model.synthetic import PoolPlan, simulate
from tests.rules.problems import PLANS

PLAN = PLANS["not-worth-it"]


def found(*plans: PoolPlan, cpus: int = 2):
    return list(NotWorthIt().check(simulate(*plans, cpus=cpus)))


def test_pool_is_compared_with_a_loop():
    (finding,) = found(replace(PLAN, function="weather:decode"))

    assert "with a pool of 2 workers, 20 ms in a plain loop" in finding.title
    assert finding.site == PLAN.site
    assert finding.change == Serial((0,))
    assert finding.fix.snippet.startswith("results = [decode(item) for item in ...]")


def test_starred_calls_stay_starred():
    (finding,) = found(replace(PLAN, method="starmap"))
    assert "for arguments in ..." in finding.fix.snippet
    assert "work(*arguments)" in finding.fix.snippet


def test_pools_of_one_line_are_one_finding():
    (finding,) = found(replace(PLAN, items=10_000, chunksize=1_250, count=3))
    assert "with 3 pools" in finding.title
    assert finding.change == Serial((0, 1, 2))


def test_pool_of_several_calls_is_found_where_it_is_made():
    run = simulate(PLAN, cpus=2)
    other = replace(run.origins[0], index=1, site=Site("program.py", 99, "main"))
    (finding,) = NotWorthIt().check(replace(run, origins=(*run.origins, other)))
    assert finding.site == PLAN.pool_site


@pytest.mark.parametrize(
    "plan",
    [PoolPlan(items=1000, compute_s=2e-3), PoolPlan(items=40, compute_s=0.01, cpu_share=0.0)],
    ids=["computing", "sleeping"],
)
def test_pool_that_pays_is_not_found(plan):
    assert found(plan) == []


def test_busy_machine_is_not_the_pools_fault():
    # GIVEN tasks that took four times their CPU, on a machine that the pool alone does not fill
    plan = PoolPlan(items=1000, chunksize=50, compute_s=4e-3, cpu_share=1.0)
    run = simulate(plan, cpus=8)
    tasks = run.tasks.copy()
    tasks["cpu"] /= 4
    run = replace(run, tasks=tasks, samples=delayed(run, np.sum(tasks["cpu"]) * 3))

    # THEN serial code would have been as slow
    assert list(NotWorthIt().check(run)) == []


def delayed(run, seconds):
    """Give samples that say that the workers waited for a core so long, in all."""
    samples = np.zeros(len(run.workers), run.samples.dtype)
    for row, worker in zip(samples, run.workers, strict=True):
        row["t"], row["pid"] = worker.end, run.processes[worker.process].pid
        row["runqueue"] = seconds / len(run.workers)
    return samples


def test_too_many_workers_are_the_pools_fault():
    # GIVEN sixteen workers that share two cores, so that tasks take eight times their CPU, and that start slowly
    run = simulate(PoolPlan(items=1000, chunksize=10, workers=16, compute_s=4e-3, startup_s=1.0), cpus=2)
    tasks = run.tasks.copy()
    tasks["cpu"] /= 8
    run = replace(run, tasks=tasks, samples=delayed(run, np.sum(tasks["cpu"]) * 7))

    assert len(list(NotWorthIt().check(run))) == 1


def test_of_serial_code_and_batches_the_one_that_saves_more_stands():
    # Batches of tasks this small still cost more than doing them.
    tiny = PoolPlan(items=20_000, compute_s=0.3e-6, argument_bytes=200, result_bytes=200, byte_s=20e-9)
    diagnosis = diagnose(simulate(tiny, cpus=2))
    assert [finding.rule for finding in diagnosis.findings if finding.severity != "info"] == ["not-worth-it"]
    assert any(fact.label == "explains chatty-tasks" for fact in diagnosis.findings[0].evidence)
