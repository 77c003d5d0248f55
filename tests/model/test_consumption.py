from __future__ import annotations

from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from mpdiag.model.consumption import cpu_beside_tasks_s
from mpdiag.model.run import SAMPLE_DTYPE
from tests.model.synthetic import PoolPlan, simulate


def consuming(run, cpu_s, **meta):
    return replace(run, meta=replace(run.meta, cpu_s=cpu_s, **meta))


def test_total_less_what_lies_outside_and_start_up():
    run = simulate(PoolPlan(items=100, workers=2, startup_s=0.05), before_s=0.3, after_s=0.2)
    assert cpu_beside_tasks_s(consuming(run, 2.0), [0]) == pytest.approx(2.0 - 0.5 - 2 * 0.05)


def test_samples_of_the_program_tell_what_it_used_outside():
    run = simulate(PoolPlan(items=100, workers=2, startup_s=0.0), before_s=0.3, after_s=0.2)
    samples = np.zeros(3, SAMPLE_DTYPE)
    samples["pid"] = run.processes[0].pid
    samples["t"] = run.pools[0].created, run.pools[0].ended, run.meta.wall_s
    samples["cpu"] = 0.1, 0.6, 0.65
    run = replace(consuming(run, 2.0), samples=samples)
    assert cpu_beside_tasks_s(run, [0]) == pytest.approx(2.0 - 0.15)


def test_pools_share_by_the_time_of_their_processes():
    run = consuming(simulate(PoolPlan(items=100, startup_s=0.0, count=2), before_s=0, after_s=0), 2.0)
    both = [cpu_beside_tasks_s(run, [pool]) for pool in (0, 1)]
    assert both == pytest.approx([1.0, 1.0])
    assert cpu_beside_tasks_s(run, [0, 1]) == pytest.approx(2.0)


def test_unknown_where_the_run_was_cut_off_or_nobody_counted():
    run = simulate(PoolPlan(items=10))
    assert isnan(cpu_beside_tasks_s(run, [0]))
    assert isnan(cpu_beside_tasks_s(consuming(run, 2.0, complete=False), [0]))


def test_children_of_a_fork_server_are_added():
    # No process of the program waits for them: the run's total is without theirs, and without the server's own.
    run = simulate(PoolPlan(items=100, workers=2, startup_s=0.0, start_method="forkserver"), before_s=0.3, after_s=0.2)
    told, killed = run.workers
    processes = list(run.processes)
    processes[told.process] = replace(processes[told.process], cpu_s=0.8, method="forkserver")
    processes[killed.process] = replace(processes[killed.process], method="forkserver")
    processes.append(replace(processes[killed.process], pid=9, role="forkserver", method="", cpu_s=0.1))
    samples = np.zeros(1, SAMPLE_DTYPE)
    samples["pid"], samples["cpu"] = processes[killed.process].pid, 0.7
    samples["t"] = run.workers[1].end
    run = replace(consuming(run, 0.9), processes=tuple(processes), samples=samples)

    assert cpu_beside_tasks_s(run, [0]) == pytest.approx(0.9 - 0.5 + 0.8 + 0.7)
