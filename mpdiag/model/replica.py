"""A replica of pools alike: it replays them, anchored so that it reproduces what was recorded of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.accounting import account
from mpdiag.model.consumption import cpu_beside_tasks_s
from mpdiag.model.costs import QUANTILES, Costs, Line, Stages, scaled, tasks_of
from mpdiag.model.messages import Setting, Tariff, cut, merged
from mpdiag.model.regions import region
from mpdiag.model.schedule import RESOURCES, schedule
from mpdiag.model.serial import MACHINERY_S, pool_work
from mpdiag.model.workload import workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mpdiag.model.accounting import Ledger
    from mpdiag.model.run import Run
    from mpdiag.model.schedule import Messages
    from mpdiag.model.workload import Stream, Workload

ENTRIES = 1200
"""Entries of messages scheduled in one replay of the replica; beyond, one entry stands for several messages."""
MEMBERS = 12
"""Pools replayed of those alike; the others follow them in proportion."""
STEPS = 6
"""Steps of the anchor's search, each a replay: it is piecewise linear, and two or three usually do."""
CLOSE_ENOUGH = 0.005
"""The search ends when the replayed time is within this share of its aim."""
LEAST_USED, MOST_USED = 0.2, 3.0
"""How far the CPU time used may correct the stamped costs; beyond, something else used it (threads of a library)."""
MOST_OFF = 0.9
"""The anchor scales costs down by this share at most."""
STARVED = 0.10
"""The share of a worker's time that it may wait for tasks before the main thread's pace is suspected."""
WARM_TOLL_S = 200e-6
"""Of the waiting in a pool that just started, what is left per message once it runs: a round trip through every thread
and process, one at a time (MODEL 3: a synchronous apply takes 270-460 us, of which 60 are stamped). The rest was the
wait for threads and processes to come up."""
UNLIMITED = 1 << 20
"""Cores for everyone."""
TYPICAL = 1
"""The index of the middle one of ``QUANTILES``."""
NON_BLOCKING = frozenset({"imap", "imap_unordered", "apply_async", "map_async", "starmap_async", "submit"})
"""Methods after which the main thread goes on, so that its own work lies beside the tasks. (An executor's map too.)"""


@dataclass(frozen=True, slots=True)
class Alteration:
    """What is different for one pool; ``settings`` by group of origins alike (as ``Replica.group`` numbers them)."""

    settings: tuple[tuple[int, Setting], ...] = ()
    startup_s: float | None = None
    """Launch to first task of every worker; None: as recorded."""
    warm: bool = False
    """The pool exists already: no start-up, no shutdown."""
    once_bytes: float = 0.0
    """Sent to each worker when it starts."""
    effort: float = 1.0
    """What the tasks demand, as a share of the recorded: below 1 where pools inside them save time."""


AS_RECORDED = Alteration()
AS_SENT = Setting()


