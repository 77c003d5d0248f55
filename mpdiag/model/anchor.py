"""The anchor: what makes a replay reproduce the recording, so that it can be trusted with a change."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.accounting import account
from mpdiag.model.pool_replay import AS_RECORDED, ENTRIES, Anchor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mpdiag.model.costs import Costs
    from mpdiag.model.pool_replay import PoolReplay, Replayed

STEPS = 6
"""Steps of the search, each a replay: it is piecewise linear, and two or three usually do."""
CLOSE_ENOUGH = 0.005
"""The search ends when the replayed time is within this share of its aim."""
LEAST_USED, MOST_USED = 0.2, 3.0
"""How far the CPU time used may correct the stamped costs; beyond, something else used it (threads of a library)."""
MOST_OFF = 0.9
"""The anchor scales costs down by this share at most."""
UNLIMITED = 1 << 20
"""Cores for everyone."""


def anchored(replay: PoolReplay, costs: Mapping[int, Costs], used_s: float) -> Anchor:
    """Find what makes the replay of all members reproduce the recording, beginning with these costs.

    ``used_s`` are the members' CPU seconds beside start-up and the main thread's own work (NaN: unknown). Costs that
    are too high already are scaled down. Else other load on the machine is taken into account, and then the toll of
    what is not stamped.
    """
    bare = _consuming(replay, Anchor(costs), used_s)
    recorded = sum(member.seconds for member in replay.members)
    first = replay.total(bare)
    if first.seconds > recorded:
        share = _search(lambda share: replay.total(bare.times(1.0 - share)).seconds, recorded, MOST_OFF)
        return bare.times(1.0 - share)
    ledgers = [account(replay.run).pools[member.pool].seconds for member in replay.members]
    slower = _slower(replay, bare, first, ledgers) - 1.0
    if slower > 0 and replay.total(bare.under(1.0 + slower)).seconds > recorded:
        slower = _search(lambda more: replay.total(bare.under(1.0 + more)).seconds, recorded, slower)
    loaded = bare.under(1.0 + slower)
    first = replay.total(loaded)
    waited = sum(ledger["wait_task"] + ledger["transfer"] for ledger in ledgers)
    workers = sum(len(member.first) for member in replay.members) / len(replay.members)
    aim = min(recorded, first.seconds + max(0.0, waited - first.waited) / workers)
    messages = sum(s.messages * b.repeat for m in replay.members for b in m.batches for s in b.streams)
    if messages == 0 or aim <= first.seconds:
        return loaded
    toll = _search(lambda toll: replay.total(changed(loaded, toll_s=toll)).seconds, aim, recorded / messages)
    return changed(loaded, toll_s=toll)


def _consuming(replay: PoolReplay, stamped: Anchor, used: float) -> Anchor:
    """The costs of messages brought to the CPU time that was really used.

    Stamps see what is between them, and the typical message; the operating system sees all. Where more was used than
    stamped, the stamps missed it; where less, writer and reader of the stamped messages waited (for each other, a
    processor, the GIL), and will again for messages as large.
    """
    tasks = messages = 0.0
    for member in replay.members:
        for batch in member.batches:
            for stream in batch.streams:
                own = float(stream.cpu[-1])
                tasks += batch.repeat * own
                cut = replay.cut(member, stream, AS_RECORDED, stamped, ENTRIES)
                messages += batch.repeat * (float(np.sum(cut.cpu)) - own)
    if not used > 0 or messages <= 0:
        return stamped
    share = min(max((used - tasks) / messages, LEAST_USED), MOST_USED)
    return stamped.times(share) if share > 1 else changed(stamped, cpu=share)


def _slower(replay: PoolReplay, bare: Anchor, contended: Replayed, ledgers: Sequence[Mapping[str, float]]) -> float:
    """How many times slower than its CPU time the work went, beyond what these processes did to each other.

    That is other load on the machine. It slows everything down alike, and is no message's fault.
    """
    demand = sum(
        float(stream.cpu[-1] + stream.blocked[-1]) * batch.repeat
        for member in replay.members
        for batch in member.batches
        for stream in batch.streams
    )
    took = sum(ledger["compute"] for ledger in ledgers)
    alone = replay.total(bare, cores=UNLIMITED).seconds
    own = contended.seconds / alone if alone > 0 else 1.0
    return max(1.0, took / demand / own) if demand > 0 else 1.0


def _search(replayed: Callable[[float], float], aim: float, most: float) -> float:
    """The argument in [0, most] at which the monotonic function comes closest to its aim (regula falsi)."""
    low, high = 0.0, most
    at_low, at_high = replayed(low), replayed(high)
    if (at_high - aim) * (at_low - aim) > 0:
        return high if abs(at_high - aim) < abs(at_low - aim) else low
    best = (abs(at_low - aim), low)
    for step in range(STEPS):
        share = (aim - at_low) / (at_high - at_low) if at_high != at_low else 0.5
        # Every other step halves the interval: one flat end would hold the other for ever.
        point = low + (high - low) * (share if step % 2 == 0 else 0.5)
        value = replayed(point)
        best = min(best, (abs(value - aim), point))
        if best[0] <= CLOSE_ENOUGH * aim:
            break
        if (value - aim) * (at_low - aim) > 0:
            low, at_low = point, value
        else:
            high, at_high = point, value
    return best[1]
