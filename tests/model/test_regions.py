from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.model.regions import length, outside_pools_s, owners, region, union
from tests.model.synthetic import PoolPlan, simulate

INTERVALS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair))))


@given(INTERVALS)
def test_union_covers_the_same_and_is_apart(intervals):
    merged = union(intervals)
    assert all(before[1] < after[0] for before, after in pairwise(merged))
    covered = {second for start, end in intervals for second in range(start, end)}
    assert length(intervals) == len(covered)


def test_region_is_clipped_to_the_run():
    run = simulate(PoolPlan(items=10))
    pool = replace(run.pools[0], created=-1.0, ended=np.nan)
    assert region(run, pool) == (0.0, run.meta.wall_s)
    assert region(run, replace(pool, created=99.0)) == (run.meta.wall_s, run.meta.wall_s)


def test_outside_pools_is_the_rest_of_the_run():
    run = simulate(PoolPlan(items=10, count=2, pause_s=0.5), before_s=0.3, after_s=0.1)
    assert outside_pools_s(run) == pytest.approx(0.3 + 2 * 0.5 + 0.1)


def test_pool_created_in_a_worker_has_an_owner():
    run = simulate(PoolPlan(items=10, workers=2), PoolPlan(items=10))
    owner = run.workers[1]
    inner = replace(run.pools[1], pid=run.processes[owner.process].pid, created=owner.first)
    assert owners(replace(run, pools=(run.pools[0], inner))) == {1: 1}
    # A pid that was used again, after the worker's end, makes no owner.
    later = replace(inner, created=owner.end + 1)
    assert owners(replace(run, pools=(run.pools[0], later))) == {}
