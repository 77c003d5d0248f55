"""Rules about queues, pipes, managers and locks: what they say, and the edges of their thresholds."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import partial

import pytest

from mpdiag.model.change import Fewer
from mpdiag.model.run import Site, Use, Worker
from mpdiag.rules import chatty_pipe, chatty_queue, lock_contention, manager_hotspot
from mpdiag.rules.chatty_pipe import ChattyPipe
from mpdiag.rules.chatty_queue import ChattyQueue
from mpdiag.rules.lock_contention import LockContention
from mpdiag.rules.manager_hotspot import ManagerHotspot
from tests.model.talking import (
    ASK_HERE,
    CALL_HERE,
    LOCK_HERE,
    PUT_HERE,
    clients,
    contenders,
    dialogue,
    pipeline,
)


def found(rule, run):
    findings = list(rule().check(run))
    for finding in findings:
        ast.parse(finding.fix.snippet)
    return findings


def facts(finding):
    return {fact.label: fact.value for fact in finding.evidence}


def written_at(run, site, line, directory):
    """The same run of a program whose source file is there: ``line`` is all of it, and what was at ``site``."""
    file = directory / "program.py"
    file.write_text(line + "\n", encoding="utf-8")
    here = Site(str(file), 1, site.function)
    uses = tuple(replace(use, site=here) if use.site == site else use for use in run.uses)
    locks = tuple(replace(lock, site=here) if lock.site == site else lock for lock in run.locks)
    return replace(run, uses=uses, locks=locks)


# chatty-queue


@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue", "SimpleQueue"])
def test_queue_of_small_items(kind):
    (finding,) = found(ChattyQueue, pipeline(kind=kind))

    assert (
        finding.title
        == f"100,000 messages of 54 B through one {kind}: passing them on takes 63 % of the time at both ends"
    )
    assert finding.site == PUT_HERE
    assert finding.change == Fewer((0, 1), share=1 / chatty_queue.BATCH)
    assert finding.explains == ("not-worth-it",)
    assert facts(finding) == {
        "messages put": 100_000,
        "of these, at this line": 100_000,
        "bytes of a message": 54,
        "processes that put": 1,
        "processes that get": 1,
        "waiting for messages": pytest.approx(0.64),
        "waiting for room": 0,
    }


def test_line_that_puts_the_most_is_the_place():
    run = pipeline()
    end = Use(1, "Queue", "put", 7, replace(PUT_HERE, line=21), 2, 8, 0.0, 0.0, 0)
    other = Use(0, "Queue", "put", 99, replace(PUT_HERE, line=22), 500, 8, 0.0, 0.0, 0)
    (finding,) = found(ChattyQueue, replace(run, uses=(end, *run.uses, other)))

    assert finding.site == PUT_HERE
    assert finding.title.startswith("100,002 messages of 54 B ")
    assert finding.change.uses == (0, 1, 2), "another queue stays as it is"


def test_every_queue_is_judged_by_itself():
    first, second = pipeline(), pipeline(object_=8)
    run = replace(first, uses=(*first.uses, *second.uses))
    assert [finding.change.uses for finding in found(ChattyQueue, run)] == [(0, 1), (2, 3)]


LIGHT = partial(pipeline, 10_000, size=60)


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (pipeline(chatty_queue.MANY), 1),
        (pipeline(chatty_queue.MANY - 1), 0),
        (pipeline(size=chatty_queue.LARGE_BYTES - 1), 1),
        (pipeline(size=chatty_queue.LARGE_BYTES), 0),
        (LIGHT(make_s=1.1e-4, consume_s=1e-4), 1),
        (LIGHT(make_s=1.3e-4, consume_s=1e-4), 0),
        (pipeline(kind="Connection"), 0),
        (pipeline(kind="AutoProxy[Queue]"), 0),
    ],
    ids=["many", "fewer", "small", "large", "worth saying", "hardly", "a pipe", "a manager's"],
)
def test_queue_is_chatty_from_the_thresholds_on(run, count):
    if run.meta.wall_s < 0.1:  # so short a run is mostly its start
        run = replace(run, meta=replace(run.meta, wall_s=0.1))
    assert len(found(ChattyQueue, run)) == count


@pytest.mark.parametrize(
    ("line", "queue", "item"),
    [
        ("queue.put(trade)", "queue", "trade"),
        ("self.jobs[0].put((name, value), timeout=3)", "self.jobs[0]", "(name, value)"),
        ("queue.put(obj=trade)", "queue", "item"),
        ("put(trade)", "queue", "item"),
        ("queue.put(" + "very_" * 20 + "long)", "queue", "..."),
        ("(" + "very_" * 20 + "long).put(trade)", "...", "trade"),
        ("first.put(a); second.put(b)", "queue", "item"),
        ("queue.put(", "queue", "item"),
    ],
)
def test_snippet_of_a_queue_is_about_the_users_own_words(line, queue, item, tmp_path):
    (finding,) = found(ChattyQueue, written_at(pipeline(), PUT_HERE, line, tmp_path))

    lines = [text.split("  #")[0].rstrip() for text in finding.fix.snippet.split("\n")]
    assert f"batch.append({item})" in lines
    assert lines[-1] == f"{queue}.put(batch)"
    assert f"if len(batch) == {chatty_queue.BATCH}:" in lines


# chatty-pipe


def test_questions_over_a_pipe():
    (finding,) = found(ChattyPipe, dialogue())

    assert finding.title == "14,000 questions asked one by one over a pipe: 72 µs each, of which the way takes 38 µs"
    assert finding.site == ASK_HERE
    assert finding.change == Fewer((0, 1, 2), share=1 / chatty_pipe.BATCH)
    assert facts(finding) == {
        "round trips": 14_000,
        "a round trip": pytest.approx(72e-6),
        "of it, the way there and back": pytest.approx(38e-6, rel=0.01),
        "bytes of a message": pytest.approx(18.5, rel=0.01),
        "waiting for answers": pytest.approx(0.924),
    }


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (dialogue(chatty_pipe.MANY), 1),
        (dialogue(chatty_pipe.MANY - 1), 0),
        (dialogue(size=chatty_pipe.LARGE_BYTES, answer_size=chatty_pipe.LARGE_BYTES - 2), 1),
        (dialogue(size=chatty_pipe.LARGE_BYTES, answer_size=chatty_pipe.LARGE_BYTES + 2), 0),
        (dialogue(work_s=5e-4), 1),
        (dialogue(work_s=8e-4), 0),
    ],
    ids=["many", "fewer", "small", "large", "worth saying", "hardly"],
)
def test_pipe_is_chatty_from_the_thresholds_on(run, count):
    if run.meta.wall_s < 0.1:  # of so short a run little is the pipe's
        run = replace(run, meta=replace(run.meta, wall_s=0.05))
    assert len(found(ChattyPipe, run)) == count


def test_stream_of_messages_one_way_is_no_dialogue():
    uses = tuple(replace(use, timed=0, busy_s=0.0) for use in dialogue().uses)
    assert found(ChattyPipe, replace(dialogue(), uses=uses)) == []


def test_side_that_answers_is_not_told_to_ask_less():
    # GIVEN the process that answers, which was asked once more than it answered
    run = dialogue()
    answering = replace(run, uses=run.uses[3:])
    assert found(ChattyPipe, answering) == []


@pytest.mark.parametrize(
    ("line", "pipe"),
    [
        ("connection.send(point)", "connection"),
        ("self.ends[0].send(point)", "self.ends[0]"),
        ("send(point)", "connection"),
        ("a.send(1), b.send(2)", "connection"),
    ],
)
def test_snippet_of_a_pipe_is_about_the_users_own_words(line, pipe, tmp_path):
    (finding,) = found(ChattyPipe, written_at(dialogue(), ASK_HERE, line, tmp_path))
    assert f"    {pipe}.send(questions[start : start + {chatty_pipe.BATCH}])" in finding.fix.snippet.split("\n")


# manager-hotspot


def test_calls_of_a_manager_in_a_loop():
    (finding,) = found(ManagerHotspot, clients())

    assert finding.title == (
        "40,000 calls of a manager (DictProxy: __setitem__, get), 100 µs each: 83 % of the time of 2 processes"
    )
    assert finding.site == CALL_HERE
    assert finding.change == Fewer((1, 2, 4, 5), share=2 / 40_000)
    assert finding.explains == ("not-worth-it",)
    assert facts(finding) == {
        "calls": 40_000,
        "methods": "__setitem__, get",
        "calling processes": 2,
        "a call": pytest.approx(100e-6),
        "of it, work of the manager": pytest.approx(4e-6),
        "the manager works, of its time": pytest.approx(0.16 / 2.4, rel=0.05),
        "bytes of a call and its answer": 92,
        "calling, of these processes' time": pytest.approx(0.83, abs=0.01),
    }


def test_one_caller_is_said_to_be_one():
    (finding,) = found(ManagerHotspot, clients(processes=1))
    assert finding.title.endswith(" of the time of 1 process")


def test_server_that_was_not_seen_is_left_out():
    (finding,) = found(ManagerHotspot, replace(clients(), served=()))
    assert not {"of it, work of the manager", "the manager works, of its time"} & facts(finding).keys()


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (clients(manager_hotspot.HOT, operations=("get",), call_s=1e-3), 1),
        (clients(manager_hotspot.HOT - 1, operations=("get",), call_s=1e-3), 0),
        (clients(compute_s=35.0), 1),
        (clients(compute_s=40.0), 0),
    ],
    ids=["hot", "fewer", "worth saying", "hardly"],
)
def test_manager_is_a_hotspot_from_the_thresholds_on(run, count):
    assert len(found(ManagerHotspot, run)) == count


def test_connecting_to_a_manager_is_no_call():
    uses = tuple(replace(use, operation="connect") for use in clients().uses)
    assert found(ManagerHotspot, replace(clients(), uses=uses)) == []


@pytest.mark.parametrize(
    ("line", "operations", "first", "last"),
    [
        ("counts[key] = counts.get(key) + 1", ("get", "__setitem__"), "own_counts = {}", "counts.update(own_counts)"),
        ("self.found.append(word)", ("append",), "own_found = []", "self.found.extend(own_found)"),
        ("if words[place] in seen:", ("__contains__",), "own_shared = {}", "shared.update(own_shared)"),
        ("a.append(b.get(1))", ("append", "get"), "own_shared = []", "shared.extend(own_shared)"),
    ],
)  # fmt: skip
def test_snippet_of_a_manager_is_about_the_users_own_words(line, operations, first, last, tmp_path):
    text = line + " pass" if line.endswith(":") else line
    (finding,) = found(ManagerHotspot, written_at(clients(operations=operations), CALL_HERE, text, tmp_path))

    lines = [text.split("  #")[0].rstrip() for text in finding.fix.snippet.split("\n")]
    assert lines == [first, "...", last]


def test_pool_whose_workers_call_the_manager_is_what_it_is_about():
    run = clients()
    worker = Worker(0, 2, 3, 0.05, 0.06, 0.06, float("nan"), "running", 10, 100, 10, 100)
    (finding,) = found(ManagerHotspot, replace(run, workers=(worker,)))
    assert finding.about == (("pool", 3),)


# lock-contention


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "Value lock"])
def test_processes_that_take_turns_at_a_lock(kind):
    (finding,) = found(LockContention, contenders(kind=kind))

    assert finding.title == (
        f"2 processes wait for a {kind} 48 % of their time: 24,000 of 26,000 acquisitions had to wait"
    )
    assert finding.site == LOCK_HERE
    assert finding.change == Fewer(locks=(0, 1))
    assert finding.confidence == "medium"
    assert facts(finding) == {
        "acquisitions": 26_000,
        "that had to wait": 24_000,
        "waiting, each of them": pytest.approx(1.3 / 24_000),
        "waiting, of these processes' time": pytest.approx(0.48, abs=0.01),
        "processes that wait": 2,
        "held, each time": pytest.approx(50e-6),
        "mostly by": "experiment 70",
    }


def test_one_that_waits_for_another_line_is_one():
    run = contenders()
    holder = replace(run.locks[1], site=replace(LOCK_HERE, line=90, function="<lambda>"), waited_s=0.0, contended=0)
    (finding,) = found(LockContention, replace(run, locks=(run.locks[0], holder)))

    assert finding.title.startswith("1 process waits for a Value lock 48 % of its time: ")
    assert facts(finding)["mostly by"] in {"experiment 70", "line 90"}


def test_holder_is_the_line_that_holds_it_the_longest():
    run = contenders()
    holder = replace(run.locks[1], site=replace(LOCK_HERE, line=90, function="save"), held_s=9.0)
    (finding,) = [
        one for one in found(LockContention, replace(run, locks=(run.locks[0], holder))) if one.site == LOCK_HERE
    ]
    assert facts(finding)["mostly by"] == "save 90"
    assert facts(finding)["held, each time"] == pytest.approx(0.09)


def test_holds_that_were_not_timed_are_left_out():
    locks = tuple(replace(lock, timed=0, held_s=0.0) for lock in contenders().locks)
    (finding,) = found(LockContention, replace(contenders(), locks=locks))
    assert {"held, each time", "mostly by"}.isdisjoint(facts(finding))


@pytest.mark.parametrize(
    ("waited_s", "operation", "count"),
    [(0.040, "acquire", 1), (0.035, "acquire", 0), (0.65, "wait", 0), (0.0, "acquire", 0)],
)
def test_lock_is_contended_from_the_threshold_on(waited_s, operation, count):
    assert lock_contention.WORTH_SAYING == 0.05
    assert len(found(LockContention, contenders(waited_s=waited_s, operation=operation))) == count


@pytest.mark.parametrize(
    ("kind", "line", "taken", "kept"),
    [
        ("Value lock", "with total.get_lock(): pass", "with total.get_lock():", "    total.value += own"),
        ("Value lock", "total.value += 1", "with total.get_lock():", "    total.value += own"),
        ("Lock", "with guard: pass", "with lock:", "    shared += own"),
        ("Lock", "self.guard.acquire()", "with self.guard:", "    shared += own"),
        ("Lock", "with guards[row]: pass", "with lock:", "    shared += own"),
        ("Lock", "guards[row].acquire()", "with lock:", "    shared += own"),
    ],
)
def test_snippet_of_a_lock_is_about_the_users_own_words(kind, line, taken, kept, tmp_path):
    (finding,) = found(LockContention, written_at(contenders(kind=kind), LOCK_HERE, line, tmp_path))
    lines = [text.split("  #")[0].rstrip() for text in finding.fix.snippet.split("\n")]
    assert lines == ["own = 0", "...", taken, kept]
