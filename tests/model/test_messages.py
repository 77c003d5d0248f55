from __future__ import annotations

import numpy as np
import pytest

from mpdiag.model.change import Shed
from mpdiag.model.costs import calibrate
from mpdiag.model.messages import MORE_TOLL_S, Setting, Tariff, cut, merged
from mpdiag.model.workload import workload
from tests.model.synthetic import PoolPlan, simulate

PLAN = PoolPlan(items=1000, compute_s=1e-3, argument_bytes=2000)


def stream_and_tariff(plan=PLAN, **more):
    run = simulate(plan)
    return workload(run, run.pools[0]).batches[0].streams[0], Tariff(calibrate(run.tasks, 0.5), **more)


def test_recorded_setting_keeps_messages_and_bytes():
    stream, tariff = stream_and_tariff()
    found = cut(stream, Setting(), tariff, 5000)
    assert len(found) == 1000
    assert found.size.sum() == pytest.approx(1000 * 2040)
    assert found.work.sum() > 1.0


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_chunks_conserve_the_work(size):
    stream, tariff = stream_and_tariff()
    found = cut(stream, Setting(chunksize=size), tariff, 5000)
    assert len(found) == -(-1000 // size)
    assert found.size.sum() == pytest.approx(1000 * 2000 + len(found) * 40)
    fewer = cut(stream, Setting(chunksize=size), tariff, 50)
    assert len(fewer) <= 50
    assert fewer.work.sum() == pytest.approx(found.work.sum(), rel=0.02)


def test_chunks_never_span_two_calls():
    run = simulate(PoolPlan(items=100, jobs=4))
    (stream,) = (batch.streams[0] for batch in workload(run, run.pools[0]).batches[:1])
    found = cut(stream, Setting(chunksize=1000), Tariff(calibrate(run.tasks, 0.5)), 100)
    assert len(found) == 1


def test_bytes_go_away_and_never_below_nothing():
    stream, tariff = stream_and_tariff()
    assert cut(stream, Setting(less_argument=500), tariff, 5000).size.sum() == pytest.approx(1000 * 1540)
    nothing = cut(stream, Setting(less_argument=1e9, less_callable=1e9), tariff, 5000)
    assert nothing.size.sum() == 0


@pytest.mark.parametrize("role", ["argument", "callable", "result"])
def test_dear_bytes_spare_more_pickling_and_no_more_transfer(role):
    plan = PoolPlan(items=1000, argument_bytes=90_000, callable_bytes=90_000, result_bytes=90_000, byte_s=1e-9)
    stream, tariff = stream_and_tariff(plan)
    usual, dear = (
        cut(stream, Setting().without(Shed(0, role, 40_000, dearness=dearness)), tariff, 5000) for dearness in (1, 2)
    )
    spared = 40_000 * 1e-9 * 1000
    assert dear.size.sum() == usual.size.sum()
    assert dear.transfer.sum() == usual.transfer.sum()
    sides = ("work", "collect") if role == "result" else ("feed", "work")
    for name in sides:
        assert (getattr(usual, name) - getattr(dear, name)).sum() == pytest.approx(spared, rel=0.25)


def test_changes_of_one_call_add_up():
    both = Setting(4).without(Shed(0, "argument", 300, dearness=2)).without(Shed(0, "argument", 50))
    assert both == Setting(4, less_argument=350, eased_argument=650)


def test_a_dear_callable_goes_from_each_message_and_not_from_each_recorded_one():
    # Ten times fewer messages carry the callable ten times less often: no more than it weighs goes away.
    plan = PoolPlan(items=1000, argument_bytes=90_000, callable_bytes=90_000, byte_s=1e-9)
    stream, tariff = stream_and_tariff(plan)
    chunked = Setting(chunksize=10)
    before, after = (
        cut(stream, setting, tariff, 5000)
        for setting in (chunked, chunked.without(Shed(0, "callable", 40_000, dearness=2)))
    )
    assert (before.feed - after.feed).sum() == pytest.approx(2 * 40_000 * 1e-9 * 100, rel=0.25)


def test_processor_time_is_a_share_of_the_messages_alone():
    stream, tariff = stream_and_tariff()
    _, half = stream_and_tariff(cpu=0.5)
    whole, half = (cut(stream, Setting(), which, 5000) for which in (tariff, half))
    work = float(stream.cpu[-1])
    assert half.cpu.sum() - work == pytest.approx((whole.cpu.sum() - work) / 2)
    assert half.work.sum() == whole.work.sum()
    assert half.feed.sum() == whole.feed.sum()


def test_effort_scales_the_work_alone():
    stream, tariff = stream_and_tariff()
    _, twice = stream_and_tariff(effort=2.0)
    once, double = (cut(stream, Setting(), which, 5000) for which in (tariff, twice))
    assert double.work.sum() - once.work.sum() == pytest.approx(1.0, rel=0.01)
    assert double.feed.sum() == pytest.approx(once.feed.sum())


def test_toll_is_the_parents_and_bounded_for_more_messages_than_recorded():
    stream, tariff = stream_and_tariff(PoolPlan(items=1000, chunksize=100))
    _, dear = stream_and_tariff(PoolPlan(items=1000, chunksize=100), toll_s=1e-3)
    same = [cut(stream, Setting(), which, 5000).parent.sum() for which in (tariff, dear)]
    more = [cut(stream, Setting(chunksize=1), which, 5000).parent.sum() for which in (tariff, dear)]
    assert same[1] - same[0] == pytest.approx(10 * 1e-3)
    assert more[1] - more[0] == pytest.approx(1000 * MORE_TOLL_S)


def test_main_thread_that_takes_its_time_will_take_it_again():
    run = simulate(PLAN)
    tasks = run.tasks
    tasks["submitted"] += tasks["index"] * 3e-4
    stream = workload(run, run.pools[0]).batches[0].streams[0]
    costs = calibrate(tasks, 0.5)
    assert cut(stream, Setting(), Tariff(costs), 5000).arrival[-1] == pytest.approx(0.3, rel=0.15)
    # but not where the workers had enough to do all the time
    assert cut(stream, Setting(), Tariff(costs, starved=False), 5000).arrival[-1] == 0


def test_merged_streams_are_interleaved():
    stream, tariff = stream_and_tariff()
    one, other = cut(stream, Setting(), tariff, 10), cut(stream, Setting(), tariff, 20)
    both = merged([one, other])
    assert len(both) == 30
    assert np.sum(both.work) == pytest.approx(one.work.sum() + other.work.sum())
    assert merged([one]) is one


def test_what_is_made_in_the_workers_takes_their_time_and_not_the_parents():
    stream, tariff = stream_and_tariff(PoolPlan(items=1000, method="imap", produce_s=1e-3))
    shed = Shed(0, "argument", 0, made_there=True)
    before, after = (cut(stream, setting, tariff, 5000) for setting in (Setting(), Setting().without(shed)))
    moved = stream.produce_s * 1000
    assert moved == pytest.approx(1.0, rel=0.05)
    assert before.feed.sum() - after.feed.sum() == pytest.approx(moved)
    assert after.work.sum() - before.work.sum() == pytest.approx(moved)
