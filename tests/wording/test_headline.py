from __future__ import annotations

from dataclasses import replace

import pytest

from mpdiag.model.run import Loss, Meta, Run
from mpdiag.model.serial import speedup
from mpdiag.wording.headline import bottleneck, headline
from tests.model.synthetic import PoolPlan, simulate
from tests.model.talking import child, churn, clients, contenders, dialogue, leak, pipeline, run_of, target


def said(run):
    return headline(run, speedup(run))


def test_processes_without_a_pool_are_judged_like_pools():
    assert said(clients()) == "2.9x slower than serial code would be: the processes cost more than they bring"
    assert said(contenders()) == "As fast as serial code would be: the processes bring nothing on 2 CPUs"
    workers = [child(number, 2.05, 1.999) for number in range(1, 5)]
    assert said(run_of(2.1, (target(), *workers), cpus=4)) == "3.8x faster than serial code would be, on 4 CPUs"
    assert said(run_of(2.1, (target(), *workers[:1]), cpus=1)).endswith("the processes bring nothing on 1 CPU")


@pytest.mark.parametrize("run", [leak(), run_of(1.0, (target(),)), Run(Meta(("x",), "3.12", 1.0, 2, 0.0))])
def test_program_of_one_process_is_not_judged(run):
    assert said(run) == "No pool was used, and no process was started: there is nothing to judge"


def test_processes_that_computed_nothing_are_not_compared():
    # Waiting for messages all their lives: a division by zero once.
    uses = tuple(replace(use, blocked_s=1e6) for use in pipeline().uses)
    assert said(replace(pipeline(), uses=uses)) == "No useful work was recorded: nothing can be said about the speed"


def test_cut_off_program_is_judged_until_then():
    run = clients()
    cut = replace(run, meta=replace(run.meta, complete=False))
    assert said(cut).startswith("Cut off after 2.46 s; until then: 2.9x slower than serial code would be")


def test_what_could_not_be_seen_is_said_first():
    run = replace(leak(), losses=(Loss("the program", "python 3.8 is too old"),))
    assert said(run) == "Nothing could be seen: python 3.8 is too old"


def test_bottleneck_is_the_stage_that_others_wait_for():
    assert bottleneck(pipeline()) == "Process-1 works 100 % of its time, others wait up to 60 % of theirs"
    slow = bottleneck(pipeline(consume_s=2e-5))
    assert slow == "the main process works 84 % of its time, others wait up to 58 % of theirs"


def test_sides_of_a_dialogue_wait_for_each_other_and_one_works_more():
    assert bottleneck(dialogue(work_s=200e-6)).startswith("Process-1 works 8")


def test_stages_that_work_alike_are_no_bottleneck():
    uses = tuple(replace(use, blocked_s=0.1) for use in pipeline().uses)
    assert bottleneck(replace(pipeline(), uses=uses)) is None


@pytest.mark.parametrize("run", [clients(), contenders(), churn(), leak(), run_of(0.0, (target(),))])
def test_processes_that_exchange_no_messages_have_no_bottleneck(run):
    assert bottleneck(run) is None


def test_pools_have_no_bottleneck_of_this_kind():
    run = pipeline()
    assert bottleneck(replace(run, pools=simulate(PoolPlan(items=10)).pools)) is None


@pytest.mark.parametrize(("name", "said"), [("", "process 1001"), ("50%", "50%"), ("a\nb", "a\nb")])
def test_process_is_named_by_its_name_as_it_is(name, said):
    run = pipeline()
    processes = (run.processes[0], replace(run.processes[1], name=name))
    assert bottleneck(replace(run, processes=processes)).startswith(f"{said} works 100 % of its time")


def test_stages_of_no_length_are_left_out():
    run = pipeline()
    assert bottleneck(replace(run, meta=replace(run.meta, wall_s=0.0))) is None
