from __future__ import annotations

from mpdiag.model.change import Chunk
from mpdiag.model.chunking import recommended_chunksize
from mpdiag.model.whatif import replay
from tests.model.synthetic import PoolPlan, simulate


def test_tiny_tasks_are_batched_and_the_batch_is_near_the_best():
    run = simulate(PoolPlan(items=20_000, compute_s=5e-6, workers=2))
    size = recommended_chunksize(run, 0)
    assert 16 <= size <= 20_000 / 4
    best = min(replay(run, (Chunk(0, c),)).wall_s for c in (64, 256, 1024))
    assert replay(run, (Chunk(0, size),)).wall_s < 1.03 * best


def test_long_tasks_stay_alone():
    assert recommended_chunksize(simulate(PoolPlan(items=500, compute_s=2e-2)), 0) == 1


def test_every_worker_gets_two_rounds_of_each_call():
    run = simulate(PoolPlan(items=400, compute_s=2e-6, workers=4, jobs=10))
    assert recommended_chunksize(run, 0) <= 5


def test_uneven_tasks_are_not_lumped_together():
    run = simulate(PoolPlan(items=200, workers=4, compute_s=[1e-4] * 199 + [0.5]))
    assert recommended_chunksize(run, 0) <= 4


def test_call_of_few_items_stays_as_it_is():
    assert recommended_chunksize(simulate(PoolPlan(items=3, compute_s=1e-6, workers=4)), 0) == 1
