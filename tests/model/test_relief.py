from __future__ import annotations

from dataclasses import replace

import pytest

from mpdiag.model.change import Fewer, Reuse
from mpdiag.model.relief import GET_S, PUT_S, SEND_S, dialogue_s, is_dialogue, partners, pipeline_s, reuse_s, spared
from mpdiag.model.run import Site, Use
from mpdiag.model.whatif import replay
from tests.model.synthetic import PoolPlan, simulate
from tests.model.talking import child, churn, clients, contenders, dialogue, pipeline, run_of, target

HERE = Site("program.py", 1, "main")


def saved(run, *changes):
    return run.meta.wall_s - replay(run, changes).wall_s


# What a process is spared


def test_messages_that_go_away_spare_both_ends_what_they_cost():
    run = pipeline(10_000, feed_s=6e-6)
    less = spared(run, [Fewer((0, 1), share=0.25)])
    assert less[1] == pytest.approx(0.75 * 10_000 * (PUT_S + 6e-6))
    assert less[0] == pytest.approx(0.75 * 10_000 * GET_S)


def test_calls_of_a_manager_spare_their_whole_time_and_locks_their_waiting():
    assert spared(clients(), [Fewer((1, 2))])[2] == pytest.approx(2.0)
    assert spared(contenders(), [Fewer(locks=(0,))]) == {1: pytest.approx(0.65)}


def test_pipes_spare_each_message_but_dialogues_are_reckoned_by_themselves():
    run = dialogue(1000)
    assert spared(run, [Fewer((0, 1))]) == {0: pytest.approx(1000 * SEND_S)}
    uses = tuple(replace(use, timed=0) for use in run.uses)
    assert spared(replace(run, uses=uses), [Fewer((1,))]) == {0: pytest.approx(1000 * SEND_S)}


def test_puts_that_were_never_timed_spare_their_callers_part():
    run = pipeline(1000)
    untimed = replace(run.uses[0], timed=0, busy_s=0.0)
    assert spared(replace(run, uses=(untimed,)), [Fewer((0,))]) == {1: pytest.approx(1000 * PUT_S)}


# Pipelines


def test_busiest_stage_sets_the_pace():
    # GIVEN a producer that is busy for 1 s of the run, and a consumer for half a second
    run = pipeline(100_000, make_s=1e-6, feed_s=6.5e-6, consume_s=1e-6)
    # THEN sparing the consumer saves nothing, and sparing the producer saves until the consumer is the busiest
    assert pipeline_s(run, {0: 0.3}) == 0
    assert pipeline_s(run, {1: 0.2}) == pytest.approx(0.2)
    assert pipeline_s(run, {1: 0.9}) == pytest.approx(pipeline_s(run, {1: 5.0}), abs=0.1)
    assert 0.5 < pipeline_s(run, {1: 5.0}) < 0.9
    assert pipeline_s(run, {1: 5.0, 0: 0.3}) > pipeline_s(run, {1: 5.0})


def test_sparing_nothing_saves_nothing():
    run = pipeline()
    assert pipeline_s(run, {}) == 0
    assert pipeline_s(run, {1: 0.0}) == 0


def test_processors_bound_what_all_stages_need_together():
    # GIVEN four processes that compute for 0.7 s each and wait for locks as long
    roomy, narrow = (contenders(processes=4), replace(contenders(processes=4)))
    narrow = replace(narrow, meta=replace(narrow.meta, cpus_usable=2))
    roomy = replace(roomy, meta=replace(roomy.meta, cpus_usable=4))
    less = dict.fromkeys(range(1, 5), 0.65)
    # THEN with a processor for each all the waiting goes, and with two their work takes its time
    assert pipeline_s(roomy, less) == pytest.approx(0.65)
    assert pipeline_s(narrow, less) == pytest.approx(0)


def test_stages_one_after_the_other_are_spared_one_after_the_other():
    locks = contenders().locks
    early, late = child(1, 1.05, 0.3), child(2, 2.1, 0.3, begin=1.1)
    run = run_of(2.2, (target(), early, late), locks=(replace(locks[0], process=1), replace(locks[1], process=2)))
    assert pipeline_s(run, {1: 0.65}) == pytest.approx(0.65)
    assert pipeline_s(run, {1: 0.65, 2: 0.65}) == pytest.approx(1.3)


