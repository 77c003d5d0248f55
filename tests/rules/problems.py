"""One simulated run for each rule's problem, and healthy ones: what the rule's own program would look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.model.run import Part, Run
from tests.model.synthetic import PoolPlan, simulate
from tests.model.talking import churn, clients, contenders, dialogue, leak, pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVE = Part(0, "argument", "archive", "list of list", 400_000, 401_000, 150, 149, 150.0)
CONTENT = Part(0, "argument", "content", "bytes", 3_000_000, 3_000_100, 60, 0, 60.0)
CATALOGUE = Part(0, "callable", "self.catalogue", "dict", 400_000, 401_000, 150, 149, 150.0)
PATHS = Part(0, "result", "return value", "numpy.ndarray", 3_000_000, 3_000_100, 60, 0, 60.0)

PLANS: Mapping[str, PoolPlan] = {
    "chatty-tasks": PoolPlan(items=5000, compute_s=20e-6, method="imap_unordered", function="shop:classify"),
    "not-worth-it": PoolPlan(
        items=100_000, chunksize=12_500, compute_s=0.2e-6, argument_bytes=5, result_bytes=20, byte_s=40e-9
    ),
    "oversized-argument": PoolPlan(
        items=60, compute_s=12e-3, argument_bytes=3_000_000, byte_s=1.5e-9, parts=(CONTENT,), method="imap"
    ),
    "oversized-callable": PoolPlan(
        items=15_000,
        chunksize=100,
        compute_s=2e-5,
        callable_bytes=400_000,
        byte_s=3e-9,
        parts=(CATALOGUE,),
        function="shop:Shop.price",
    ),
    "oversized-result": PoolPlan(
        items=60, compute_s=12e-3, result_bytes=3_000_000, byte_s=1.5e-9, parts=(PATHS,), method="starmap"
    ),
    "pool-churn": PoolPlan(items=48, chunksize=8, compute_s=4e-4, count=40),
    "repeated-payload": PoolPlan(
        items=150,
        compute_s=2e-3,
        argument_bytes=400_000,
        byte_s=3e-9,
        parts=(ARCHIVE,),
        kind="ProcessPoolExecutor",
        method="submit",
        function="shop:most_similar",
    ),
    "serialised-submission": PoolPlan(
        items=200, jobs=200, compute_s=5e-3, argument_bytes=200, method="apply", function="genes:align"
    ),
    "slow-startup": PoolPlan(items=200, compute_s=1e-2, startup_s=0.8, initializer="shop:start_worker"),
}
RUNS: Mapping[str, Run] = {
    "chatty-pipe": dialogue(),
    "chatty-queue": pipeline(),
    "lock-contention": contenders(),
    "manager-hotspot": clients(),
    "process-churn": churn(),
    "shm-leak": leak(),
}
PROBLEMS: Mapping[str, PoolPlan | Run] = {**PLANS, **RUNS}
"""By rule: what it must find, and find alone once the engine has folded what it explains."""


def run_of(problem: PoolPlan | Run) -> Run:
    """Give the run of a program with this problem, on two processors."""
    return problem if isinstance(problem, Run) else simulate(problem, cpus=2)


HEALTHY: Mapping[str, PoolPlan | Run] = {
    "tasks of milliseconds": PoolPlan(items=1000, compute_s=2e-3),
    "tiny items in chunks": PoolPlan(items=40_000, chunksize=256, compute_s=2e-5),
    "an executor": PoolPlan(items=500, compute_s=4e-3, kind="ProcessPoolExecutor", method="submit", hidden_s=60e-6),
    "a spawned pool": PoolPlan(items=1000, compute_s=2e-3, start_method="spawn", startup_s=0.1),
    "two pools": PoolPlan(items=400, compute_s=2e-3, count=2),
    "big arguments with much work": PoolPlan(
        items=60, compute_s=0.3, argument_bytes=3_000_000, byte_s=1.5e-9, parts=(CONTENT,)
    ),
    "sleeping tasks": PoolPlan(items=60, compute_s=0.05, cpu_share=0.01),
    "a queue of batches": pipeline(500, size=11_000, make_s=2e-4, feed_s=1e-3, consume_s=7.5e-4),
    "a queue of items with much work": pipeline(10_000, make_s=3e-4, consume_s=3e-4),
    "a pipe of large questions": dialogue(28, way_s=2e-3, work_s=17e-3, size=16_000, answer_size=2_500),
    "a manager for the results": clients(10),
    "a lock for the sum": contenders(10, contended=9, waited_s=5e-4),
    "an event that is waited for": contenders(1, contended=1, operation="wait", kind="Event"),
    "processes that last": churn(4, life_s=3.0, at_once=2),
    "processes that are short beside much work": churn(8, life_s=1.9, at_once=4),
    "memory that is given back": leak(unlinked=20, closed=20),
}
