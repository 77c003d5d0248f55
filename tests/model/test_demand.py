from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpdiag.model.accounting import account
from mpdiag.model.demand import demands, useful_share
from mpdiag.model.run import SAMPLE_DTYPE
from tests.model.synthetic import PoolPlan, simulate
from tests.model.talking import child


def sampled(run, runqueue_s, late=0.0):
    samples = np.zeros(len(run.workers), SAMPLE_DTYPE)
    for sample, worker in zip(samples, run.workers, strict=True):
        sample["t"] = worker.end - late * (worker.end - worker.launched)
        sample["pid"], sample["runqueue"] = run.processes[worker.process].pid, runqueue_s
    return replace(run, samples=samples)


def totals(run):
    cpu, blocked = demands(run)
    return float(np.nansum(cpu)), float(np.nansum(blocked))


def test_all_but_cpu_and_waiting_for_a_core_is_blocked():
    run = simulate(PoolPlan(items=100, workers=2, compute_s=1e-2, cpu_share=0.6))
    assert totals(sampled(run, 1e-9)) == pytest.approx((0.6, 0.4))
    assert totals(sampled(run, 0.1)) == pytest.approx((0.6, 0.2), rel=0.02)
    assert totals(sampled(run, 1.0)) == pytest.approx((0.6, 0.0))


def test_sample_taken_early_is_carried_to_the_end_or_not_used():
    run = simulate(PoolPlan(items=100, workers=2, compute_s=1e-2, cpu_share=0.6))
    assert totals(sampled(run, 0.075, late=0.25))[1] == pytest.approx(0.2, rel=0.05)
    # Half the life and more unseen: tasks that mostly compute are taken to have waited for a core.
    assert totals(sampled(run, 1e-9, late=0.6))[1] == 0


def test_by_nature_blocked_is_what_even_lucky_tasks_are():
    sleepers = simulate(PoolPlan(items=100, compute_s=1e-2, cpu_share=0.1))
    assert totals(sleepers)[1] == pytest.approx(0.9)
    # Nine in ten were kept from a core for long, one in five was not: no I/O there.
    unlucky = simulate(PoolPlan(items=100, compute_s=1e-2, cpu_share=0.1))
    tasks = unlucky.tasks
    tasks["cpu"][::5] = 1e-2
    assert totals(unlucky)[1] == 0


def test_unknown_cpu_is_taken_for_all_cpu():
    run = simulate(PoolPlan(items=10, compute_s=1e-2))
    run.tasks["cpu"] = np.nan
    assert totals(run) == pytest.approx((0.1, 0.0))


def test_run_without_tasks_demands_nothing():
    run = simulate(PoolPlan(items=0))
    assert totals(run) == (0.0, 0.0)


def test_one_preempted_task_that_stands_for_many_is_not_all_of_them():
    # One in 16 is timed. One of these lost its core for 50 ms: sixteen times that is more than the workers lived.
    run = simulate(PoolPlan(items=1600, compute_s=1e-4, sample=16))
    tasks = run.tasks.copy()
    tasks["end"][30] += 0.05
    run = replace(run, tasks=tasks)

    inside = account(run).seconds["compute"]
    assert useful_share(run) * inside == pytest.approx(1600 * 1e-4, rel=0.1)


def test_processes_beside_a_pool_do_not_make_its_tasks_wait():
    run = simulate(PoolPlan(items=400))
    wall = run.meta.wall_s
    beside = tuple(child(500 + number, wall, wall) for number in range(4))
    assert useful_share(replace(run, processes=(*run.processes, *beside))) == pytest.approx(useful_share(run))
