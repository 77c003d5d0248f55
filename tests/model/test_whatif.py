from __future__ import annotations

import time
from dataclasses import replace
from math import isfinite

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.model.change import Chunk, KeepPool, QuickStart, Serial, Shed
from mpdiag.model.run import Meta, Run
from mpdiag.model.whatif import replay
from tests.model.synthetic import PoolPlan, simulate


@st.composite
def plans(draw):
    return PoolPlan(
        items=draw(st.integers(0, 300)),
        chunksize=draw(st.integers(1, 20)),
        workers=draw(st.integers(1, 5)),
        compute_s=draw(st.lists(st.floats(0, 1e-2), min_size=1, max_size=5)),
        argument_bytes=draw(st.sampled_from([0, 40, 5_000, 200_000])),
        byte_s=draw(st.sampled_from([0.0, 1e-9])),
        jobs=draw(st.integers(1, 3)),
        sample=draw(st.sampled_from([1, 2, 16])),
        startup_s=draw(st.sampled_from([0.0, 0.01, 0.3])),
        kind=draw(st.sampled_from(["Pool", "ProcessPoolExecutor"])),
        method=draw(st.sampled_from(["map", "imap", "submit"])),
        pause_s=draw(st.sampled_from([0.0, 0.1])),
    )


@st.composite
def changes(draw, run):
    pools = tuple(range(len(run.pools)))
    origin = draw(st.sampled_from(pools))
    role = draw(st.sampled_from(["argument", "callable", "result"]))
    return draw(
        st.sampled_from(
            [
                Chunk(origin, draw(st.integers(1, 10_000))),
                Shed(origin, role, draw(st.floats(0, 1e7)), draw(st.floats(0, 1e6))),
                Serial(pools),
                KeepPool(pools),
                QuickStart(pools, draw(st.floats(0, 1))),
            ]
        )
    )


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_predictions_are_finite_and_in_their_range(data):
    run = simulate(*data.draw(st.lists(plans(), min_size=1, max_size=2)), cpus=data.draw(st.integers(1, 4)))
    result = replay(run, data.draw(st.lists(changes(run), max_size=3)))
    assert all(isfinite(value) for value in (result.wall_s, result.low, result.high, result.residual))
    assert 0 <= result.low <= result.wall_s <= result.high


