"""The rule not-worth-it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.accounting import account
from mpdiag.model.change import Serial
from mpdiag.model.competition import slowdown
from mpdiag.model.regions import region
from mpdiag.model.serial import kept_waiting, pool_work
from mpdiag.model.sites import about_pools, origins_of, pools_by_site
from mpdiag.wording import calls, edits, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.run import Origin, Pool, Run

WORTH_SAYING = 0.97
"""Serial code would take at most this share of the pool's time: 3 % of a run is where a finding is more than a note."""
EXPLAINS = (
    "chatty-tasks",
    "oversized-argument",
    "oversized-callable",
    "oversized-result",
    "pool-churn",
    "repeated-payload",
    "slow-startup",
)
"""They explain this rule too: of two that explain each other the one that saves more stands. So this one stands where
no other makes the pool worth having."""

ALONE = 1.1
"""Up to this slowdown by other programs the savings can be compared; above, what serial code saves is exaggerated."""


class NotWorthIt(Rule):
    """Serial code would be as fast or faster.

    What it means: the pool takes longer, from its making to its end, than a plain
    loop would take for the same work in one process. The work of an item is too
    small beside the bytes that have to go to the worker and back for it.

    Why it costs: workers compute side by side, but the parent pickles every item,
    unpickles every result, and starts the workers, all by itself. Where that takes
    as long as the work, more workers cannot help, and batches only save the part
    that each message costs.

    Bad:

        with Pool() as pool:
            readings = pool.map(decode, words)

    Good:

        readings = [decode(word) for word in words]
    """

    id = "not-worth-it"
    needs = frozenset({"tasks", "pools"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each line whose pools are slower than serial code."""
        for pools in pools_by_site(run):
            taken = sum(end - start for start, end in (region(run, pool) for pool in pools))
            serial = sum(pool_work(run, pool.index).total.value for pool in pools)
            # A damaged trace may tell of tasks without items, or of no time.
            timed = taken > 0 and any(
                origin.items and len(run.tasks_by_origin[origin.index]) for origin in origins_of(run, pools)
            )
            # Tasks that were kept waiting for a core say more than the kernel's figures, and less surely: in doubt, no.
            unsure = slowdown(run, pools[0]) / kept_waiting(run, pools[0])
            if timed and serial * unsure <= WORTH_SAYING * taken:
                yield _finding(run, pools, taken, serial)


def _finding(run: Run, pools: Sequence[Pool], taken: float, serial: float) -> Finding:
    origins = origins_of(run, pools)
    pool = pools[0]
    items = sum(origin.items for origin in origins)
    useful = sum(pool_work(run, pool.index).useful.value for pool in pools)
    started = sum(account(run).pools[pool.index].seconds["startup"] for pool in pools)
    sites = {origin.site for origin in origins}
    alone = slowdown(run, pool) <= ALONE
    what = f"{len(pools):,} pools" if len(pools) > 1 else f"a pool of {pool.workers} workers"
    return Finding(
        rule=NotWorthIt.id,
        title=f"{numbers.seconds(taken)} with {what}, {numbers.seconds(serial)} in a plain loop",
        site=sites.pop() if len(sites) == 1 else pool.site,
        evidence=(
            Evidence("items", items, "count"),
            Evidence("computing, of an item", useful / items, "s"),
            Evidence("wall time with the pool, of an item", taken / items, "s"),
            Evidence("bytes to and fro, of an item", round(_bytes(origins) / items), "bytes"),
            Evidence("workers starting", started, "s"),
            Evidence("serial code to the pool", serial / taken, "ratio"),
        ),
        fix=Fix(
            "call the function in a plain loop, without a pool",
            ("A pool pays where an item is worth its way: all steps of the work in one task, or files sent by name.",),
            "\n".join(dict.fromkeys(_loop(pool, origin) for origin in origins[:CALLS])),
        ),
        change=Serial(tuple(pool.index for pool in pools)),
        confidence="high" if alone else "medium",
        explains=EXPLAINS if alone else (),
        about=about_pools(run, pools),
    )


def _bytes(origins: Sequence[Origin]) -> int:
    return sum(origin.payload_bytes + origin.result_bytes for origin in origins)


def _loop(pool: Pool, origin: Origin) -> str:
    instead = f"instead of {calls.identifier(origin.method, 'map')}()"
    written = edits.as_loop(pool, origin)
    if written:
        return calls.beside(calls.whole(written), instead)
    taken = calls.parameters(pool, origin)
    variable = "item" if taken == "item" else "arguments"
    call = f"[{calls.function_name(origin)}({taken}) for {variable} in ...]"
    return calls.beside(f"results = {call}", instead)


CALLS = 3
"""Loops that a snippet shows."""
