from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mpdiag.model.change import KeepPool
from mpdiag.rules.pool_churn import PoolChurn
from tests.model.synthetic import PoolPlan, simulate
from tests.rules.problems import PLANS

if TYPE_CHECKING:
    from mpdiag.model.run import Run

PLAN = PLANS["pool-churn"]


def found(run: Run):
    return list(PoolChurn().check(run))


@pytest.mark.parametrize(("kind", "word"), [("Pool", "pools"), ("ProcessPoolExecutor", "executors")])
def test_pools_in_a_row_become_one(kind, word):
    (finding,) = found(simulate(replace(PLAN, kind=kind)))

    assert finding.title.startswith(f"40 {word} made here one after the other: starting and stopping them takes ")
    assert finding.site == PLAN.pool_site
    assert finding.change == KeepPool(tuple(range(40)))
    assert f"with {kind}(...)" in finding.fix.snippet
    assert "for _ in range(40):" in finding.fix.snippet


def test_calls_of_a_round_are_in_the_snippet():
    (finding,) = found(simulate(replace(PLAN, kind="ProcessPoolExecutor", function="ga:improve")))
    assert "        executor.map(improve, ..., chunksize=8)" in finding.fix.snippet


@pytest.mark.parametrize(
    "plan",
    [replace(PLAN, count=2), replace(PLAN, count=4, items=4_800, chunksize=100, compute_s=4e-3)],
    ids=["two pools", "much work in each"],
)
def test_other_pools_are_no_churn(plan):
    assert found(simulate(plan)) == []


def test_pools_at_different_lines_are_no_churn():
    lines = [replace(PLAN.pool_site, line=line) for line in range(10, 16)]
    assert found(simulate(*(replace(PLAN, count=1, pool_site=site) for site in lines))) == []


def test_pools_that_live_side_by_side_are_no_churn():
    run = simulate(PoolPlan(items=48, chunksize=8, compute_s=4e-4, count=10))
    together = tuple(replace(pool, created=0.05, ended=1.0, closing=1.0) for pool in run.pools)
    assert found(replace(run, pools=together)) == []


def test_pools_of_workers_are_left_to_them():
    run = simulate(PoolPlan(items=40, compute_s=1e-2), PLAN)
    outer = replace(run.workers[0], launched=0.0, end=run.meta.wall_s)
    pid = run.processes[outer.process].pid
    pools = (run.pools[0], *(replace(pool, pid=pid) for pool in run.pools[1:]))
    assert found(replace(run, pools=pools, workers=(outer, *run.workers[1:]))) == []
