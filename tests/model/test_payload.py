from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpdiag.model.payload import loads
from mpdiag.model.run import Part
from tests.model.synthetic import PoolPlan, simulate

PART = Part(0, "argument", "table", "dict", 400_000, 400_040, 100, 99, 100.0)
PLAN = PoolPlan(items=100, compute_s=5e-3, argument_bytes=400_000, byte_s=2e-9, parts=(PART,))


def test_nothing_is_made_of_nothing():
    assert loads(simulate(PoolPlan())) == ()


def test_bytes_and_seconds_are_of_all_messages():
    (load,) = loads(simulate(PLAN))

    assert (load.role, load.name, load.type, load.origins) == ("argument", "table", "dict", (0,))
    assert load.message_bytes == load.item_bytes == load.task_bytes == 400_000
    assert load.messages == 100
    assert load.repeats == pytest.approx(0.99)
    assert load.compute_s == pytest.approx(0.5)
    # Pickling, reading and unpickling: 2 ns a byte each.
    assert load.carry_s == pytest.approx(100 * 400_000 * 3 * 2e-9, rel=0.1)
    assert load.share == pytest.approx(load.carry_s / (load.carry_s + 0.5))


def test_item_bytes_are_a_part_of_a_chunks():
    plan = replace(PLAN, items=1000, chunksize=10, argument_bytes=40_000)
    (load,) = loads(simulate(plan))
    assert load.message_bytes == 400_000
    assert load.item_bytes == 40_000


def test_results_are_charged_with_their_own_way():
    part = replace(PART, role="result", name="return value")
    plan = replace(PLAN, argument_bytes=40, result_bytes=400_000, parts=(part,))
    (load,) = loads(simulate(plan))
    assert load.carry_s == pytest.approx(100 * 400_000 * 3 * 2e-9, rel=0.1)


def test_sample_stands_for_all_tasks():
    whole, sampled = (loads(simulate(replace(PLAN, sample=k)))[0] for k in (1, 4))
    assert sampled.carry_s == pytest.approx(whole.carry_s, rel=0.05)
    assert sampled.compute_s == pytest.approx(whole.compute_s, rel=0.05)


def test_pools_made_again_and_again_are_one_site():
    (load,) = loads(simulate(replace(PLAN, items=20, count=5, parts=(replace(PART, messages=20, estimated=20.0),))))
    assert load.origins == (0, 1, 2, 3, 4)
    assert load.messages == 100
    assert load.task_bytes == 400_000


def test_heaviest_comes_first():
    light = replace(PART, name="names", bytes=50_000)
    assert [load.name for load in loads(simulate(replace(PLAN, parts=(light, PART))))] == ["table", "names"]


def test_tasks_that_one_side_did_not_time_count_as_the_others():
    run = simulate(PLAN)
    tasks = run.tasks.copy()
    tasks["pickled_from"][::2] = np.nan
    (whole,), (half,) = loads(run), loads(replace(run, tasks=tasks))
    assert half.carry_s == pytest.approx(whole.carry_s, rel=0.05)


def test_bytes_that_are_dear_to_pickle_are_charged_for_it():
    # A fifth of the bytes, a thousand small objects, takes nine tenths of the pickling; the rest is one long string.
    part = replace(PART, bytes=80_000, payload=400_000)
    (alike,), (dear,) = (loads(simulate(replace(PLAN, parts=(replace(part, effort=effort),)))) for effort in (0.0, 0.9))

    assert alike.dearness == 1.0
    assert dear.dearness == pytest.approx(0.9 * 5)
    # Of pickling, reading and unpickling the second goes by the bytes.
    assert dear.carry_s / alike.carry_s == pytest.approx((4.5 + 1 + 4.5) / 3, rel=0.05)


def test_no_part_takes_longer_to_pickle_than_its_message():
    part = replace(PART, bytes=100, payload=400_000, effort=1.0)
    (load,) = loads(simulate(replace(PLAN, parts=(part,))))
    assert load.carry_s <= 100 * 400_000 * 3 * 2e-9 * 1.1
