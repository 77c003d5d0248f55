import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.probe.sampling import ALL, BURST, FACTOR, MASK, Plan


class Recorder:
    timed_ns = 3000.0
    budget = 0.02
    pressure = 1.0


def plan_of(recorder):
    return Plan(recorder)


def due(job, index, shift):
    return (job + index) * FACTOR & MASK < ALL >> shift


@given(st.integers(0, 2**32), st.integers(0, 2**32), st.integers(0, 20), st.integers(0, 20))
def test_the_sparser_side_times_a_subset(job, index, one, other):
    if due(job, index, max(one, other)):
        assert due(job, index, min(one, other))


@pytest.mark.parametrize("shift", [0, 1, 4, 7])
@pytest.mark.parametrize("stride", [1, 2, 3, 8, 10, 64])
@given(job=st.integers(0, 10_000), begin=st.integers(0, 100_000))
def test_consecutive_tasks_are_timed_evenly(job, begin, shift, stride):
    count = 1 << 12
    timed = sum(due(job, begin + stride * number, shift) for number in range(count))
    assert abs(timed - count / 2**shift) <= max(4, 0.3 * count / 2**shift)


@pytest.mark.parametrize("shift", [1, 4, 7])
def test_jobs_of_one_task_each_are_timed_evenly(shift):
    count = 1 << 13
    timed = sum(due(job, 0, shift) for job in range(count))
    assert abs(timed - count / 2**shift) <= max(4, 0.3 * count / 2**shift)


def spend(plan, events, step, now):
    for _ in range(events):
        now += step
        plan.spend(now)
    return now


def test_everything_is_timed_within_the_budget():
    plan = plan_of(Recorder())
    spend(plan, 10 * BURST, 10_000_000, plan.until)
    assert plan.limit == ALL


def test_the_rate_of_timed_events_settles_at_the_budget():
    plan = plan_of(Recorder())
    begin = now = plan.until
    task = 20_000  # ns between tasks
    timed = 0
    for index in range(300_000):
        now += task
        if now > plan.until:
            plan.relax(now)
        if due(1, index, plan.shift):
            plan.spend(now)
            timed += 1
    share = timed * Recorder.timed_ns / (now - begin)
    assert 0.002 < share < 0.02


def test_more_is_timed_again_when_tasks_become_rare():
    plan = plan_of(Recorder())
    now = spend(plan, 100 * BURST, 1000, plan.until)
    assert plan.shift > 3
    for _ in range(2000):
        now += 10_000_000
        if now > plan.until:
            plan.relax(now)
    assert plan.limit == ALL


def test_a_growing_trace_is_fed_more_sparingly():
    recorder = Recorder()
    calm, pressed = plan_of(recorder), plan_of(recorder)
    now = max(calm.until, pressed.until)
    spend(calm, 20 * BURST, 400_000, now)
    recorder.pressure = 50.0
    spend(pressed, 20 * BURST, 400_000, now)
    assert pressed.shift > calm.shift
