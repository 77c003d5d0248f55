"""Tasks awaited one by one, and what submitting them all at once would give."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.model.batches import outstanding
from mpdiag.model.change import KeepPool, Overlap, QuickStart
from mpdiag.model.whatif import replay
from tests.model.synthetic import PoolPlan, simulate

ONE_BY_ONE = PoolPlan(items=200, jobs=200, compute_s=5e-3, method="apply")


def wall(plan, cpus=8):
    return simulate(plan, cpus=cpus).meta.wall_s


@pytest.mark.parametrize("sample", [1, 8])
@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("compute_s", [5e-3, 1e-3, 3e-4])
def test_overlapping_tasks_take_what_they_take_submitted_at_once(workers, compute_s, sample):
    plan = replace(ONE_BY_ONE, workers=workers, compute_s=compute_s, items=400, jobs=400, sample=sample)
    found = replay(simulate(plan), [Overlap((0,))])
    assert found.wall_s == pytest.approx(wall(replace(plan, jobs=1)), rel=0.1 if sample == 1 else 0.25)
    assert 0 <= found.low <= found.wall_s <= found.high <= wall(plan)


def test_processors_bound_what_overlaps():
    plan = replace(ONE_BY_ONE, workers=8)
    all_of_them, one = (replay(simulate(plan, cpus=cpus), [Overlap((0,))]).wall_s for cpus in (8, 1))
    assert all_of_them < 0.25 * wall(plan)
    assert one == pytest.approx(wall(plan), rel=0.15)


def test_parent_that_thinks_between_calls_thinks_all_the_same():
    # GIVEN 2 ms of the main thread's own work before every task of 1 ms
    run = simulate(replace(ONE_BY_ONE, compute_s=1e-3))
    tasks = run.tasks.copy()
    later = 2e-3 * np.arange(1, len(tasks) + 1)
    stamps = ("submitted", "pickled_from", "pickled", "sent", "received", "begin", "end", "replied_from", "replied")
    for name in (*stamps, "arrived", "collected", "handled"):
        tasks[name] += later
    pool = replace(run.pools[0], ended=run.pools[0].ended + 0.4, closing=run.pools[0].closing + 0.4)
    workers = tuple(replace(worker, end=worker.end + 0.4) for worker in run.workers)
    meta = replace(run.meta, wall_s=run.meta.wall_s + 0.4)
    run = replace(run, tasks=tasks, pools=(pool,), workers=workers, meta=meta)
    assert replay(run, [Overlap((0,))]).wall_s >= 0.4


def test_overlap_goes_with_changes_of_the_start():
    run = simulate(replace(ONE_BY_ONE, startup_s=0.5))
    alone = replay(run, [Overlap((0,))]).wall_s
    together = replay(run, [Overlap((0,)), QuickStart((0,), 0)]).wall_s
    assert together == pytest.approx(alone - 0.5, rel=0.05)
    churned = simulate(replace(ONE_BY_ONE, items=40, jobs=40, count=5, startup_s=0.1))
    pools = tuple(range(5))
    both = replay(churned, [Overlap(pools), KeepPool(pools)]).wall_s
    assert both < replay(churned, [Overlap(pools)]).wall_s - 0.3


@given(st.integers(0, 50), st.integers(1, 50), st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 4]))
@settings(max_examples=40)
def test_overlapping_never_predicts_a_loss(items, jobs, workers, cpus, sample):
    plan = PoolPlan(items=items, jobs=jobs, workers=workers, sample=sample, method="apply_async")
    run = simulate(plan, cpus=cpus)
    found = replay(run, [Overlap((0,))])
    assert all(isfinite(value) for value in (found.wall_s, found.low, found.high))
    assert 0 <= found.low <= found.wall_s <= run.meta.wall_s * (1 + 1e-9)


@pytest.mark.parametrize("sample", [1, 8])
@pytest.mark.parametrize(("jobs", "expected"), [(200, 1.0), (100, 2.0)])
def test_outstanding_tasks_are_counted_by_their_waiting(jobs, expected, sample):
    plan = replace(ONE_BY_ONE, jobs=jobs, workers=4, sample=sample)
    run = simulate(plan)
    assert outstanding(run, run.origins[0]) == pytest.approx(expected, rel=0.3 if sample > 1 else 0.02)


def test_a_map_has_many_outstanding():
    run = simulate(PoolPlan(items=200, workers=4))
    assert outstanding(run, run.origins[0]) == pytest.approx(100, rel=0.2)


def test_unanswered_and_untimed_tasks_do_not_count():
    run = simulate(ONE_BY_ONE)
    tasks = run.tasks.copy()
    tasks["handled"][::2] = tasks["replied"][::2] = np.nan
    assert outstanding(replace(run, tasks=tasks), run.origins[0]) == pytest.approx(0.5, rel=0.05)
    tasks["submitted"] = np.nan
    assert outstanding(replace(run, tasks=tasks), run.origins[0]) is None
    assert outstanding(replace(run, tasks=tasks[:0]), run.origins[0]) is None


def test_one_task_in_no_time_is_one():
    run = simulate(replace(ONE_BY_ONE, items=1, jobs=1))
    tasks = run.tasks.copy()
    tasks["handled"] = tasks["submitted"]
    assert outstanding(replace(run, tasks=tasks), run.origins[0]) == 1.0
