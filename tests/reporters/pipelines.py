"""A diagnosis of a program without pools, made by hand: queues, a manager, a lock, and who keeps others waiting."""

from __future__ import annotations

import math

from mpdiag.diagnosis import (
    Account,
    Activity,
    ChannelSummary,
    Diagnosis,
    Evidence,
    Finding,
    Fix,
    RunSummary,
    Savings,
    Skipped,
    Verdict,
    WhatIf,
)
from mpdiag.model.change import Fewer
from mpdiag.model.run import Overhead, Site


def account(worker_seconds: float, outside_pools_s: float, **seconds: float) -> Account:
    """Close the account: what the named activities leave is unaccounted."""
    seconds["unaccounted"] = worker_seconds - math.fsum(seconds.values())
    activities = tuple(Activity(name, spent, spent / worker_seconds) for name, spent in seconds.items())
    return Account(worker_seconds, activities, outside_pools_s)


_FEED = Site("/home/ann/trading/chart.py", 40, "feed")
_DRAW = Site("/home/ann/trading/chart.py", 74, "main")
_COUNT = Site("/home/ann/trading/totals.py", 113, "Totals.count")

PIPELINE = Diagnosis(
    run=RunSummary(
        command=("python", "chart.py", "2024-05-17"),
        python="3.11.9",
        wall_s=2.46,
        start_method="forkserver",
        cpus_usable=4,
        processes=4,
        tasks=0,
        items=0,
        trace_bytes=53_248,
        complete=True,
        exit_status=0,
    ),
    verdict=Verdict(
        headline="2.7x slower than serial code would be: the processes cost more than they bring",
        speedup_vs_serial=0.37,
        serial_estimate_s=0.907,
        best_predicted_s=0.81,
        bottleneck="the main process works 97 % of its time, others wait up to 59 % of theirs",
    ),
    accounting=account(
        4.71,
        2.46,
        compute=0.41,
        unpickle=0.24,
        pickle=0.66,
        wait_receive=0.62,
        wait_send=1.38,
        wait_lock=0.11,
        manager=0.87,
        startup=0.09,
        wait_core=0.13,
    ),
    pools=(),
    findings=(
        Finding(
            rule="chatty-queue",
            title="100,001 messages of 54 B through one Queue: passing them on takes 27 % of the time at both ends",
            site=_FEED,
            evidence=(
                Evidence("messages put", 100_001, "count"),
                Evidence("bytes of a message", 54.0, "bytes"),
                Evidence("waiting for room", 1.38, "s"),
            ),
            fix=Fix(
                summary="put lists of 200 items, and get them as lists",
                steps=("The other side then loops over what it gets: for item in queue.get().",),
                snippet=(
                    "batch = []\n"
                    "...                                           # in the loop:\n"
                    "batch.append(trade)                           # in place of queue.put(trade)\n"
                    "if len(batch) == 200:\n"
                    "    queue.put(batch)\n"
                    "    batch = []\n"
                ),
            ),
            change=Fewer((0, 1, 2), share=1 / 200),
            confidence="medium",
            severity="high",
            savings=Savings(1.65, 0.671, 1.24, 1.9, "replay of this run"),
            explains=("not-worth-it",),
        ),
    ),
    what_if=(WhatIf("200 times fewer messages at /home/ann/trading/chart.py:40, /home/ann/trading/chart.py:41, ...",
                    0.81, 0.56, 1.22),),
    skipped=(Skipped("chatty-tasks", "no task was recorded"), Skipped("shm-leak", "no block was used")),
    failed=(),
    losses=(),
    overhead=Overhead(seconds=0.031, counted=200_000, timed=162, trace_bytes=53_248),
    channels=(
        ChannelSummary("JoinableQueue", "put", _FEED, 1, 100_000, 5_400_000, 1.38),
        ChannelSummary("AutoProxy[Ledger]", "__setitem__", _COUNT, 2, 12_004, 1_104_000, 0.87),
        ChannelSummary("Connection", "recv", Site("chart.py", 61, "<module>"), 1, 7, 1_310_000_000, 0.7),
        ChannelSummary("JoinableQueue", "get", _DRAW, 1, 100_001, 5_400_004, 0.62),
        ChannelSummary("Value lock", "acquire", _COUNT, 2, 12_004, 0, 0.11),
        ChannelSummary("DictProxy", "connect", _COUNT, 2, 2, 0, 0.004),
    ),
)  # fmt: skip
