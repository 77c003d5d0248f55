from __future__ import annotations

from dataclasses import replace

from mpdiag.model.run import Site
from mpdiag.model.sites import about_origins, about_pools, pools_by_site
from tests.model.synthetic import PoolPlan, simulate


def indices(run):
    return [[pool.index for pool in group] for group in pools_by_site(run)]


def test_pools_are_grouped_by_the_line_that_made_them():
    other = PoolPlan(items=10, pool_site=Site("program.py", 30, "main"))
    assert indices(simulate(PoolPlan(items=10, count=2), other, PoolPlan(items=10))) == [[0, 1, 3], [2]]


def test_pools_of_another_process_or_kind_are_another_group():
    run = simulate(PoolPlan(items=10, count=2), PoolPlan(items=10, kind="ProcessPoolExecutor"))
    elsewhere = (run.pools[0], replace(run.pools[1], pid=4321), run.pools[2])
    assert indices(replace(run, pools=elsewhere)) == [[0], [1], [2]]


def test_pools_made_in_workers_are_left_out():
    run = simulate(PoolPlan(items=100), PoolPlan(items=10))
    outer = replace(run.workers[0], launched=0.0, end=run.meta.wall_s)
    inner = replace(run.pools[1], pid=run.processes[outer.process].pid)
    assert indices(replace(run, pools=(run.pools[0], inner), workers=(outer, *run.workers[1:]))) == [[0]]


def test_findings_are_about_pools_and_their_origins():
    run = simulate(PoolPlan(items=10, count=3))
    assert set(about_pools(run, run.pools[1:])) == {("pool", 1), ("pool", 2), ("origin", 1), ("origin", 2)}
    assert set(about_origins(run, (0, 2))) == {("pool", 0), ("pool", 2), ("origin", 0), ("origin", 2)}
