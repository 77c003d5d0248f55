from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpdiag.model.demand import demands
from mpdiag.model.run import SAMPLE_DTYPE, Meta, Run
from mpdiag.model.serial import pool_work, serial_estimate, serial_range, speedup
from tests.model.synthetic import HERE, PoolPlan, simulate
from tests.model.talking import child, churn, contenders, pipeline, run_of, target


def sampled(run, runqueue_s):
    """The run with one sample of every worker, at its end."""
    samples = np.zeros(len(run.workers), SAMPLE_DTYPE)
    for sample, worker in zip(samples, run.workers, strict=True):
        sample["t"], sample["pid"], sample["runqueue"] = worker.end, run.processes[worker.process].pid, runqueue_s
    return replace(run, samples=samples)


def test_no_tasks_give_no_estimate():
    run = Run(Meta(("x",), "3.12", 1.0, 2, 0.0))
    assert serial_estimate(run) is None
    assert speedup(run) is None


def test_serial_is_the_work_and_what_lies_outside_pools():
    run = simulate(PoolPlan(items=1000, workers=4, compute_s=2e-3), before_s=0.3, after_s=0.2)
    assert serial_estimate(run) == pytest.approx(2.5, rel=0.01)
    assert speedup(run).value == pytest.approx(2.5 / run.meta.wall_s, rel=0.01)


def test_weights_make_up_for_tasks_that_were_not_timed():
    plan = PoolPlan(items=4000, compute_s=[1e-4, 3e-4])
    assert serial_estimate(simulate(replace(plan, sample=8))) == pytest.approx(serial_estimate(simulate(plan)), rel=0.1)


def test_failed_tasks_are_no_useful_work():
    run = simulate(PoolPlan(items=100, compute_s=1e-2, failed=40))
    assert pool_work(run, 0).useful.value == pytest.approx(0.6)


def test_blocked_time_is_work_and_waiting_for_a_core_is_not():
    # GIVEN tasks of 10 ms of which 4 ms are no CPU
    run = simulate(PoolPlan(items=100, workers=2, compute_s=1e-2, cpu_share=0.6))
    # WHEN the kernel says the workers were never kept waiting for a core, all of it is work
    assert pool_work(sampled(run, 1e-9), 0).useful.value == pytest.approx(1.0)
    # WHEN they waited all that time, only the CPU time is
    assert pool_work(sampled(run, 0.2), 0).useful.value == pytest.approx(0.6, rel=0.01)
    # and the rest in between
    assert pool_work(sampled(run, 0.1), 0).useful.value == pytest.approx(0.8, rel=0.02)


def test_without_runqueue_figures_sleepers_are_blocked_and_others_were_waiting():
    sleeping = simulate(PoolPlan(items=50, compute_s=1e-2, cpu_share=0.1))
    computing = simulate(PoolPlan(items=50, compute_s=1e-2, cpu_share=0.8))
    assert pool_work(sleeping, 0).useful.value == pytest.approx(0.5)
    assert pool_work(computing, 0).useful.value == pytest.approx(0.4)
    assert pool_work(computing, 0).useful.high > 0.4


def test_one_preempted_task_does_not_make_blocked_work_of_all_it_stands_for():
    run = simulate(PoolPlan(items=3000, compute_s=1e-5, sample=30))
    tasks = run.tasks.copy()
    tasks["end"][5] += 0.02
    tasks["replied_from"][5] += 0.02
    tasks["replied"][5] += 0.02
    work = pool_work(sampled(replace(run, tasks=tasks), 0.005), 0)
    assert work.useful.value == pytest.approx(0.03, rel=0.01)


def test_generator_of_an_imap_is_the_parents_own_work():
    plan = PoolPlan(items=500, compute_s=1e-3, produce_s=5e-4, method="imap")
    assert pool_work(simulate(plan), 0).produce == pytest.approx(0.25, rel=0.05)
    assert pool_work(simulate(replace(plan, method="map")), 0).produce == 0


