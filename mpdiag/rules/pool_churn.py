"""The rule pool-churn."""

from __future__ import annotations

from math import isfinite
from statistics import median
from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.change import KeepPool
from mpdiag.model.regions import region
from mpdiag.model.sites import about_pools, origins_of, pools_by_site
from mpdiag.wording import calls, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.run import Pool, Run

FEWEST_POOLS = 3
"""Two may be the two halves of a program; from three on it is a loop."""
WORTH_SAYING = 0.05
"""Starting and stopping takes at least this share of the pools' time: less can hardly save 3 % of a run."""


class PoolChurn(Rule):
    """Pools made and thrown away again and again.

    What it means: a loop makes a pool, gives it some work, and closes it, and the
    next round makes another one.

    Why it costs: every pool starts its processes anew: 5 to 15 ms where they are
    forked, 50 to 150 ms where they are spawned, which imports the program and its
    modules in each, and then runs the initialiser. Closing waits for them to end.
    Meanwhile nothing is computed. One pool serves all rounds.

    Bad:

        for generation in range(45):
            with ProcessPoolExecutor() as executor:
                ranked = sorted(executor.map(improve, population, chunksize=8))

    Good:

        with ProcessPoolExecutor() as executor:
            for generation in range(45):
                ranked = sorted(executor.map(improve, population, chunksize=8))
    """

    id = "pool-churn"
    needs = frozenset({"pools", "workers"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each line that makes pools one after the other."""
        for pools in pools_by_site(run):
            row = _in_a_row(pools)
            lifetime = _lifetime_s(run, row)
            if len(row) >= FEWEST_POOLS and lifetime > 0 and _overhead_s(run, row) >= WORTH_SAYING * lifetime:
                yield _finding(run, row)


def _in_a_row(pools: Sequence[Pool]) -> list[Pool]:
    """The pools of which each was made when the one before had ended."""
    row: list[Pool] = []
    for pool in pools:
        if not row or pool.created >= row[-1].ended:
            row.append(pool)
    return row


def _lifetime_s(run: Run, pools: Sequence[Pool]) -> float:
    return sum(end - start for start, end in (region(run, pool) for pool in pools))


def _overhead_s(run: Run, pools: Sequence[Pool]) -> float:
    """Seconds from the making of each pool to its first worker's being ready, and from its closing to its end."""
    ready = dict.fromkeys((pool.index for pool in pools), float("inf"))
    for worker in run.workers:
        if worker.pool in ready and isfinite(worker.first):
            ready[worker.pool] = min(ready[worker.pool], worker.first)
    total = 0.0
    for pool in pools:
        start, end = region(run, pool)
        total += min(max(ready[pool.index], start), end) - start
        total += end - min(max(pool.closing, start), end) if isfinite(pool.closing) else 0.0
    return total


def _finding(run: Run, pools: Sequence[Pool]) -> Finding:
    pool, count = pools[0], len(pools)
    overhead, lifetime = _overhead_s(run, pools), _lifetime_s(run, pools)
    what = "pools" if pool.kind == "Pool" else "executors"
    return Finding(
        rule=PoolChurn.id,
        title=f"{count:,} {what} made here one after the other: starting and stopping them takes"
        f" {numbers.share(overhead / lifetime)} of their time",
        site=pool.site,
        evidence=(
            Evidence("pools", count, "count"),
            Evidence("workers in each", pool.workers, "count"),
            Evidence("start method", pool.method, "text"),
            Evidence("starting and stopping, of a pool", overhead / count, "s"),
            *_starting(run, pools),
            Evidence("working, of a pool", (lifetime - overhead) / count, "s"),
            Evidence("tasks, of a pool", sum(pool.tasks for pool in pools) / count, "count"),
        ),
        fix=Fix(
            f"make one pool before the loop and use it in all {count:,} rounds",
            (
                "Where the pool is made inside a function, let the function take it as an argument.",
                "If the initialiser's arguments differ from round to round, send them with the tasks.",
            ),
            _snippet(run, pools),
        ),
        change=KeepPool(tuple(pool.index for pool in pools)),
        explains=("slow-startup", "not-worth-it"),
        about=about_pools(run, pools),
    )


def _starting(run: Run, pools: Sequence[Pool]) -> Iterator[Evidence]:
    """What the start of a worker consists of, as medians."""
    indices = {pool.index for pool in pools}
    workers = [worker for worker in run.workers if worker.pool in indices]
    launching = [worker.ready - worker.launched for worker in workers if isfinite(worker.ready - worker.launched)]
    initialising = [worker.first - worker.ready for worker in workers if isfinite(worker.first - worker.ready)]
    if launching:
        yield Evidence("launching a worker, until it is ready", median(launching), "s")
    if initialising:
        yield Evidence("its initialiser, until the first task", median(initialising), "s")


def _snippet(run: Run, pools: Sequence[Pool]) -> str:
    # Thousands of pools have an origin each, most of them of the same few lines.
    distinct = {(origin.site, origin.function, origin.method): origin for origin in origins_of(run, pools)}
    shown = [calls.plain(run.pools[origin.pool], origin) for origin in list(distinct.values())[:CALLS]]
    rounds = calls.block(f"for _ in range({len(pools)}):", "\n".join(dict.fromkeys(shown)) or "...")
    return calls.beside(calls.block(calls.creation(pools[0]), rounds), f"once, and not {len(pools):,} times")


CALLS = 3
"""Calls that a snippet shows of a round."""
