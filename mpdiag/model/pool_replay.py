"""The replay of one pool's region under given costs: its batches cut into messages and scheduled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mpdiag.model.accounting import account
from mpdiag.model.costs import scaled
from mpdiag.model.messages import MORE_TOLL_S, Setting, Tariff, cut, merged
from mpdiag.model.schedule import RESOURCES, schedule
from mpdiag.model.serial import MACHINERY_S, pool_work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mpdiag.model.accounting import Ledger
    from mpdiag.model.batches import Stream
    from mpdiag.model.costs import Costs
    from mpdiag.model.run import Run
    from mpdiag.model.schedule import Messages
    from mpdiag.model.workload import Workload

ENTRIES = 1200
"""Entries of messages scheduled in one replay of all members; beyond, one entry stands for several messages."""
STARVED = 0.10
"""The share of a worker's time that it may wait for tasks before the main thread's pace is suspected."""
WARM_TOLL_S = 200e-6
"""Of the waiting in a pool that just started, what is left per message once it runs: a round trip through every thread
and process, one at a time (measured: a synchronous apply takes 270-460 us, of which 60 are stamped). The rest was the
wait for threads and processes to come up."""
NON_BLOCKING = frozenset({"imap", "imap_unordered", "apply_async", "map_async", "starmap_async", "submit"})
"""Methods after which the main thread goes on, so that its own work lies beside the tasks. (An executor's map too.)"""


@dataclass(frozen=True, slots=True)
class Alteration:
    """What is different for one pool; ``settings`` by group of origins alike (as ``costs.alike`` numbers them)."""

    settings: tuple[tuple[int, Setting], ...] = ()
    startup_s: float | None = None
    """Launch to first task of every worker; None: as recorded."""
    warm: bool = False
    """The pool exists already: no start-up, no shutdown."""
    once_bytes: float = 0.0
    """Sent to each worker when it starts, in bytes of average dearness."""
    effort: float = 1.0
    """What the tasks demand, as a share of the recorded: below 1 where pools inside them save time."""
    overlapped: bool = False
    """All tasks are submitted at once: no batch waits for the one before."""


AS_RECORDED = Alteration()
AS_SENT = Setting()


@dataclass(frozen=True, slots=True)
class Replayed:
    """Seconds of a pool's region, worker-seconds of waiting and reading, and what bound most of it."""

    seconds: float
    waited: float
    binding: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """What makes the replay reproduce the recording, at one quantile of the costs.

    ``toll_s`` of the parent per message is not stamped; ``effort`` is what the work takes, as a multiple of its demand;
    ``cpu`` is the share of the messages' seconds that a processor was used.
    """

    costs: Mapping[int, Costs]
    toll_s: float = 0.0
    effort: float = 1.0
    cpu: float = 1.0

    def times(self, factor: float) -> Anchor:
        """The same with every cost of messages times a factor."""
        return replace(self, costs={group: scaled(costs, factor) for group, costs in self.costs.items()})

    def under(self, load: float) -> Anchor:
        """The same on a machine so many times slower."""
        return replace(self.times(load), effort=self.effort * load)


class PoolReplay:
    """Replays the regions of some pools of a run (``members``)."""

    def __init__(self, run: Run, members: Sequence[Workload], group: Mapping[int, int]) -> None:
        """Prepare; ``group`` numbers the run's origins by what is alike."""
        self.run = run
        self.members = tuple(members)
        self._group = group
        self._main = {member.pool: _main_per_item(run, member.pool) for member in members}
        self._starved = {member.pool: _starved(account(run).pools[member.pool]) for member in members}

    def replay(self, member: Workload, alteration: Alteration, anchor: Anchor, cores: int | None = None) -> Replayed:
        """Replay one pool's region, on the run's usable cores or on so many."""
        cores = cores or self.run.meta.cpus_usable
        now, close = (0.0, 0.0) if alteration.warm else (member.create_s, member.close_s)
        free = self._slots(member, alteration, anchor)
        waited = 0.0
        needs = dict.fromkeys(RESOURCES, 0.0)
        limit = max(8, ENTRIES // max(1, len(self.members) * len(member.batches)))
        if alteration.overlapped:
            return self._overlapped(member, alteration, anchor, cores)
        for place, batch in enumerate(member.batches):
            begin = now + batch.think_s
            if place == 0:
                free = [max(at, begin) for at in free]
            messages = merged([self.cut(member, stream, alteration, anchor, limit) for stream in batch.streams])
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

    def _overlapped(self, member: Workload, alteration: Alteration, anchor: Anchor, cores: int) -> Replayed:
        """All batches at once: as long as the slowest of what they need (main thread, pipe, workers, processors)."""
        anchor = replace(anchor, toll_s=min(anchor.toll_s, MORE_TOLL_S))
        free = self._slots(member, alteration, anchor)
        needs = dict.fromkeys(("parent", "workers", "cores"), 0.0)
        for batch in member.batches:
            messages = merged([self.cut(member, stream, alteration, anchor, ENTRIES) for stream in batch.streams])
            carried = float(messages.transfer.sum())
            needs["parent"] += batch.repeat * (batch.think_s + float(messages.parent.sum()))
            needs["workers"] += batch.repeat * (float(messages.read.sum() + messages.work.sum()) + carried) / len(free)
            needs["cores"] += batch.repeat * float(messages.cpu.sum()) / cores
        binding = max(needs, key=lambda name: needs[name])
        close = 0.0 if alteration.warm else member.close_s
        return Replayed(min(free) + needs[binding] + member.trail_s + close, 0.0, binding)

    def total(self, anchor: Anchor, cores: int | None = None) -> Replayed:
        """Replay all members as recorded."""
        every = [self.replay(member, AS_RECORDED, anchor, cores) for member in self.members]
        return Replayed(sum(one.seconds for one in every), sum(one.waited for one in every), "")

    def cut(self, member: Workload, stream: Stream, alteration: Alteration, anchor: Anchor, limit: int) -> Messages:
        """Cut one stream of a member into messages."""
        group = self._group[stream.origin]
        origin, kind = self.run.origins[stream.origin], self.run.pools[member.pool].kind
        per_task, per_item = MACHINERY_S.get((kind, origin.method), (0.0, 0.0))
        if origin.method in NON_BLOCKING or kind != "Pool":
            per_item += self._main[member.pool]
        toll = min(anchor.toll_s, WARM_TOLL_S) if alteration.warm else anchor.toll_s
        starved = self._starved[member.pool]
        effort = alteration.effort * anchor.effort
        tariff = Tariff(anchor.costs[group], toll, per_task, per_item, effort, anchor.cpu, starved)
        return cut(stream, dict(alteration.settings).get(group, AS_SENT), tariff, limit)

    def _slots(self, member: Workload, alteration: Alteration, anchor: Anchor) -> list[float]:
        """When each worker is ready for its first task, seconds from the pool's creation."""
        if alteration.warm:
            return [0.0] * len(member.first)
        first = list(member.first)
        if alteration.startup_s is not None:
            first = [at + alteration.startup_s for at in member.launched]
        if alteration.once_bytes and self.run.pools[member.pool].method != "fork":
            # A forked worker inherits what is sent once; any other reads and unpickles it.
            costs = next(iter(anchor.costs.values()))
            per_byte = costs.pickle.byte + costs.transfer.byte + costs.unpickle.byte
            first = [at + per_byte * alteration.once_bytes for at in first]
        return first


def _starved(ledger: Ledger) -> bool:
    """Whether a pool's workers waited for tasks, for more than ``STARVED`` of the time that they were in use."""
    used = ledger.worker_seconds - ledger.seconds["startup"] - ledger.seconds["idle"]
    return ledger.seconds["wait_task"] > STARVED * used


def _main_per_item(run: Run, pool: int) -> float:
    """The parent's own work per item, in seconds, where it lies beside the tasks."""
    items = run.pools[pool].items
    return pool_work(run, pool).main / items if items else 0.0
