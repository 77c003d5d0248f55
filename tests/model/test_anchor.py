from __future__ import annotations

from dataclasses import replace

import pytest

from mpdiag.model.anchor import _search, anchored
from mpdiag.model.costs import calibrate
from mpdiag.model.pool_replay import PoolReplay
from mpdiag.model.run import TASK_DTYPE
from mpdiag.model.workload import workload
from tests.model.synthetic import PoolPlan, simulate

UNKNOWN = float("nan")
BUSY = PoolPlan(items=600, compute_s=2e-3)


def anchor_of(run, used_s=UNKNOWN):
    replay = PoolReplay(run, [workload(run, run.pools[0])], {0: 0})
    return anchored(replay, {0: calibrate(run.tasks, 0.5)}, used_s), replay


def slowed(run, times):
    """The same run on a machine that other programs kept busy: all takes so many times longer, but the CPU time."""
    tasks = run.tasks.copy()
    for name in TASK_DTYPE.names:
        if TASK_DTYPE[name].kind == "f" and name not in {"cpu", "weight"}:
            tasks[name] *= times
    stamps = ("created", "ready", "ended", "closing")
    pools = tuple(replace(pool, **{name: getattr(pool, name) * times for name in stamps}) for pool in run.pools)
    lives = ("launched", "ready", "first", "end")
    workers = tuple(
        replace(worker, **{name: getattr(worker, name) * times for name in lives}) for worker in run.workers
    )
    meta = replace(run.meta, wall_s=run.meta.wall_s * times)
    return replace(run, tasks=tasks, pools=pools, workers=workers, meta=meta)


def test_anchored_replay_takes_the_recorded_time():
    for plan in (BUSY, replace(BUSY, compute_s=1e-5), replace(BUSY, compute_s=1e-5, hidden_s=2e-4)):
        found, replay = anchor_of(simulate(plan))
        assert replay.total(found).seconds == pytest.approx(replay.members[0].seconds, rel=0.02)


def test_undisturbed_run_needs_little_correction():
    found, _ = anchor_of(simulate(BUSY))
    assert found.effort == pytest.approx(1.0, abs=0.01)
    assert found.toll_s < 5e-6


def test_other_load_is_told_from_messages_that_wait():
    found, _ = anchor_of(slowed(simulate(BUSY), 1.8))
    assert found.effort == pytest.approx(1.8, rel=0.02)
    assert found.toll_s < 50e-6


def test_waiting_that_no_stamp_explains_is_a_toll_on_messages():
    plan = replace(BUSY, compute_s=1e-5, hidden_s=3e-4, kind="ProcessPoolExecutor", method="submit")
    run = simulate(plan)
    replay = PoolReplay(run, [workload(run, run.pools[0])], {0: 0})
    costs = calibrate(run.tasks, 0.5)
    found = anchored(replay, {0: replace(costs, gap=type(costs.gap)())}, UNKNOWN)
    assert found.toll_s == pytest.approx(3e-4, rel=0.15)


def test_cpu_time_used_corrects_the_stamped_costs():
    run = simulate(replace(BUSY, compute_s=1e-5))
    costs = calibrate(run.tasks, 0.5)
    twice, _ = anchor_of(run, used_s=600 * (1e-5 + 2 * 45e-6))
    much, _ = anchor_of(run, used_s=100.0)
    assert twice.costs[0].pickle.fixed / costs.pickle.fixed == pytest.approx(
        twice.costs[0].unpickle.fixed / costs.unpickle.fixed
    )
    assert much.costs[0].pickle.fixed <= 3.01 * costs.pickle.fixed


def test_messages_that_used_less_than_they_took_waited_and_will_again():
    run = simulate(replace(BUSY, compute_s=1e-5))
    stamped, _ = anchor_of(run)
    idle, _ = anchor_of(run, used_s=600 * (1e-5 + 0.5 * 45e-6))
    assert idle.costs[0].pickle.fixed == pytest.approx(stamped.costs[0].pickle.fixed, rel=0.1)
    assert 0.2 < idle.cpu < 1.0 == stamped.cpu


@pytest.mark.parametrize("aim", [0.0, 0.3, 5.0, 9.99, 100.0])
def test_search_comes_close_on_kinked_functions(aim):
    def kinked(x):
        return max(2.0, 10 * x - 1) if x < 0.9 else 8.0 + (x - 0.9) * 20

    found = kinked(_search(kinked, aim, 1.0))
    best = min(abs(kinked(x / 1000) - aim) for x in range(1001))
    assert abs(found - aim) <= best + 0.15
