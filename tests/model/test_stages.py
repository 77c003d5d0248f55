from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.model.accounting import ACTIVITIES, account
from mpdiag.model.run import SAMPLE_DTYPE, LockUse, Process, Site, Use, Worker
from mpdiag.model.stages import activity, lock_activity, stages, started, target, waits
from tests.model.talking import child, churn, clients, contenders, dialogue, pipeline, run_of
from tests.model.talking import target as the_target

HERE = Site("program.py", 1, "main")
ODD = st.one_of(
    st.sampled_from([nan, -inf, inf, -1e9, 0.0, 0.5, 1e-300, 1e9]), st.floats(-10, 10), st.floats(allow_nan=True)
)
SECONDS = st.one_of(st.floats(0, 10), st.sampled_from([0.0, 1e-12, 3e8]))
COUNTS = st.one_of(st.integers(0, 100), st.integers(0, 1 << 48))
KINDS = ("Queue", "JoinableQueue", "SimpleQueue", "Connection", "DictProxy", "AutoProxy[Queue]", "")
ROLES = ("program", "worker", "manager", "forkserver", "resource tracker")


@st.composite
def runs(draw):
    count = draw(st.integers(1, 4))
    process = st.integers(0, count - 1)
    processes = [
        Process(
            draw(st.integers(1, 3)), 1, str(number), "fork", draw(st.sampled_from(ROLES)), "", "", "3.11",
            draw(ODD), draw(ODD), draw(ODD), None, draw(ODD), draw(ODD), draw(st.sampled_from(["", "fork", "spawn"])),
            ready_cpu_s=draw(ODD),
        )
        for number in range(count)
    ]  # fmt: skip
    names = st.sampled_from(["put", "get", "send", "recv", "wait", "acquire", "connect"])
    uses = st.builds(
        Use,
        process,
        st.sampled_from(KINDS),
        names,
        st.integers(0, 2),
        st.just(HERE),
        COUNTS,
        COUNTS,
        SECONDS,
        SECONDS,
        COUNTS,
    )
    locks = st.builds(
        LockUse,
        process,
        st.just("Lock"),
        names,
        st.integers(0, 2),
        st.just(HERE),
        COUNTS,
        COUNTS,
        SECONDS,
        SECONDS,
        COUNTS,
    )
    run = run_of(
        0.0, [replace(processes[0])], uses=draw(st.lists(uses, max_size=5)), locks=draw(st.lists(locks, max_size=5))
    )
    samples = np.zeros(draw(st.integers(0, 3)), SAMPLE_DTYPE)
    for sample in samples:
        sample["pid"], sample["runqueue"] = draw(st.integers(1, 3)), draw(st.one_of(SECONDS, st.just(nan)))
    wall = draw(st.sampled_from([0.0, 1e-9, 2.0, 1e6]))
    meta = replace(run.meta, wall_s=wall)
    return replace(run, meta=meta, processes=tuple(processes), samples=samples)


@given(runs())
@settings(max_examples=300)
def test_seconds_of_a_stage_sum_to_its_life_and_none_is_negative(run):
    for stage in stages(run):
        assert 0 <= stage.begin <= stage.end
        assert stage.end <= run.meta.wall_s or stage.begin == stage.end
        assert all(isfinite(seconds) and seconds >= 0 for seconds in stage.seconds.values()), stage.seconds
        assert sum(stage.seconds.values()) == pytest.approx(stage.end - stage.begin, rel=1e-9, abs=1e-9)
        assert -1e-9 <= stage.busy_s <= stage.end - stage.begin + 1e-9


@given(runs())
@settings(max_examples=100)
def test_ledger_of_a_run_without_pools_closes_over_what_it_started(run):
    ledger = account(run)
    assert set(ledger.seconds) == set(ACTIVITIES)
    assert all(seconds >= 0 for seconds in ledger.seconds.values())
    lives = sum(stage.end - stage.begin for stage in started(run))
    assert ledger.worker_seconds == pytest.approx(lives, rel=1e-9, abs=1e-9)


