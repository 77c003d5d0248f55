from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.model.accounting import ACTIVITIES, account
from mpdiag.model.run import Meta, Run
from mpdiag.model.worker_side import split_wait
from tests.model.synthetic import PoolPlan, simulate
from tests.model.talking import clients, contenders, pipeline


@st.composite
def plans(draw):
    return PoolPlan(
        items=draw(st.integers(0, 200)),
        chunksize=draw(st.integers(1, 20)),
        workers=draw(st.integers(1, 5)),
        compute_s=draw(st.lists(st.floats(0, 1e-2), min_size=1, max_size=5)),
        argument_bytes=draw(st.sampled_from([0, 40, 5_000, 200_000])),
        byte_s=draw(st.sampled_from([0.0, 1e-9])),
        jobs=draw(st.integers(1, 3)),
        sample=draw(st.sampled_from([1, 2, 16])),
        startup_s=draw(st.sampled_from([0.0, 0.01, 0.3])),
    )


def lifetimes(run):
    return sum(worker.end - worker.launched for worker in run.workers)


@given(st.lists(plans(), max_size=3))
@settings(max_examples=40, deadline=None)
def test_ledger_closes_and_nothing_is_negative(chosen):
    run = simulate(*chosen)
    ledger = account(run)
    assert ledger.worker_seconds == pytest.approx(lifetimes(run), rel=1e-9, abs=1e-12)
    for one in (ledger, *ledger.pools):
        assert set(one.seconds) == set(ACTIVITIES)
        assert all(seconds >= 0 for seconds in one.seconds.values())
    for name in ACTIVITIES:
        assert ledger.seconds[name] == pytest.approx(sum(pool.seconds[name] for pool in ledger.pools))