def test_target_is_spared_once_whatever_it_talks_to_in_turn():
    # GIVEN a target that is busy all its life, with five processes one after the other
    begins = [0.5, 1.5, 2.5, 3.5, 4.5]
    children = [child(number, begin + 0.9, 0.1, begin=begin) for number, begin in enumerate(begins, 1)]
    put = Use(0, "Queue", "put", 1, HERE, 1000, 1000, 0.0, 1e-3, 1000)
    gets = [Use(number, "Queue", "get", 1, HERE, 200, 200, 0.75, 0.0, 0) for number in range(1, 6)]
    run = run_of(5.5, (target(5.4), *children), uses=(put, *gets))
    # THEN half a second less for it is half a second less, and not in each of their lives
    assert pipeline_s(run, {0: 0.5}) == pytest.approx(0.5 * 4.5 / 5.5, rel=0.05)


def test_target_that_only_waits_for_the_others_takes_no_part():
    run = contenders()
    busy = replace(run, processes=(replace(run.processes[0], cpu_s=1.3), *run.processes[1:]))
    assert pipeline_s(busy, {1: 0.65, 2: 0.65}) == pytest.approx(pipeline_s(run, {1: 0.65, 2: 0.65}))


# Dialogues


def test_answers_that_are_awaited_are_a_dialogue():
    asked, answered = dialogue().uses[1], dialogue().uses[3]
    assert is_dialogue(asked)
    assert is_dialogue(answered), "it is in turn, too: the rule tells who asks"
    assert not is_dialogue(replace(asked, timed=asked.count // 2))
    assert not is_dialogue(replace(asked, operation="send"))
    assert not is_dialogue(replace(asked, kind="Queue"))


def test_dialogue_saves_the_way_and_not_the_work():
    run = dialogue(10_000, way_s=40e-6, work_s=30e-6)
    assert dialogue_s(run, [Fewer((0, 1, 2), share=0.5)]) == pytest.approx(0.2, rel=0.01)
    assert dialogue_s(run, [Fewer((0,))]) == 0


def test_partner_is_who_received_as_many():
    run = dialogue()
    other = replace(run.uses[3], process=2, count=3)
    assert partners(replace(run, uses=(*run.uses, other)), [run.uses[1]]) == {1}
    assert partners(replace(run, uses=(run.uses[1], other)), [run.uses[1]]) == {2}, "at least somebody"
    assert partners(replace(run, uses=(run.uses[1],)), [run.uses[1]]) == frozenset()


def test_answers_at_two_lines_come_from_one_partner():
    run = dialogue()
    halves = [replace(run.uses[1], site=replace(HERE, line=line), count=7000, timed=7000) for line in (1, 2)]
    other = replace(run.uses[3], process=2, count=7000)
    assert partners(replace(run, uses=(*halves, *run.uses[3:], other)), halves) == {1}


def test_partners_alike_each_do_their_own_part():
    # GIVEN two processes, each asked 10,000 times over a pipe of its own
    one = dialogue(10_000, way_s=40e-6, work_s=30e-6)
    twin = tuple(replace(use, process=2 * use.process, object=use.object + 10) for use in one.uses)
    processes = (*one.processes, replace(one.processes[1], pid=1002))
    run = replace(one, uses=(*one.uses, *twin), processes=processes)
    assert dialogue_s(run, [Fewer((0, 1, 2))]) == pytest.approx(0.4, rel=0.01)


# Reuse


def test_lasting_processes_start_once_and_work_side_by_side():
    run = churn(100, life_s=12e-3, startup_s=2e-3, gap_s=0.0)
    everyone = tuple(range(1, 101))
    assert reuse_s(run, Reuse(everyone, 1)) == pytest.approx(99 * 2e-3)
    assert reuse_s(run, Reuse(everyone, 2)) == pytest.approx(1.2 - 2e-3 - 0.5)
    assert reuse_s(run, Reuse(everyone, 50)) == pytest.approx(reuse_s(run, Reuse(everyone, 2))), "there are two CPUs"


def test_processes_that_already_work_side_by_side_are_not_faster_reused():
    run = churn(100, life_s=12e-3, startup_s=0.0, gap_s=0.0, at_once=2)
    assert reuse_s(run, Reuse(tuple(range(1, 101)), 2)) == pytest.approx(0)


def test_nobody_and_nothing_can_be_reused():
    assert reuse_s(churn(), Reuse((), 2)) == 0
    assert reuse_s(churn(), Reuse((77_000,), 2)) == 0
    assert reuse_s(churn(8), Reuse(tuple(range(1, 9)), 0)) == pytest.approx(
        reuse_s(churn(8), Reuse(tuple(range(1, 9)), 1))
    )


# In the replay


@pytest.mark.parametrize(
    ("run", "change"),
    [
        (pipeline(), Fewer((0, 1), share=1 / 200)),
        (dialogue(), Fewer((0, 1, 2), share=1 / 500)),
        (clients(), Fewer((1, 2, 4, 5))),
        (contenders(), Fewer(locks=(0, 1))),
        (churn(), Reuse(tuple(range(1, 141)), 2)),
    ],
    ids=["queue", "pipe", "manager", "lock", "processes"],
)
def test_replay_takes_it_off_the_wall_and_is_unsure_by_a_fraction(run, change):
    result = replay(run, (change,))
    relief = run.meta.wall_s - result.wall_s
    assert relief > 0.3 * run.meta.wall_s
    assert 0 <= result.low < result.wall_s < result.high < run.meta.wall_s
    assert result.high == pytest.approx(run.meta.wall_s - 0.75 * relief)
    assert replay(run, ()).wall_s == run.meta.wall_s


def test_changes_about_the_same_pipeline_are_replayed_together():
    run = pipeline(consume_s=5e-6)
    producer, consumer = Fewer((0,), share=0.01), Fewer((1,), share=0.01)
    assert saved(run, consumer) == pytest.approx(0)
    assert saved(run, producer, consumer) > saved(run, producer) > 0.05


def test_no_saving_is_larger_than_the_run():
    run = contenders()
    locks = tuple(replace(lock, waited_s=1e6) for lock in run.locks)
    result = replay(replace(run, locks=locks), (Fewer(locks=(0, 1)),))
    assert 0 <= result.low <= result.wall_s <= result.high
    huge = replace(dialogue(), uses=tuple(replace(use, busy_s=3e8, blocked_s=3e8) for use in dialogue().uses))
    assert replay(huge, (Fewer((0, 1, 2)),)).wall_s == 0


def test_round_trips_of_several_pipes_that_overlap_are_no_longer_than_the_waiting_for_answers():
    run = dialogue()
    alone = saved(run, Fewer((0, 1, 2)))
    overlapping = replace(run.uses[1], busy_s=5 * run.uses[1].busy_s)
    assert saved(replace(run, uses=(run.uses[0], overlapping, *run.uses[2:])), Fewer((0, 1, 2))) < 1.3 * alone


def test_waiting_of_a_pools_workers_is_taken_off_their_tasks():
    # GIVEN a pool of two workers, each task 2 ms of which half is waiting for a lock
    run = simulate(PoolPlan(items=1000, compute_s=2e-3, cpu_share=0.5), cpus=2)
    lock = contenders().locks[0]
    locks = tuple(replace(lock, process=worker.process, waited_s=0.5) for worker in run.workers)
    result = replay(replace(run, locks=locks), (Fewer(locks=(0, 1)),))
    # THEN without it the tasks take half as long
    expected = simulate(PoolPlan(items=1000, compute_s=1e-3), cpus=2).meta.wall_s
    assert result.wall_s == pytest.approx(expected, rel=0.05)


def test_pool_without_tasks_is_not_eased():
    run = simulate(PoolPlan(items=0), cpus=2)
    use = replace(clients().uses[1], process=run.workers[0].process)
    assert replay(replace(run, uses=(use,)), (Fewer((0,)),)).wall_s == pytest.approx(run.meta.wall_s)