@given(runs())
@settings(max_examples=100)
def test_target_is_a_stage_and_no_started_one(run):
    first = target(run)
    assert first not in {stage.process for stage in started(run)}
    assert len(stages(run)) - len(started(run)) == (first is not None)


def seconds_of(run, process=1):
    (stage,) = (stage for stage in stages(run) if stage.process == process)
    return stage.seconds


def test_stage_of_a_pipeline_is_taken_apart():
    run = pipeline(take_s=4e-6, feed_s=6.6e-6, make_s=1e-6)
    producer, consumer = seconds_of(run, 1), seconds_of(run, 0)
    assert producer["startup"] == pytest.approx(1e-3)
    assert producer["pickle"] == pytest.approx(0.66)
    assert producer["compute"] == pytest.approx(0.35)
    assert producer["wait_send"] == producer["unaccounted"] == pytest.approx(0)
    assert consumer["wait_receive"] == pytest.approx(1.01 - 0.37)
    assert consumer["unpickle"] == pytest.approx(0.36 * 0.66)


def test_waiting_for_room_is_waiting_to_send():
    run = pipeline(consume_s=2e-5)
    assert seconds_of(run)["wait_send"] == pytest.approx(2.4 - 1.01)


def test_calls_of_managers_and_locks_are_waiting():
    run = clients(compute_s=0.4)
    assert seconds_of(run, 2)["manager"] == pytest.approx(2.0, rel=0.01)
    assert seconds_of(run, 2)["compute"] == pytest.approx(0.45, rel=0.2)
    assert seconds_of(contenders())["wait_lock"] == pytest.approx(0.65)
    assert seconds_of(contenders(operation="wait"))["wait_receive"] == pytest.approx(0.65)


@pytest.mark.parametrize(
    ("kind", "operation", "expected"),
    [
        ("Queue", "put", "wait_send"),
        ("Connection", "send", "wait_send"),
        ("SimpleQueue", "get", "wait_receive"),
        ("Connection", "recv", "wait_receive"),
        ("JoinableQueue", "join", "wait_receive"),
        ("DictProxy", "get", "manager"),
        ("AutoProxy[Queue]", "put", "manager"),
    ],
)
def test_operations_are_activities(kind, operation, expected):
    assert activity(Use(0, kind, operation, 1, HERE, 1, 1, 0.0, 0.0, 0)) == expected


@pytest.mark.parametrize(("operation", "expected"), [("acquire", "wait_lock"), ("wait", "wait_receive")])
def test_locks_are_waited_for_and_events_too(operation, expected):
    assert lock_activity(LockUse(0, "Lock", operation, 1, HERE, 1, 1, 0.0, 0.0, 0)) == expected


def test_queue_of_a_manager_is_not_pickled_for_besides():
    # The way to the manager is a part of the call: it must not count twice.
    put = Use(1, "AutoProxy[Queue]", "put", 5, HERE, 1000, 1000, 0.5, 0.2, 1000)
    got = Use(1, "AutoProxy[Queue]", "get", 5, HERE, 1000, 1000, 0.1, 0.2, 1000)
    found = seconds_of(run_of(1.1, (the_target(), child(1, 1.0, 0.3)), uses=(put, got)))
    assert (found["manager"], found["pickle"], found["unpickle"]) == (pytest.approx(0.6), 0, 0)


def test_threads_that_wait_at_once_wait_no_longer_than_the_process_lives():
    get = Use(1, "Queue", "get", 1, HERE, 9, 9, 3.0, 0.0, 0)
    recv = Use(1, "DictProxy", "get", 2, HERE, 9, 9, 1.0, 0.0, 0)
    run = run_of(1.1, (the_target(), child(1, 1.05, 0.2)), uses=(get, recv))
    found = seconds_of(run)
    assert found["wait_receive"] == pytest.approx(3 * found["manager"])
    assert found["wait_receive"] + found["manager"] == pytest.approx(0.999)
    assert found["compute"] == found["unaccounted"] == pytest.approx(0)
    assert waits(run)[1]["wait_receive"] == 3.0


