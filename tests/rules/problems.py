"""One simulated run for each rule's problem, and healthy ones: what the rule's own program would look like."""

from __future__ import annotations

from mpdiag.model.run import Part
from tests.model.synthetic import PoolPlan

ARCHIVE = Part(0, "argument", "archive", "list of list", 400_000, 401_000, 150, 149, 150.0)
CONTENT = Part(0, "argument", "content", "bytes", 3_000_000, 3_000_100, 60, 0, 60.0)
CATALOGUE = Part(0, "callable", "self.catalogue", "dict", 400_000, 401_000, 150, 149, 150.0)
PATHS = Part(0, "result", "return value", "numpy.ndarray", 3_000_000, 3_000_100, 60, 0, 60.0)

PROBLEMS = {
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
    "slow-startup": PoolPlan(items=200, compute_s=1e-2, startup_s=0.8, initializer="shop:start_worker"),
}
"""By rule: what it must find, and find alone once the engine has folded what it explains."""

HEALTHY = {
    "tasks of milliseconds": PoolPlan(items=1000, compute_s=2e-3),
    "tiny items in chunks": PoolPlan(items=40_000, chunksize=256, compute_s=2e-5),
    "an executor": PoolPlan(items=500, compute_s=4e-3, kind="ProcessPoolExecutor", method="submit", hidden_s=60e-6),
    "a spawned pool": PoolPlan(items=1000, compute_s=2e-3, start_method="spawn", startup_s=0.1),
    "two pools": PoolPlan(items=400, compute_s=2e-3, count=2),
    "big arguments with much work": PoolPlan(
        items=60, compute_s=0.3, argument_bytes=3_000_000, byte_s=1.5e-9, parts=(CONTENT,)
    ),
    "sleeping tasks": PoolPlan(items=60, compute_s=0.05, cpu_share=0.01),
}