@dataclass(frozen=True, slots=True)
class Replayed:
    """Seconds of a pool's region, worker-seconds of waiting and reading, and what bound most of it."""

    seconds: float
    waited: float
    binding: str


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What makes the replay reproduce the recording, at one quantile of the costs.

    ``toll_s`` of the parent per message is not stamped; ``effort`` is what the work takes, as a multiple of its demand.
    """

    costs: Mapping[int, Costs]
    toll_s: float = 0.0
    effort: float = 1.0

    def times(self, factor: float) -> _Anchor:
        """The same with every cost of messages times a factor."""
        return replace(self, costs={group: scaled(costs, factor) for group, costs in self.costs.items()})

    def under(self, load: float) -> _Anchor:
        """The same on a machine so many times slower."""
        return replace(self.times(load), effort=self.effort * load)


class Replica:
    """The replica of pools alike: same site, kind and start method."""

    def __init__(self, run: Run, pools: Sequence[int], group: Mapping[int, int]) -> None:
        """Take the pools apart and anchor their replay; ``group`` numbers the run's origins by what is alike."""
        self._run = run
        self._group = group
        self._kind = run.pools[pools[0]].kind
        step = -(-len(pools) // MEMBERS)
        self._members = tuple(workload(run, run.pools[pool]) for pool in pools[::step])
        self._recorded = {pool: _seconds(region(run, run.pools[pool])) for pool in pools}
        self._main = {member.pool: _main_per_item(run, member.pool) for member in self._members}
        self._starved = {member.pool: _starved(account(run).pools[member.pool]) for member in self._members}
        self._origins = tuple(origin for origin in run.origins if origin.pool in self._recorded)
        self._stages = self._taken_apart()
        self._anchors = tuple(self._anchored(quantile) for quantile in QUANTILES)
        self._known: dict[tuple[int, Alteration, int], Replayed] = {}

    @property
    def factor(self) -> float:
        """The correction that the typical replay needs: recorded over replayed seconds."""
        replayed = sum(self._replayed(member, AS_RECORDED, TYPICAL).seconds for member in self._members)
        recorded = sum(member.seconds for member in self._members)
        return recorded / replayed if replayed > 0 else 1.0

    def seconds(self, pool: int, alteration: Alteration) -> tuple[float, ...]:
        """The region's predicted seconds at each of ``QUANTILES``; as recorded where nothing is altered."""
        return tuple(self._recorded[pool] * self._ratio(pool, alteration, place) for place in range(len(QUANTILES)))

    def binding(self, pool: int, alteration: Alteration) -> str:
        """The resource that binds most of the region."""
        return self._replayed(self._stand_ins(pool)[0], alteration, TYPICAL).binding

    def _stand_ins(self, pool: int) -> tuple[Workload, ...]:
        """The pool itself where it is replayed, else all that are."""
        own = tuple(member for member in self._members if member.pool == pool)
        return own or self._members

    def _ratio(self, pool: int, alteration: Alteration, place: int) -> float:
        members = self._stand_ins(pool)
        before = sum(self._replayed(member, AS_RECORDED, place).seconds for member in members)
        after = sum(self._replayed(member, alteration, place).seconds for member in members)
        return after / before if before > 0 else 1.0

    def _replayed(self, member: Workload, alteration: Alteration, place: int) -> Replayed:
        """Replay one pool's region at one of the quantiles, or remember it."""
        key = (member.pool, alteration, place)
        if key not in self._known:
            self._known[key] = self._replay(member, alteration, self._anchors[place])
        return self._known[key]

    def _replay(self, member: Workload, alteration: Alteration, anchor: _Anchor, cores: int | None = None) -> Replayed:
        """Replay one pool's region, on the run's usable cores or on so many."""
        cores = cores or self._run.meta.cpus_usable
        now, close = (0.0, 0.0) if alteration.warm else (member.create_s, member.close_s)
        free = self._slots(member, alteration, anchor)
        waited = 0.0
        needs = dict.fromkeys(RESOURCES, 0.0)
        limit = max(8, ENTRIES // max(1, len(self._members) * len(member.batches)))
        for place, batch in enumerate(member.batches):
            begin = now + batch.think_s
            if place == 0:
                free = [max(at, begin) for at in free]
            messages = merged([self._cut(member, stream, alteration, anchor, limit) for stream in batch.streams])
            # Those it stands for find the workers ready.
            ready = max(begin, min(free)) - batch.think_s
            outcome = schedule(messages, begin, free, cores)
            more = (batch.repeat - 1.0) * (outcome.end - ready)
            now = outcome.end + more
            free = [at + more for at in free]
            waited += batch.repeat * outcome.waited
            for name, seconds in outcome.needs.items():
                needs[name] += batch.repeat * seconds
        return Replayed(now + member.trail_s + close, waited, max(needs, key=lambda name: needs[name]))

    def _slots(self, member: Workload, alteration: Alteration, anchor: _Anchor) -> list[float]:
        """When each worker is ready for its first task, seconds from the pool's creation."""
        if alteration.warm:
            return [0.0] * len(member.first)
        first = list(member.first)
        if alteration.startup_s is not None:
            first = [at + alteration.startup_s for at in member.launched]
        if alteration.once_bytes and self._run.pools[member.pool].method != "fork":
            # A forked worker inherits what is sent once; any other reads and unpickles it.
            costs = next(iter(anchor.costs.values()))
            per_byte = costs.pickle.byte + costs.transfer.byte + costs.unpickle.byte
            first = [at + per_byte * alteration.once_bytes for at in first]
        return first

    def _cut(self, member: Workload, stream: Stream, alteration: Alteration, anchor: _Anchor, limit: int) -> Messages:
        group = self._group[stream.origin]
        origin, kind = self._run.origins[stream.origin], self._run.pools[member.pool].kind
        per_task, per_item = MACHINERY_S.get((kind, origin.method), (0.0, 0.0))
        if origin.method in NON_BLOCKING or kind != "Pool":
            per_item += self._main[member.pool]
        toll = min(anchor.toll_s, WARM_TOLL_S) if alteration.warm else anchor.toll_s
        starved = self._starved[member.pool]
        tariff = Tariff(anchor.costs[group], toll, per_task, per_item, alteration.effort * anchor.effort, starved)
        return cut(stream, dict(alteration.settings).get(group, AS_SENT), tariff, limit)

    def _total(self, anchor: _Anchor, cores: int | None = None) -> Replayed:
        every = [self._replay(member, AS_RECORDED, anchor, cores) for member in self._members]
        return Replayed(sum(one.seconds for one in every), sum(one.waited for one in every), "")

    def _anchored(self, quantile: float) -> _Anchor:
        """Find the anchor at this quantile of the costs.

        Costs that are too high already are scaled down. Else other load on the machine is taken into account, and then
        the toll of what is not stamped.
        """
        bare = self._consuming(_Anchor(self._costs(quantile)))
        recorded = sum(member.seconds for member in self._members)
        first = self._total(bare)
        if first.seconds > recorded:
            share = self._search(lambda share: self._total(bare.times(1.0 - share)).seconds, recorded, MOST_OFF)
            return bare.times(1.0 - share)
        ledgers = [account(self._run).pools[member.pool].seconds for member in self._members]
        slower = self._slower(bare, first, ledgers) - 1.0
        if slower > 0 and self._total(bare.under(1.0 + slower)).seconds > recorded:
            slower = self._search(lambda more: self._total(bare.under(1.0 + more)).seconds, recorded, slower)
        loaded = bare.under(1.0 + slower)
        first = self._total(loaded)
        waited = sum(ledger["wait_task"] + ledger["transfer"] for ledger in ledgers)
        workers = sum(len(member.first) for member in self._members) / len(self._members)
        aim = min(recorded, first.seconds + max(0.0, waited - first.waited) / workers)
        messages = sum(s.messages * b.repeat for m in self._members for b in m.batches for s in b.streams)
        if messages == 0 or aim <= first.seconds:
            return loaded
        toll = self._search(lambda toll: self._total(replace(loaded, toll_s=toll)).seconds, aim, recorded / messages)
        return replace(loaded, toll_s=toll)

    def _consuming(self, stamped: _Anchor) -> _Anchor:
        """The costs of messages scaled to the CPU time that was really used.

        Stamps see what is between them, and the typical message; the operating system sees all.
        """
        used = cpu_beside_tasks_s(self._run, self._recorded)
        used -= sum(pool_work(self._run, pool).main + pool_work(self._run, pool).produce for pool in self._recorded)
        used *= sum(member.seconds for member in self._members) / max(sum(self._recorded.values()), 1e-9)
        tasks = messages = 0.0
        for member in self._members:
            for batch in member.batches:
                for stream in batch.streams:
                    own = float(stream.cpu[-1])
                    tasks += batch.repeat * own
                    cut = self._cut(member, stream, AS_RECORDED, stamped, ENTRIES)
                    messages += batch.repeat * (float(np.sum(cut.cpu)) - own)
        if not used > 0 or messages <= 0:
            return stamped
        return stamped.times(min(max((used - tasks) / messages, LEAST_USED), MOST_USED))

    def _slower(self, bare: _Anchor, contended: Replayed, ledgers: Sequence[Mapping[str, float]]) -> float:
        """How many times slower than its CPU time the work went, beyond what these processes did to each other.

        That is other load on the machine. It slows everything down alike, and is no message's fault.
        """
        demand = sum(
            float(stream.cpu[-1] + stream.blocked[-1]) * batch.repeat
            for member in self._members
            for batch in member.batches
            for stream in batch.streams
        )
        took = sum(ledger["compute"] for ledger in ledgers)
        alone = self._total(bare, cores=UNLIMITED).seconds
        own = contended.seconds / alone if alone > 0 else 1.0
        return max(1.0, took / demand / own) if demand > 0 else 1.0

    @staticmethod
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

    def _taken_apart(self) -> dict[int, Stages]:
        alike: dict[int, list[int]] = {}
        for origin in self._origins:
            alike.setdefault(self._group[origin.index], []).append(origin.index)
        return {group: Stages(tasks_of(self._run, origins)) for group, origins in alike.items()}

    def _costs(self, quantile: float) -> dict[int, Costs]:
        costs = {group: stages.at(quantile) for group, stages in self._stages.items()}
        if self._kind != "Pool":
            # An executor's feeder waits for the manager thread: what that costs is found by the anchor.
            costs = {group: replace(found, gap=Line()) for group, found in costs.items()}
        return costs


def _starved(ledger: Ledger) -> bool:
    """Whether a pool's workers waited for tasks, for more than ``STARVED`` of the time that they were in use."""
    used = ledger.worker_seconds - ledger.seconds["startup"] - ledger.seconds["idle"]
    return ledger.seconds["wait_task"] > STARVED * used


def _main_per_item(run: Run, pool: int) -> float:
    """The parent's own work per item, in seconds, where it lies beside the tasks."""
    items = run.pools[pool].items
    return pool_work(run, pool).main / items if items else 0.0


def _seconds(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]