def test_time_that_was_neither_computed_nor_waited_for_is_unaccounted():
    run = run_of(1.1, (the_target(), child(1, 1.05, 0.2)))
    assert seconds_of(run)["compute"] == pytest.approx(0.2)
    assert seconds_of(run)["unaccounted"] == pytest.approx(0.799)


def test_waiting_for_a_processor_is_what_the_kernel_says():
    run = run_of(1.1, (the_target(), child(1, 1.05, 0.2)))
    samples = np.zeros(3, SAMPLE_DTYPE)
    samples["pid"], samples["runqueue"] = (1001, 1001, 1000), (0.1, 0.3, 0.7)
    found = seconds_of(replace(run, samples=samples))
    assert found["wait_core"] == pytest.approx(0.3)
    assert found["unaccounted"] == pytest.approx(0.499)


def test_processor_time_of_a_spawned_start_up_is_no_computing():
    process = child(1, 1.05, 0.5, startup_s=0.3)
    unknown, spawned = (run_of(1.1, (the_target(), replace(process, ready_cpu_s=spent))) for spent in (nan, 0.3))
    assert seconds_of(unknown)["compute"] == pytest.approx(0.5)
    assert seconds_of(spawned)["compute"] == pytest.approx(0.2)


def test_what_is_left_may_be_waiting_for_the_feeders_to_write():
    run = run_of(1.1, (the_target(), child(1, 1.05, 0.2)))
    flush = Use(1, "Queue", "flush", 7, HERE, 1, 0, 0.3, 0.0, 0)
    found, most = (seconds_of(replace(run, uses=(replace(flush, blocked_s=spent),))) for spent in (0.3, 1e9))
    assert (found["wait_send"], found["unaccounted"]) == (pytest.approx(0.3), pytest.approx(0.499))
    assert (most["wait_send"], most["unaccounted"]) == (pytest.approx(0.799), pytest.approx(0))


def test_without_a_processor_clock_all_the_rest_is_computing():
    assert seconds_of(run_of(1.1, (the_target(), child(1, 1.05, nan))))["compute"] == pytest.approx(0.999)


def test_helpers_and_workers_of_pools_are_no_stages():
    run = run_of(1.1, (the_target(), *(child(number, 1.0, 0.1) for number in range(1, 6))))
    roles = ("program", "manager", "forkserver", "resource tracker", "program", "program")
    processes = tuple(replace(one, role=role) for one, role in zip(run.processes, roles, strict=True))
    worker = Worker(0, 4, 0, 0.05, 0.06, 0.06, 1.0, "terminated", 1, 1, 1, 1)
    run = replace(run, processes=processes, workers=(worker,))
    assert [stage.process for stage in stages(run)] == [0, 5]
    assert [stage.process for stage in started(run)] == [5]


def test_programs_that_the_target_runs_are_no_stages():
    # A subprocess that is Python, too: nothing but its start is known of it.
    other = replace(the_target(), pid=1007, ppid=1000, start=0.3, end=0.9)
    run = run_of(1.1, (the_target(), other, child(2, 1.0, 0.1)))
    assert target(run) == 0
    assert [stage.process for stage in stages(run)] == [0, 2]


def test_run_of_which_the_target_left_nothing_has_none():
    run = run_of(1.1, (child(1, 1.0, 0.1), child(2, 1.0, 0.1)))
    assert target(run) is None
    assert len(started(run)) == len(stages(run)) == 2


@pytest.mark.parametrize("run", [pipeline(), dialogue(), clients(), contenders(), churn()])
def test_ledger_has_the_seconds_of_what_was_started(run):
    ledger = account(run)
    assert ledger.pools == ()
    assert ledger.worker_seconds == pytest.approx(sum(stage.end - stage.begin for stage in started(run)))
    for name in ("wait_lock", "wait_send", "manager", "startup"):
        assert ledger.seconds[name] == pytest.approx(sum(stage.seconds[name] for stage in started(run)))
