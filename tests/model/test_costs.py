from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.model.costs import FIXED_S, Line, alike, calibrate, fit, scaled, split, tasks_of
from tests.model.synthetic import PoolPlan, simulate


@given(st.floats(1, 1000), st.floats(0, 1e8), st.floats(0, 10))
@settings(deadline=None)
def test_split_passes_through_what_was_measured(items, size, seconds):
    line = split(items, size, seconds)
    assert line.at(np.array([items]), np.array([size]))[0] == pytest.approx(seconds, abs=1e-12)
    assert min(line.fixed, line.item, line.byte) >= 0


def test_large_messages_cost_by_the_byte():
    line = split(1, 1e6, 2e-3)
    assert line.byte == pytest.approx(2e-9, rel=0.05)


def test_small_messages_cost_by_the_message():
    line = split(1, 60, 8e-6)
    assert line.byte == 0
    assert line.fixed > 7e-6


def test_slow_pickling_of_few_bytes_costs_by_the_item():
    line = split(1, 60, 3e-3)
    assert line.item == pytest.approx(3e-3, rel=0.01)


def test_slope_is_found_where_sizes_vary():
    rng = np.random.default_rng(1)
    size = rng.uniform(100, 60_000, 500)
    seconds = 5e-6 + 3e-9 * size + rng.exponential(1e-6, 500)
    line = fit(np.ones(500), size, seconds, 0.5)
    assert line.byte == pytest.approx(3e-9, rel=0.1)
    assert line.fixed + line.item == pytest.approx(6e-6, rel=0.3)


def test_nothing_measured_costs_nothing():
    nothing = np.full(3, np.nan)
    assert fit(np.ones(3), np.ones(3), nothing, 0.5) == Line()


def test_costs_are_those_of_the_pool():
    plan = PoolPlan(items=500, compute_s=1e-4, argument_bytes=3000, byte_s=1e-9)
    costs = calibrate(simulate(plan).tasks, 0.5)
    one, size = np.ones(1), np.array([3040.0])
    assert costs.pickle.at(one, size)[0] == pytest.approx(plan.pickle_s + 3.04e-6)
    assert costs.unpickle.at(one, size)[0] == pytest.approx(plan.unpickle_s + 3.04e-6)
    assert costs.handle.at(one, size)[0] == pytest.approx(plan.handle_s)
    assert costs.transfer == Line()


def test_writer_blocked_by_busy_workers_is_not_slow():
    plan = PoolPlan(items=300, compute_s=1e-2, argument_bytes=20_000)
    run = simulate(plan)
    assert np.median(run.tasks["sent"] - run.tasks["pickled"]) > 1e-3
    assert calibrate(run.tasks, 0.5).write.at(np.ones(1), np.array([20_040.0]))[0] < 50e-6


def test_transfer_of_a_large_message_begins_when_its_reader_asks():
    run = simulate(PoolPlan(items=100, compute_s=1e-2, argument_bytes=1_000_000, byte_s=1e-9))
    costs = calibrate(run.tasks, 0.5)
    assert costs.transfer.at(np.ones(1), np.array([1e6]))[0] == pytest.approx(1e-3, rel=0.05)


def test_origins_of_pools_made_again_and_again_are_alike():
    run = simulate(PoolPlan(items=10, count=3), PoolPlan(items=20, function="program.other"))
    assert alike(run) == [[0, 1, 2], [3]]
    assert len(tasks_of(run, [0, 1, 2])) == 30


def test_scaled_costs_scale_every_term():
    costs = calibrate(simulate(PoolPlan(items=50)).tasks, 0.5)
    half = scaled(costs, 0.5)
    assert half.pickle.fixed == pytest.approx(costs.pickle.fixed / 2)
    assert costs.pickle.fixed <= FIXED_S
