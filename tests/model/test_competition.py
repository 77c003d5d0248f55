from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpdiag.model.competition import slowdown
from mpdiag.model.run import SAMPLE_DTYPE
from tests.model.synthetic import PoolPlan, simulate


def sampled(run, cpu_s, runqueue_s):
    """The run with two samples of one process, and one of another, that sum to these seconds."""
    samples = np.zeros(3, SAMPLE_DTYPE)
    samples["pid"] = 1001, 1001, 1002
    samples["cpu"] = cpu_s / 4, cpu_s / 2, cpu_s / 2
    samples["runqueue"] = runqueue_s / 4, runqueue_s / 2, runqueue_s / 2
    return replace(run, samples=samples)


def test_program_that_has_the_machine_to_itself():
    run = simulate(PoolPlan(items=100))
    assert slowdown(run, run.pools[0]) == pytest.approx(1.0)


@pytest.mark.parametrize(("cpus", "expected"), [(8, 3.0), (2, 2.0), (1, 1.0)])
def test_waiting_for_each_other_is_no_competition(cpus, expected):
    run = sampled(simulate(PoolPlan(items=100, workers=2), cpus=cpus), 1.0, 2.0)
    assert slowdown(run, run.pools[0]) == pytest.approx(expected)


def test_tasks_tell_where_the_kernel_does_not():
    run = simulate(PoolPlan(items=100, cpu_share=0.8), cpus=8)
    assert slowdown(run, run.pools[0]) == pytest.approx(1.25)


def test_sleeping_tasks_do_not_wait_for_a_processor():
    run = simulate(PoolPlan(items=100, cpu_share=0.0), cpus=8)
    assert slowdown(run, run.pools[0]) == 1.0


def test_processes_that_used_all_there_was_waited_for_each_other():
    # However long they waited: nearly all that the processors had went to them.
    run = sampled(simulate(PoolPlan(items=100, workers=2), cpus=2, before_s=0.0, after_s=0.0), 1.0, 2.0)
    had = 2 * (run.pools[0].ended - run.pools[0].created)
    saturated, not_known = (replace(run, meta=replace(run.meta, cpu_s=cpu_s)) for cpu_s in (0.95 * had, float("nan")))
    assert slowdown(saturated, run.pools[0]) == pytest.approx(1 / 0.95, rel=0.02)
    assert slowdown(not_known, run.pools[0]) == pytest.approx(2.0)
