from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.model.schedule import Messages, schedule

PIPE = 65536


def messages(count, **columns):
    names = ("arrival", "feed", "size", "transfer", "read", "work", "collect", "parent", "cpu")
    return Messages(**{name: np.broadcast_to(np.asarray(columns.get(name, 0.0), "f8"), count).copy() for name in names})


def ends(count, workers=2, cores=64, start=0.0, free=None, **columns):
    return schedule(messages(count, **columns), start, list(free or [start] * workers), cores).end


def test_work_is_shared_by_the_workers():
    assert ends(10, work=1.0) == pytest.approx(5.0)
    assert ends(10, workers=3, work=1.0) == pytest.approx(4.0)


def test_long_last_message_is_the_tail():
    assert ends(11, work=[1.0] * 10 + [7.0]) == pytest.approx(12.0)


def test_slow_feeder_binds():
    outcome = schedule(messages(10, feed=1.0, work=0.1), 0.0, [0.0, 0.0], 64)
    assert outcome.end == pytest.approx(10.1)
    assert outcome.binding == "feeder"
    assert outcome.waited == pytest.approx(10 + 9 - 9 * 0.1, rel=0.1)


def test_slow_collector_binds():
    assert ends(10, work=0.1, collect=1.0) == pytest.approx(10.1)


def test_the_parents_threads_run_one_at_a_time():
    assert ends(10, feed=1.0, collect=1.0, parent=2.0) == pytest.approx(20.0)


def test_cores_are_shared_by_all():
    assert ends(10, workers=8, cores=2, work=1.0, cpu=1.0) == pytest.approx(5.0)


def test_workers_that_start_late_are_waited_for():
    assert ends(4, work=1.0, free=[3.0, 5.0]) == pytest.approx(6.0)


def test_parent_gets_ahead_of_late_workers_by_what_the_pipe_holds():
    far = ends(1000, feed=1e-3, parent=1e-3, size=10, free=[2.0, 2.0])
    assert far == pytest.approx(2.0, rel=0.01)
    near = ends(1000, feed=1e-3, parent=1e-3, size=PIPE, free=[2.0, 2.0])
    assert near == pytest.approx(3.0, rel=0.01)


def test_large_messages_are_handed_over_one_at_a_time():
    assert ends(4, workers=4, transfer=1.0, size=10 * PIPE, work=0.5) == pytest.approx(4.5)


def test_results_come_in_any_order_and_the_end_is_the_last():
    assert ends(3, workers=3, work=[3.0, 1.0, 2.0], collect=0.1) == pytest.approx(3.1)


def test_messages_arrive_when_they_are_submitted():
    assert ends(3, workers=3, arrival=[0.0, 5.0, 10.0], work=1.0) == pytest.approx(11.0)


@given(
    st.integers(1, 40),
    st.integers(1, 5),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.sampled_from([0.0, 100.0, 2.0 * PIPE]),
)
@settings(deadline=None)
def test_no_schedule_beats_the_bounds(count, workers, costs, size):
    feed, transfer, work, collect = costs
    outcome = schedule(
        messages(count, feed=feed, transfer=transfer, work=work, collect=collect, size=size, cpu=work),
        0.0,
        [0.0] * workers,
        2,
    )
    assert outcome.end >= count * feed - 1e-9
    assert outcome.end >= count * work / min(workers, 2) - 1e-9
    assert outcome.end >= count * collect - 1e-9
    assert outcome.waited >= -1e-9
