from __future__ import annotations

from dataclasses import replace

import pytest

from mpdiag.model.change import Chunk
from mpdiag.model.chunking import recommended_chunksize
from mpdiag.rules.chatty_tasks import FEWEST_TASKS, ChattyTasks
from tests.model.synthetic import PoolPlan, simulate
from tests.rules.problems import PLANS

PLAN = PLANS["chatty-tasks"]


def found(*plans: PoolPlan):
    return list(ChattyTasks().check(simulate(*plans, cpus=2)))


def test_title_and_snippet_carry_the_numbers():
    run = simulate(PLAN, cpus=2)
    (finding,) = ChattyTasks().check(run)

    size = 1 << (recommended_chunksize(run, 0).bit_length() - 1)
    assert finding.title.startswith("5,000 tasks of 20 µs each: sending one costs ")
    assert finding.change == Chunk(0, size)
    assert finding.fix.snippet.startswith(f"pool.imap_unordered(classify, ..., chunksize={size})")
    assert f"{-(-5000 // size)} messages instead of 5,000" in finding.fix.snippet


@pytest.mark.parametrize(
    ("kind", "method", "call"),
    [
        ("Pool", "map", "pool.map(classify, ..., chunksize="),
        ("Pool", "starmap", "pool.starmap(classify, ..., chunksize="),
        ("Pool", "apply_async", "pool.imap(classify, ..., chunksize="),
        ("ProcessPoolExecutor", "submit", "executor.map(classify, ..., chunksize="),
        ("ProcessPoolExecutor", "map", "executor.map(classify, ..., chunksize="),
    ],
)
def test_call_is_rewritten_in_its_own_way(kind, method, call):
    (finding,) = found(replace(PLAN, kind=kind, method=method))
    assert finding.fix.snippet.startswith(call)


def test_executor_whose_parent_cannot_keep_up_is_found_by_its_waiting_workers():
    # No stamp shows what an executor's manager thread costs, but the workers wait for it.
    (finding,) = found(replace(PLAN, compute_s=200e-6, kind="ProcessPoolExecutor", method="submit", hidden_s=150e-6))
    assert "200 µs each" in finding.title


@pytest.mark.parametrize(
    "plan",
    [
        replace(PLAN, items=FEWEST_TASKS - 1),
        replace(PLAN, compute_s=1e-3),
        replace(PLAN, chunksize=64),
        replace(PLAN, argument_bytes=20_000),
        replace(PLAN, result_bytes=20_000),
        replace(PLAN, compute_s=400e-6, produce_s=2e-3),
    ],
    ids=["few", "long", "in chunks", "large arguments", "large results", "slow iterable"],
)
def test_other_tasks_are_not_chatty(plan):
    assert found(plan) == []


def test_one_line_used_by_many_pools_is_one_finding():
    (finding,) = found(replace(PLAN, items=500, count=5))
    assert finding.title.startswith("2,500 tasks")
    assert {("origin", index) for index in range(5)} < set(finding.about)
    assert {("pool", index) for index in range(5)} < set(finding.about)