def test_main_threads_work_beside_the_tasks_counts_without_the_machinery():
    plan = PoolPlan(items=1000, compute_s=1e-3, method="imap", consume_s=2e-4)
    assert pool_work(simulate(plan), 0).main == pytest.approx(0.2, abs=0.02)
    assert pool_work(simulate(replace(plan, consume_s=0.0)), 0).main == pytest.approx(0, abs=0.005)


def test_unknown_main_cpu_is_none():
    run = simulate(PoolPlan(items=10))
    pools = (replace(run.pools[0], main_cpu_s=np.nan),)
    assert pool_work(replace(run, pools=pools), 0).main == 0


def test_pool_inside_a_worker_is_not_counted_twice():
    # GIVEN an outer pool whose worker runs an inner pool in a task
    outer = simulate(PoolPlan(items=1, workers=1, compute_s=1.0, cpu_share=0.05))
    inner = simulate(PoolPlan(items=100, compute_s=1e-2, pool_site=HERE))
    begin = float(outer.tasks["begin"][0])
    pool = replace(inner.pools[0], index=1, pid=outer.processes[1].pid, created=begin + 0.1, ended=begin + 0.8)
    tasks = inner.tasks.copy()
    tasks["pool"] = tasks["origin"] = 1
    tasks["worker"] = 1
    worker = replace(inner.workers[0], index=1, process=0, pool=1)
    run = replace(
        outer,
        pools=(outer.pools[0], pool),
        origins=(outer.origins[0], replace(inner.origins[0], index=1, pool=1)),
        workers=(outer.workers[0], worker),
        tasks=np.concatenate([outer.tasks, tasks]),
    )
    assert pool_work(run, 0).useful.value == pytest.approx(0.3)
    assert pool_work(run, 1).useful.value == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_range_holds_the_estimate(share):
    run = simulate(PoolPlan(items=200, compute_s=1e-3, cpu_share=share))
    estimate = serial_range(run)
    assert estimate.low <= estimate.value <= estimate.high


def test_demands_of_tasks_without_a_worker_are_unknown():
    run = simulate(PoolPlan(items=20))
    tasks = run.tasks.copy()
    tasks["worker"][3] = -1
    tasks["begin"][4] = np.nan
    cpu, blocked = demands(replace(run, tasks=tasks))
    assert np.flatnonzero(np.isnan(cpu)).tolist() == [3, 4]
    assert np.flatnonzero(np.isnan(blocked)).tolist() == [3, 4]


def test_processes_without_a_pool_are_serial_work_by_what_they_computed():
    # GIVEN two processes that compute for 0.7 s each and wait for each other as long; the target takes 0.05 s
    estimate = serial_range(contenders(compute_s=0.7, waited_s=0.65))
    assert estimate.value == pytest.approx(1.45)
    assert estimate.low == pytest.approx(0.9 * 1.45)
    assert estimate.high == pytest.approx(1.45)


def test_messages_are_no_serial_work():
    few, many = (pipeline(100_000, feed_s=feed_s) for feed_s in (1e-6, 50e-6))
    assert serial_range(many).value <= serial_range(few).value
    assert speedup(many).value < 0.2 * speedup(few).value


def test_what_processes_slept_serial_code_sleeps_too():
    sleepers = [child(number, 1.05, 0.1) for number in range(1, 5)]
    estimate = serial_range(run_of(1.1, (target(0.05), *sleepers)))
    assert estimate.value == pytest.approx(4 * 0.999 + 0.05)
    assert estimate.low == pytest.approx(0.9 * 0.45)


def test_target_that_waited_for_the_others_is_no_work():
    assert serial_estimate(churn(10, life_s=1.0, gap_s=0.0)) == pytest.approx(10 * 0.998 + 0.05)


@pytest.mark.parametrize("run", [run_of(1.0, (target(),)), run_of(1.0, (child(1, 0.9, 0.1),))])
def test_one_process_alone_gives_no_estimate(run):
    assert serial_range(run) is None
    assert speedup(run) is None


def test_pools_without_a_task_leave_the_processes_unjudged():
    run = replace(contenders(), pools=simulate(PoolPlan(items=0)).pools)
    assert serial_range(run) is None