@given(st.lists(plans(), min_size=1, max_size=2), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_recorded_setting_takes_the_recorded_wall(chosen, cpus):
    run = simulate(*chosen, cpus=cpus)
    result = replay(run, ())
    assert (result.wall_s, result.low, result.high) == pytest.approx((run.meta.wall_s,) * 3)
    # Changes that change nothing, through the whole replay.
    nothing = replay(run, [Shed(0, "argument", 0.0)])
    assert nothing.wall_s == pytest.approx(run.meta.wall_s, rel=1e-6)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_removing_a_cost_never_predicts_a_loss(data):
    run = simulate(data.draw(plans()), cpus=data.draw(st.integers(1, 4)))
    change = data.draw(
        st.sampled_from(
            [Shed(0, "argument", 1e5), Shed(0, "callable", 30.0), Shed(0, "result", 1e5), QuickStart((0,), 0.0)]
        )
    )
    assert replay(run, [change]).wall_s <= run.meta.wall_s * (1 + 1e-9)


def test_run_without_pools_stays_as_it_is():
    run = Run(Meta(("x",), "3.12", 1.0, 2, 0.0))
    assert replay(run, [Serial(())]).wall_s == 1.0
    assert replay(run, [Chunk(0, 10)]).wall_s == 1.0


def predicted(plan, change, **how):
    return replay(simulate(plan, **how), [change]).wall_s


def wall(plan, **how):
    return simulate(plan, **how).meta.wall_s


TINY = PoolPlan(items=20_000, compute_s=2e-5)


@pytest.mark.parametrize("sample", [1, 16])
@pytest.mark.parametrize("size", [4, 64, 1000])
def test_chunks(size, sample):
    assert predicted(replace(TINY, sample=sample), Chunk(0, size)) == pytest.approx(
        wall(replace(TINY, chunksize=size)), rel=0.05
    )


def test_chunks_make_imbalance_visible():
    plan = PoolPlan(items=64, workers=2, compute_s=[1e-3] * 60 + [0.2] * 4)
    assert predicted(plan, Chunk(0, 32)) == pytest.approx(wall(replace(plan, chunksize=32)), rel=0.02)
    assert predicted(plan, Chunk(0, 32)) > 1.5 * wall(plan)


def test_smaller_chunks_than_recorded():
    plan = PoolPlan(items=96, workers=2, chunksize=64, compute_s=10e-3)
    assert predicted(plan, Chunk(0, 1)) == pytest.approx(wall(replace(plan, chunksize=1)), rel=0.02)


def test_unseen_work_of_an_executors_parent_is_learnt_from_the_waiting():
    plan = PoolPlan(items=5000, compute_s=2e-5, hidden_s=150e-6, kind="ProcessPoolExecutor", method="submit")
    assert predicted(plan, Chunk(0, 50)) == pytest.approx(wall(replace(plan, chunksize=50)), rel=0.1)


def test_bytes_that_go_away():
    plan = PoolPlan(items=300, compute_s=3e-3, argument_bytes=2_000_000, byte_s=1e-9)
    assert predicted(plan, Shed(0, "argument", 2e6)) == pytest.approx(wall(replace(plan, argument_bytes=0)), rel=0.03)
    half = predicted(plan, Shed(0, "argument", 1e6))
    assert half == pytest.approx(wall(replace(plan, argument_bytes=1_000_000)), rel=0.05)


def test_results_that_go_away():
    plan = PoolPlan(items=300, compute_s=1e-4, result_bytes=2_000_000, byte_s=1e-9)
    assert predicted(plan, Shed(0, "result", 2e6)) == pytest.approx(wall(replace(plan, result_bytes=0)), rel=0.15)


def test_callable_is_sent_once_instead_of_every_time():
    plan = PoolPlan(items=300, compute_s=1e-3, callable_bytes=2_000_000, byte_s=1e-9, start_method="spawn")
    without = predicted(plan, Shed(0, "callable", 2e6))
    once = predicted(plan, Shed(0, "callable", 2e6, once=2e6))
    assert without < once < without + 0.05
    assert predicted(replace(plan, start_method="fork"), Shed(0, "callable", 2e6, once=2e6)) == pytest.approx(without)


def test_quick_start():
    plan = PoolPlan(items=2000, compute_s=1e-3, startup_s=1.0)
    assert predicted(plan, QuickStart((0,), 0.05)) == pytest.approx(wall(replace(plan, startup_s=0.05)), rel=0.02)


def test_one_pool_instead_of_many():
    plan = PoolPlan(items=40, compute_s=1e-3, count=30, startup_s=0.05)
    run = simulate(plan)
    kept = replay(run, [KeepPool(tuple(range(30)))]).wall_s
    assert kept == pytest.approx(wall(replace(plan, items=1200, count=1)), rel=0.05)


def test_serial_code():
    plan = PoolPlan(items=1000, workers=4, compute_s=1e-3)
    run = simulate(plan, before_s=0.5, after_s=0.1)
    assert replay(run, [Serial((0,))]).wall_s == pytest.approx(1.6, rel=0.01)


def test_cores_limit_what_workers_bring():
    # GIVEN six workers that waited for two cores: 12 ms for 4 ms of CPU
    plan = PoolPlan(items=600, workers=6, compute_s=12e-3, cpu_share=1 / 3, argument_bytes=1_000_000, byte_s=2e-9)
    run = simulate(plan, cpus=2)
    # THEN without the bytes it is still bound by 600 * 4 ms on two cores
    assert replay(run, [Shed(0, "argument", 1e6)]).wall_s >= 600 * 4e-3 / 2


def test_changes_together_save_no_more_than_there_is():
    plan = PoolPlan(items=20_000, compute_s=2e-5, startup_s=0.5)
    run = simulate(plan)
    one, other = Chunk(0, 100), QuickStart((0,), 0.02)
    both = replay(run, [one, other]).wall_s
    assert both < min(replay(run, [one]).wall_s, replay(run, [other]).wall_s)
    assert both == pytest.approx(wall(replace(plan, chunksize=100, startup_s=0.02)), rel=0.05)


def test_serial_wins_over_other_changes_of_the_same_pool():
    run = simulate(TINY)
    assert replay(run, [Serial((0,)), Chunk(0, 64)]).wall_s == replay(run, [Serial((0,))]).wall_s


def test_calls_one_by_one_are_not_thought_to_overlap():
    plan = PoolPlan(items=400, jobs=400, compute_s=1e-4, method="apply")
    run = simulate(plan)
    assert replay(run, [QuickStart((0,), 0.0)]).wall_s == pytest.approx(wall(replace(plan, startup_s=0.0)), rel=0.02)


def at_once(plan):
    """Two pools of this plan that were active at the same time."""
    run = simulate(replace(plan, count=2))
    shift = run.pools[1].created - run.pools[0].created
    tasks = run.tasks.copy()
    second = tasks["pool"] == 1
    for name in ("submitted", "pickled_from", "pickled", "sent", "asked", "received", "begin", "end"):
        tasks[name][second] -= shift
    for name in ("replied_from", "replied", "arrived", "collected", "handled"):
        tasks[name][second] -= shift
    pool = replace(
        run.pools[1],
        created=run.pools[0].created,
        ready=run.pools[0].ready,
        closing=run.pools[0].closing,
        ended=run.pools[0].ended,
    )
    workers = tuple(
        replace(w, launched=w.launched - shift, ready=w.ready - shift, first=w.first - shift, end=w.end - shift)
        if w.pool
        else w
        for w in run.workers
    )
    meta = replace(run.meta, wall_s=run.meta.wall_s - shift)
    return replace(run, pools=(run.pools[0], pool), workers=workers, tasks=tasks, meta=meta)


def test_line_used_by_many_pools_is_changed_for_all_of_them():
    plan = PoolPlan(items=2000, compute_s=2e-5)
    one, many = (simulate(replace(plan, count=count), before_s=0.0, after_s=0.0) for count in (1, 5))
    saved = [run.meta.wall_s - replay(run, [Chunk(0, 32)]).wall_s for run in (one, many)]
    assert saved[1] == pytest.approx(5 * saved[0], rel=0.05)


def test_of_pools_at_the_same_time_the_slower_decides():
    run = at_once(PoolPlan(items=300, compute_s=1e-4, argument_bytes=2_000_000, byte_s=1e-9))
    other = replace(run.origins[1], site=replace(run.origins[1].site, line=99))
    run = replace(run, origins=(run.origins[0], other))
    assert replay(run, [Shed(0, "argument", 2e6)]).wall_s == pytest.approx(run.meta.wall_s)
    both = replay(run, [Shed(0, "argument", 2e6), Shed(1, "argument", 2e6)])
    assert both.wall_s < run.meta.wall_s / 2


def test_a_pool_inside_a_worker_saves_time_of_the_task_around_it():
    outer = simulate(PoolPlan(items=1, workers=1, compute_s=3.0, cpu_share=0.05))
    inner = simulate(PoolPlan(items=300, compute_s=1e-4, argument_bytes=2_000_000, byte_s=1e-9))
    shift = float(outer.tasks["begin"][0]) + 0.1 - inner.pools[0].created
    tasks = inner.tasks.copy()
    for name in tasks.dtype.names:
        if tasks.dtype[name].kind == "f" and name not in {"produce", "cpu", "weight"}:
            tasks[name] += shift
    tasks["pool"] = tasks["origin"] = 1
    tasks["worker"] += 1
    old = inner.pools[0]
    pool = replace(
        old,
        index=1,
        pid=outer.processes[1].pid,
        created=old.created + shift,
        ready=old.ready + shift,
        closing=old.closing + shift,
        ended=old.ended + shift,
    )
    workers = tuple(
        replace(w, index=w.index + 1, process=0, pool=1, launched=w.launched + shift, first=w.first + shift, end=w.end)
        for w in inner.workers
    )
    run = replace(
        outer,
        pools=(outer.pools[0], pool),
        origins=(outer.origins[0], replace(inner.origins[0], index=1, pool=1)),
        workers=outer.workers + workers,
        tasks=np.concatenate([outer.tasks, tasks]),
    )
    alone = inner.meta.wall_s - replay(inner, [Shed(0, "argument", 2e6)]).wall_s
    nested = run.meta.wall_s - replay(run, [Shed(1, "argument", 2e6)]).wall_s
    assert nested == pytest.approx(alone, rel=0.1)


def test_a_long_run_is_replayed_in_bounded_time():
    run = simulate(PoolPlan(items=30_000, compute_s=2e-5, sample=1))
    tasks = np.tile(run.tasks, 10)
    tasks["weight"] = 10 / 3
    tasks["index"] = np.arange(len(tasks))
    run = replace(run, tasks=tasks, origins=(replace(run.origins[0], tasks=1_000_000, items=1_000_000),))
    started = time.process_time()
    replay(run, [Chunk(0, 64)])
    # Generous: what is tested is that it does not grow with the tasks.
    assert time.process_time() - started < 10


def test_task_that_nobody_knows_the_submission_of_is_left_out():
    # Its worker timed it, its parent did not: it has no origin, and must not be taken for the last one's.
    run = simulate(PoolPlan(items=100, compute_s=1e-5, count=2))
    tasks = run.tasks.copy()
    tasks["origin"][tasks["pool"] == 0] = np.where(np.arange(100) % 10 == 3, -1, 0)
    run = replace(run, tasks=tasks, origins=(run.origins[0], replace(run.origins[1], function="another")))
    assert replay(run, (Chunk(0, 10),)).wall_s < run.meta.wall_s
