from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import pytest

from mpdiag.model.run import Site
from mpdiag.model.talk import (
    by_operation,
    calls_of_managers,
    holder,
    life_s,
    pools_of,
    queues,
    serving_s,
    spots,
    waiting,
)
from tests.model.synthetic import PoolPlan, simulate
from tests.model.talking import CALL_HERE, LOCK_HERE, clients, contenders, dialogue, pipeline


def test_spots_add_up_processes_objects_and_operations_of_a_line():
    run = clients(calls=1000)
    (spot,) = spots(run, calls_of_managers(run))
    assert (spot.site, spot.kind, spot.operations) == (CALL_HERE, "DictProxy", ("__setitem__", "get"))
    assert (spot.count, spot.bytes) == (4000, 4000 * 92)
    assert spot.blocked_s == pytest.approx(0.4)
    assert (spot.processes, spot.objects) == (frozenset({2, 3}), frozenset({5}))
    assert spot.uses == (1, 2, 4, 5)


def test_kinds_and_lines_are_spots_of_their_own_the_busiest_first():
    run = clients(calls=1000)
    more = replace(run.uses[1], kind="ListProxy", count=5000)
    elsewhere = replace(run.uses[1], site=Site("program.py", 99, "main"), count=7000)
    run = replace(run, uses=(*run.uses, more, elsewhere))
    assert [spot.count for spot in spots(run, calls_of_managers(run))] == [7000, 5000, 4000]


def test_messages_and_connecting_are_no_calls():
    assert calls_of_managers(pipeline()) == calls_of_managers(dialogue()) == []
    assert calls_of_managers(clients()) == [1, 2, 4, 5]


def test_manager_that_was_not_seen_says_nothing_of_its_work():
    run = clients()
    (spot,) = spots(run, calls_of_managers(run))
    assert serving_s(run, spot) == pytest.approx(4e-6)
    others = tuple(replace(one, object=99) for one in run.served)
    assert isnan(serving_s(replace(run, served=others), spot))
    assert isnan(serving_s(replace(run, served=()), spot))


def test_lives_are_of_stages_and_of_workers():
    assert life_s(pipeline(), {0, 1}) == pytest.approx(2 * 1.07, rel=0.05)
    assert life_s(pipeline(), {0, 77}) == pytest.approx(pipeline().meta.wall_s)
    run = simulate(PoolPlan(items=100))
    worker = run.workers[0]
    assert life_s(run, {worker.process}) == pytest.approx(worker.end - worker.launched)
    assert pools_of(run, {worker.process}) == (0,)


def test_worker_that_is_still_running_lives_to_the_end_of_the_run():
    run = simulate(PoolPlan(items=100))
    wall = run.meta.wall_s
    running, unborn = replace(run.workers[0], end=nan), replace(run.workers[0], launched=nan)
    assert life_s(replace(run, workers=(running,)), {1}) == pytest.approx(wall - running.launched)
    assert life_s(replace(run, workers=(unborn,)), {1}) == 0


def test_longest_holder_is_by_line_and_estimated_from_the_timed():
    run = contenders(acquired=1000, held_s=1e-4)
    found = holder(run, frozenset({6}))
    assert found.site == LOCK_HERE
    assert (found.each_s, found.total_s) == pytest.approx((1e-4, 0.2))
    rare = replace(run.locks[0], site=Site("program.py", 99, "save"), acquired=1, held_s=0.15, timed=1)
    assert holder(replace(run, locks=(*run.locks, rare)), frozenset({6})).site == LOCK_HERE
    assert holder(run, frozenset({7})) is None


def test_only_those_that_waited_for_other_holders_wait():
    assert waiting(contenders()) == {LOCK_HERE: [0, 1]}
    assert waiting(contenders(operation="wait")) == {}
    assert waiting(contenders(waited_s=0.0)) == {}


def test_queues_are_told_apart_by_kind_and_identity():
    one, other = pipeline(), pipeline(kind="SimpleQueue")
    run = replace(one, uses=(*one.uses, *other.uses, *dialogue().uses, *clients().uses))
    assert queues(run) == {("Queue", 7): [0, 1], ("SimpleQueue", 7): [2, 3]}
    assert by_operation(run, [0, 1, 2, 3], "put") == [run.uses[0], run.uses[2]]