@given(plans(), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_ledger_closes_on_damaged_recordings(plan, random):
    run = simulate(plan)
    tasks = run.tasks.copy()
    for name in ("submitted", "pickled", "asked", "received", "replied", "handled"):
        for place in range(len(tasks)):
            if random.random() < 0.2:
                tasks[name][place] = np.nan
    tasks["worker"][np.array([random.random() < 0.1 for _ in tasks], bool)] = -1
    workers = tuple(replace(worker, first=np.nan) if worker.index == 0 else worker for worker in run.workers)
    ledger = account(replace(run, tasks=tasks, workers=workers))
    assert ledger.worker_seconds == pytest.approx(lifetimes(run), rel=1e-9, abs=1e-12)
    assert all(seconds >= 0 for seconds in ledger.seconds.values())


def test_run_without_pools_has_an_empty_ledger():
    ledger = account(Run(Meta(("x",), "3.12", 1.0, 2, 0.0)))
    assert ledger.worker_seconds == 0
    assert ledger.share("compute") == 0


def test_activities_of_a_fully_recorded_pool_are_exact():
    plan = PoolPlan(items=400, workers=2, compute_s=1e-3, startup_s=0.1)
    ledger = account(simulate(plan)).pools[0].seconds
    assert ledger["compute"] == pytest.approx(0.4)
    assert ledger["unpickle"] == pytest.approx(400 * plan.unpickle_s)
    assert ledger["pickle"] == pytest.approx(400 * plan.reply_pickle_s)
    assert ledger["startup"] == pytest.approx(0.2)
    assert ledger["transfer"] == pytest.approx(400 * (plan.read_s + plan.reply_write_s) + 398 * plan.loop_s, rel=0.01)
    assert ledger["unaccounted"] == pytest.approx(0, abs=1e-6)


def test_waiting_ends_when_the_parent_begins_to_write():
    run = simulate(PoolPlan(items=300, compute_s=0.0, pickle_s=1e-3))
    waiting, reading = split_wait(run.tasks)
    # All but the first, which came while the workers started, waited for the parent's pickling.
    assert np.median(waiting) == pytest.approx(2e-3, rel=0.05)
    assert np.median(reading) == pytest.approx(8e-6, rel=0.05)
    assert account(run).share("wait_task") > 0.9


def test_unknown_sending_takes_the_typical_transfer():
    run = simulate(PoolPlan(items=300, compute_s=0.0, pickle_s=1e-3))
    tasks = run.tasks.copy()
    tasks["pickled"][100:200] = np.nan
    waiting, reading = split_wait(tasks)
    assert np.allclose(reading[100:200], 8e-6)
    assert np.allclose(waiting + reading, tasks["received"] - tasks["asked"])


def test_waiting_outside_the_work_is_idle():
    plan = PoolPlan(items=100, workers=4, compute_s=[1e-3] * 99 + [0.5])
    ledger = account(simulate(plan)).pools[0]
    assert ledger.seconds["idle"] > 3 * 0.49
    assert ledger.share("unaccounted") < 0.01


def test_worker_that_never_asked_is_starting_up():
    run = simulate(PoolPlan(items=10))
    workers = tuple(replace(worker, first=np.nan, received=0, done=0) for worker in run.workers)
    ledger = account(replace(run, workers=workers, tasks=run.tasks[:0]))
    assert ledger.seconds["startup"] == pytest.approx(ledger.worker_seconds)


def test_task_that_its_worker_died_in_is_compute():
    run = simulate(PoolPlan(items=100, workers=1, compute_s=1e-3))
    worker = run.workers[0]
    died = replace(worker, received=worker.received + 1, end=worker.end + 2.0)
    meta = replace(run.meta, wall_s=run.meta.wall_s + 2.0)
    before, after = account(run), account(replace(run, workers=(died,), meta=meta))
    assert after.seconds["compute"] - before.seconds["compute"] == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("sample", [4, 32])
def test_sample_gives_the_same_ledger(sample):
    plan = PoolPlan(items=8000, compute_s=[1e-5, 4e-5, 2e-5])
    whole, sampled = (account(simulate(replace(plan, sample=k))) for k in (1, sample))
    for name in ACTIVITIES:
        assert sampled.share(name) == pytest.approx(whole.share(name), abs=0.05)


def test_sums_beyond_the_known_time_are_scaled_down():
    run = simulate(PoolPlan(items=100, workers=1))
    tasks = run.tasks.copy()
    tasks["end"] += 5e-3
    ledger = account(replace(run, tasks=tasks))
    assert ledger.seconds["unaccounted"] == 0
    assert ledger.worker_seconds == pytest.approx(lifetimes(run))


def waiting_in_tasks(run, lock_s=0.0, manager_s=0.0):
    """The run with every worker waiting so long in its tasks."""
    use, lock = clients().uses[1], contenders().locks[0]
    uses = tuple(replace(use, process=worker.process, blocked_s=manager_s) for worker in run.workers)
    locks = tuple(replace(lock, process=worker.process, waited_s=lock_s) for worker in run.workers)
    return replace(run, uses=uses, locks=locks)


def test_waiting_in_tasks_is_taken_out_of_their_computing():
    run = simulate(PoolPlan(items=400, workers=2, compute_s=1e-3))
    before, after = account(run), account(waiting_in_tasks(run, 0.05, 0.02))
    assert after.seconds["wait_lock"] == pytest.approx(0.1)
    assert after.seconds["manager"] == pytest.approx(0.04)
    assert after.seconds["compute"] == pytest.approx(before.seconds["compute"] - 0.14)
    assert after.worker_seconds == pytest.approx(before.worker_seconds)
    assert after.pools[0].seconds == pytest.approx(after.seconds)


@given(plans(), st.floats(0, 1e3), st.floats(0, 1e3))
@settings(max_examples=25)
def test_ledger_closes_however_long_threads_waited_at_once(plan, lock_s, manager_s):
    run = simulate(plan)
    ledger = account(waiting_in_tasks(run, lock_s, manager_s))
    assert ledger.worker_seconds == pytest.approx(lifetimes(run), rel=1e-9, abs=1e-12)
    assert all(seconds >= 0 for seconds in ledger.seconds.values())
    computed = account(run).seconds["compute"]
    waited = ledger.seconds["wait_lock"] + ledger.seconds["manager"]
    assert waited + ledger.seconds["compute"] == pytest.approx(computed, abs=1e-9)


def test_processes_beside_a_pool_are_in_the_ledger_of_the_run_alone():
    # GIVEN a pool, and a pipeline of the program's own processes beside it
    pooled, piped = simulate(PoolPlan(items=400)), pipeline()
    shift = len(pooled.processes)
    uses = tuple(replace(use, process=use.process + shift) for use in piped.uses if use.process)
    child = replace(piped.processes[1], end=0.3)
    run = replace(pooled, processes=(*pooled.processes, child), uses=tuple(replace(u, process=shift) for u in uses))
    ledger = account(run)
    assert ledger.pools[0].seconds == account(pooled).pools[0].seconds
    assert ledger.worker_seconds == pytest.approx(lifetimes(run) + min(0.3, run.meta.wall_s) - 0.05)
    assert ledger.seconds["pickle"] > ledger.pools[0].seconds["pickle"]
