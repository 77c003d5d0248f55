from __future__ import annotations

from dataclasses import replace

import pytest

from mpdiag.model.change import Chunk, Fewer, KeepPool, Overlap, QuickStart, Reuse, Serial, Shed
from mpdiag.wording.changes import change_in_words
from tests.model.synthetic import PoolPlan, simulate
from tests.model.talking import churn, clients, contenders, dialogue, pipeline

POOLED = simulate(PoolPlan(items=10, count=2))


@pytest.mark.parametrize(
    ("run", "change", "words"),
    [
        (pipeline(), Fewer((0, 1), share=1 / 200), "200 times fewer messages at program.py:20, program.py:30"),
        (pipeline(), Fewer((0,), share=1 / 20_000), "20,000 times fewer messages at program.py:20"),
        (dialogue(), Fewer((0, 1, 2)), "no messages at program.py:40, program.py:41, ..."),
        (clients(), Fewer((1, 2, 4, 5), share=1e-4), "10,000 times fewer calls of a manager at program.py:60"),
        (contenders(), Fewer(locks=(0, 1)), "no waits for a lock at program.py:70"),
        (churn(), Reuse(tuple(range(1, 141)), 2), "2 lasting processes instead of 140"),
        (POOLED, Overlap((0, 1)), "all tasks submitted before the first result is awaited at program.py:9"),
        (POOLED, Chunk(0, 64), "chunksize 64 at program.py:10"),
        (POOLED, Shed(0, "callable", 2e6), "2 MB of callable's bytes less per task at program.py:10"),
        (POOLED, Shed(0, "result", 12.0), "12 bytes of result bytes less per task at program.py:10"),
        (POOLED, KeepPool((0, 1)), "one pool instead of 2"),
        (POOLED, QuickStart((0,), 0.0125), "workers ready in 12.5 ms at program.py:9"),
        (POOLED, Serial((0, 1)), "no processes at program.py:9"),
    ],
)
def test_change_in_words(run, change, words):
    assert change_in_words(run, change) == words


def test_one_line_is_named_once():
    run = pipeline()
    uses = tuple(replace(use, site=run.uses[0].site) for use in run.uses)
    assert change_in_words(replace(run, uses=uses), Fewer((0, 1))) == "no messages at program.py:20"
