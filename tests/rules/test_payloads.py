"""The four rules about large messages: which speaks, what it says, and what it would change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpdiag.engine import all_rules
from mpdiag.model.change import Shed
from mpdiag.model.run import Part
from tests.model.synthetic import PoolPlan, simulate
from tests.rules.problems import ARCHIVE, CATALOGUE, CONTENT, PATHS, PLANS

RULES = {rule.id: rule for rule in all_rules()}
PAYLOADS = ("oversized-argument", "oversized-callable", "oversized-result", "repeated-payload")


def found(plan: PoolPlan):
    run = simulate(plan, cpus=2)
    return {finding.rule: finding for rule in PAYLOADS for finding in RULES[rule].check(run)}


@pytest.mark.parametrize("rule", PAYLOADS)
def test_one_rule_speaks_about_the_same_bytes(rule):
    assert set(found(PLANS[rule])) == {rule}


@pytest.mark.parametrize(
    ("messages", "repeats", "expected"),
    [
        (10, 5, "repeated-payload"),
        (10, 4, "oversized-argument"),
        (150, 142, "repeated-payload"),
        (150, 141, "oversized-argument"),
    ],
    ids=["half of them", "fewer", "eight contents", "more contents"],
)
def test_argument_counts_as_repeated_where_few_contents_go_out_often(messages, repeats, expected):
    plan = PLANS["repeated-payload"]
    assert set(found(replace(plan, parts=(replace(ARCHIVE, messages=messages, repeats=repeats),)))) == {expected}


def test_repeated_argument_goes_through_the_initialiser():
    finding = found(PLANS["repeated-payload"])["repeated-payload"]

    assert finding.title == "the same archive of 400 kB goes out with 150 tasks, again and again"
    assert finding.change == Shed(0, "argument", 400_000.0, once=400_000.0)
    assert "initializer=start_worker, initargs=(archive,)" in finding.fix.snippet
    assert "return most_similar(*arguments, archive=ARCHIVE)" in finding.fix.snippet
    assert "executor.submit(most_similar_kept, ...)" in finding.fix.snippet


def test_method_becomes_a_function_and_its_object_goes_through_the_initialiser():
    finding = found(PLANS["oversized-callable"])["oversized-callable"]

    assert finding.title == "every task carries self.catalogue along: 400 kB in each of 150 messages"
    assert finding.change == Shed(0, "callable", 400_000.0, once=400_000.0)
    assert "def start_worker(shop):" in finding.fix.snippet
    assert "return SHOP.price(item)" in finding.fix.snippet


def test_partial_goes_through_the_initialiser_as_it_is():
    plan = replace(PLANS["oversized-callable"], parts=(replace(CATALOGUE, name="table"),), function="shop:look_up")
    snippet = found(plan)["oversized-callable"].fix.snippet

    assert "initargs=(partial(look_up, ...),)" in snippet
    assert "return CALL(item)" in snippet


def test_callable_instance_goes_through_the_initialiser():
    plan = replace(PLANS["oversized-callable"], function="shop:Shop")
    snippet = found(plan)["oversized-callable"].fix.snippet

    assert "initargs=(shop,)" in snippet
    assert "return SHOP(item)" in snippet


def test_pool_with_an_initialiser_is_told_to_use_it():
    plan = replace(PLANS["oversized-callable"], initializer="shop:connect")
    assert any("shop:connect" in step for step in found(plan)["oversized-callable"].fix.steps)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bytes", "pack(file.read())"),
        ("dict", "pack(load(file))"),
        ("numpy.ndarray", "shared_memory.SharedMemory(name)"),
        ("list of ndarray", "shared_memory.SharedMemory(name)"),
    ],
)
def test_large_argument_is_made_or_found_by_the_worker(kind, expected):
    plan = replace(PLANS["oversized-argument"], function="backup:pack", parts=(replace(CONTENT, type=kind),))
    finding = found(plan)["oversized-argument"]

    assert finding.title.startswith("content of 3.0 MB for each item: carrying it takes ")
    assert finding.change == Shed(0, "argument", 2_999_900.0, made_there="ndarray" not in kind)
    assert expected in finding.fix.snippet


def test_large_result_is_reduced_in_the_worker():
    finding = found(PLANS["oversized-result"])["oversized-result"]

    assert finding.title.startswith("results of 3.0 MB for each item: carrying one takes ")
    assert finding.change == Shed(0, "result", 2_999_900.0)
    assert "pool.starmap(work_reduced, ...)" in finding.fix.snippet


@pytest.mark.parametrize(
    "part",
    [replace(CONTENT, bytes=3_000_000), replace(PATHS, bytes=3_000_000)],
    ids=["arguments", "results"],
)
def test_many_small_items_in_a_chunk_are_not_oversized(part):
    # 3 MB in a message of 12,500 items are 240 bytes an item.
    plan = replace(PLANS["not-worth-it"], byte_s=400e-9, parts=(replace(part, estimated=8.0, messages=8),))
    assert found(plan) == {}


@pytest.mark.parametrize("rule", PAYLOADS)
def test_bytes_that_cost_little_beside_the_work_are_not_said(rule):
    assert found(replace(PLANS[rule], compute_s=1.0, items=60)) == {}


def test_parts_of_one_call_are_one_finding():
    more = replace(ARCHIVE, name="settings", bytes=100_000, messages=75, estimated=75.0, repeats=74)
    plan = replace(PLANS["repeated-payload"], argument_bytes=450_000, parts=(ARCHIVE, more))
    finding = found(plan)["repeated-payload"]

    assert finding.change == Shed(0, "argument", 450_000.0, once=500_000.0)
    assert [fact.label for fact in finding.evidence if "of a message" in fact.label] == [
        "archive (list of list), of a message",
        "settings (list of list), of a message",
    ]


def test_part_that_few_messages_carry_counts_for_them_only():
    rare = Part(0, "argument", "archive", "list of list", 400_000, 401_000, 15, 14, 15.0)
    plan = replace(PLANS["repeated-payload"], argument_bytes=40_100, parts=(rare,))
    finding = found(plan)["repeated-payload"]

    assert finding.change == Shed(0, "argument", 40_000.0, once=400_000.0)
    assert "goes out with 15 tasks" in finding.title
