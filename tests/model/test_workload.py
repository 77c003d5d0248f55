from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpdiag.model.batches import BATCHES
from mpdiag.model.workload import workload
from tests.model.synthetic import PoolPlan, simulate


def of(plan):
    run = simulate(plan)
    return workload(run, run.pools[0])


def test_region_is_taken_apart_without_a_rest():
    plan = PoolPlan(items=100, workers=3, startup_s=0.2)
    found = of(plan)
    assert found.seconds == pytest.approx(simulate(plan).pools[0].ended - simulate(plan).pools[0].created)
    assert found.create_s == pytest.approx(plan.create_s)
    assert found.close_s == pytest.approx(plan.close_s)
    assert len(found.first) == 3
    assert found.first[0] - found.launched[0] == pytest.approx(0.2)


def test_items_and_bytes_of_the_streams_are_the_origins():
    plan = PoolPlan(items=103, chunksize=10, argument_bytes=7, callable_bytes=5, result_bytes=3, compute_s=1e-3)
    (stream,) = of(plan).batches[0].streams
    assert (stream.messages, stream.items, stream.exact) == (11, 103, True)
    assert (stream.argument[-1], stream.result[-1], stream.callable_bytes) == (721, 309, 5)
    assert stream.cpu[-1] == pytest.approx(0.103)


def test_every_map_call_is_a_batch():
    found = of(PoolPlan(items=100, jobs=5))
    assert len(found.batches) == 5
    assert sum(batch.streams[0].items for batch in found.batches) == 100


def test_few_batches_stand_for_many():
    found = of(PoolPlan(items=900, jobs=300))
    assert len(found.batches) <= BATCHES + 1
    assert found.batches[0].repeat == 1
    assert sum(batch.repeat * batch.streams[0].items for batch in found.batches) == pytest.approx(900)


def test_sampled_calls_one_by_one_keep_their_pauses():
    run = simulate(PoolPlan(items=2000, jobs=2000, compute_s=1e-4, method="apply", sample=8))
    found = workload(run, run.pools[0])
    assert sum(batch.repeat for batch in found.batches) == pytest.approx(2000, rel=0.05)
    assert np.median([batch.think_s for batch in found.batches[1:]]) < 50e-6


def test_sampled_map_is_one_batch():
    run = simulate(PoolPlan(items=4000, compute_s=1e-5, sample=16))
    found = workload(run, run.pools[0])
    assert len(found.batches) == 1
    assert found.batches[0].streams[0].items == pytest.approx(4000)
    assert not found.batches[0].streams[0].exact


def test_map_calls_of_which_no_task_was_timed_are_stood_for():
    run = simulate(PoolPlan(items=3000, jobs=300, compute_s=1e-4, sample=40))
    found = workload(run, run.pools[0])
    items = sum(batch.repeat * batch.streams[0].items for batch in found.batches)
    assert items == pytest.approx(3000, rel=0.1)


def test_pool_whose_tasks_were_not_timed_has_no_batches():
    run = simulate(PoolPlan(items=50))
    assert workload(replace(run, tasks=run.tasks[:0]), run.pools[0]).batches == ()


def test_sides_that_the_parent_did_not_time_are_filled_in():
    run = simulate(PoolPlan(items=100, callable_bytes=30, argument_bytes=20))
    tasks = run.tasks.copy()
    late = tasks["index"] % 3 > 0
    for name in ("submitted", "pickled_from", "pickled", "sent", "arrived", "collected", "handled", "produce"):
        tasks[name][late] = np.nan
    tasks["argument_bytes"][late] = 50
    tasks["callable_bytes"][late] = 0
    tasks["weight"] = np.where(late, 0.0, 3.0)
    (batch,) = workload(replace(run, tasks=tasks), run.pools[0]).batches
    (stream,) = batch.streams
    assert stream.messages == 100
    assert stream.argument[-1] == 2000
    assert stream.callable_bytes == 30
