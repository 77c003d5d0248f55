"""The replay: the wall time the run would have had with declared changes.

Every pool's region is taken apart (``workload``), cut into messages (``messages``) that cost what the run's own tasks
say (``costs``), and scheduled (``schedule``). It is anchored twice, so that the recorded setting reproduces the
recorded wall exactly: the worker-seconds that the workers really waited, beyond what the stamped costs explain, are
charged to the parent per message (what no stamp shows: waiting for the GIL, the executor's manager thread); what then
still differs is a factor on the region. The range comes from replays with costs at their 25th and 75th percentile, each
anchored likewise, widened by the residual of the anchor.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.change import Chunk, Fewer, KeepPool, Overlap, QuickStart, Reuse, Serial, Shed
from mpdiag.model.costs import QUANTILES, alike
from mpdiag.model.messages import Setting
from mpdiag.model.pool_replay import AS_RECORDED, Alteration
from mpdiag.model.regions import length, owners, region
from mpdiag.model.relief import dialogue_s, pipeline_s, reuse_s, spared
from mpdiag.model.replica import TYPICAL, Replica
from mpdiag.model.serial import pool_work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpdiag.model.change import Change
    from mpdiag.model.run import Run

RELIEF = (1.15, 1.0, 0.75)
"""What processes outside pools may be spared, as shares of the estimate: it rests on constants, and one bottleneck."""
FLOOR = 0.05
"""The range is at least this share of the predicted difference, either way."""


@dataclass(frozen=True, slots=True)
class WhatIfResult:
    """A predicted wall time and its range, seconds: ``low <= wall_s <= high``."""

    wall_s: float
    low: float
    high: float
    residual: float = 0.0
    """The largest anchor residual of the pools that changed: |recorded / replayed - 1| before the correction."""
    rebound: bool = False
    """Another resource binds after the change than before, in a pool that changed."""


def replay(run: Run, changes: Sequence[Change]) -> WhatIfResult:
    """Replay the run with these changes together; without any, the recorded wall.

    A change of an origin or pool that the run does not have is left out.
    """
    return _replay_of(run).price(tuple(changes))


@lru_cache(maxsize=2)
def _replay_of(run: Run) -> _Replay:
    return _Replay(run)


class _Replay:
    """The replicas of a run, made when first needed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._owners = owners(run)
        groups = alike(run)
        self._group = {origin: number for number, members in enumerate(groups) for origin in members}
        self._pools_alike: dict[int, tuple[int, ...]] = {}
        kinds: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for pool in run.pools:
            kinds[pool.site, pool.kind, pool.method, pool.workers].append(pool.index)
        for members in kinds.values():
            self._pools_alike |= dict.fromkeys(members, tuple(members))
        self._replicas: dict[tuple[int, ...], Replica] = {}

    def price(self, changes: tuple[Change, ...]) -> WhatIfResult:
        """The wall with these changes."""
        wall = self._run.meta.wall_s
        alterations = self._alterations(changes)
        serial = {pool for change in changes if isinstance(change, Serial) for pool in change.pools}
        serial &= set(range(len(self._run.pools)))
        altered = {pool: alteration for pool, alteration in alterations.items() if pool not in serial}
        differences = self._differences(altered, can_lose=any(isinstance(change, Chunk) for change in changes))
        walls = [wall + difference for difference in differences]
        walls = [at + more for at, more in zip(walls, self._serial(serial), strict=True)]
        relief = self._relief(changes)
        walls = [at - relief * share for at, share in zip(walls, RELIEF, strict=True)]
        factors = [self._replica(pool).factor for pool in altered]
        return _result(wall, walls, factors, rebound=self._rebound(altered))

    def _replica(self, pool: int) -> Replica:
        members = self._pools_alike[pool]
        if members not in self._replicas:
            self._replicas[members] = Replica(self._run, members, self._group)
        return self._replicas[members]

    def _alterations(self, changes: tuple[Change, ...]) -> dict[int, Alteration]:
        """What the changes alter, by pool."""
        found: dict[int, Alteration] = {}
        for change in changes:
            if isinstance(change, Chunk | Shed):
                for pool in self._pools_sent_to(change.origin):
                    found[pool] = self._resend(found.get(pool, AS_RECORDED), change)
            elif isinstance(change, KeepPool):
                for pool in sorted(change.pools, key=lambda pool: self._run.pools[pool].created)[1:]:
                    found[pool] = replace(found.get(pool, AS_RECORDED), warm=True)
            elif isinstance(change, QuickStart):
                for pool in change.pools:
                    found[pool] = replace(found.get(pool, AS_RECORDED), startup_s=change.seconds)
            elif isinstance(change, Overlap):
                for pool in change.pools:
                    found[pool] = replace(found.get(pool, AS_RECORDED), overlapped=True)
        return self._eased(found, [change for change in changes if isinstance(change, Fewer)])

    def _eased(self, altered: dict[int, Alteration], changes: list[Fewer]) -> dict[int, Alteration]:
        """The alterations with what the tasks are spared of calling managers, of queues and of locks."""
        less = spared(self._run, changes)
        saved: dict[int, float] = defaultdict(float)
        for worker in self._run.workers:
            saved[worker.pool] += less.get(worker.process, 0.0)
        for pool, seconds in saved.items():
            if seconds > 0:
                altered[pool] = self._lighter(altered.get(pool, AS_RECORDED), pool, seconds)
        return altered

    def _lighter(self, alteration: Alteration, pool: int, seconds: float) -> Alteration:
        """The alteration with so many seconds less in a pool's tasks."""
        tasks = self._run.tasks[self._run.tasks["pool"] == pool]
        demand = float(np.nansum(tasks["weight"] * (tasks["end"] - tasks["begin"])))
        if demand <= 0:
            return alteration
        return replace(alteration, effort=max(0.0, alteration.effort - seconds / demand))

    def _relief(self, changes: tuple[Change, ...]) -> float:
        """The seconds of wall time that the processes outside pools are spared."""
        run = self._run
        fewer = [change for change in changes if isinstance(change, Fewer)]
        total = sum(reuse_s(run, change) for change in changes if isinstance(change, Reuse))
        if fewer:
            working = {worker.process for worker in run.workers}
            less = {process: spent for process, spent in spared(run, fewer).items() if process not in working}
            total += pipeline_s(run, less) + dialogue_s(run, fewer)
        return total

    def _pools_sent_to(self, origin: int) -> frozenset[int]:
        """The pools of all origins alike: whoever edits the line changes what goes to every pool made there."""
        group = self._group.get(origin)
        return frozenset(self._run.origins[other].pool for other, number in self._group.items() if number == group)

    def _resend(self, alteration: Alteration, change: Chunk | Shed) -> Alteration:
        group = self._group[change.origin]
        settings = dict(alteration.settings)
        setting = settings.get(group, Setting())
        once = alteration.once_bytes
        if isinstance(change, Chunk):
            setting = replace(setting, chunksize=max(1, change.chunksize))
        else:
            setting = setting.without(change)
            once += change.once * change.dearness
        settings[group] = setting
        return replace(alteration, settings=tuple(sorted(settings.items(), key=lambda item: item[0])), once_bytes=once)

    def _differences(self, altered: dict[int, Alteration], *, can_lose: bool) -> list[float]:
        """The seconds by which the wall differs at each quantile.

        Pools that were active one after the other add up. Of pools active at the same time the last one to end decides.
        What pools inside workers save is first taken off the tasks that ran them.
        """
        altered = self._lightened(altered, can_lose=can_lose)
        totals = [0.0] * len(QUANTILES)
        for members in self._active_together:
            if not any(pool in altered for pool in members):
                continue
            ends = [region(self._run, self._run.pools[pool])[1] for pool in members]
            for place in range(len(QUANTILES)):
                moved = [
                    end + self._difference(pool, altered, place, can_lose=can_lose)
                    for pool, end in zip(members, ends, strict=True)
                ]
                totals[place] += max(moved) - max(ends)
        return totals

    def _difference(self, pool: int, altered: dict[int, Alteration], place: int, *, can_lose: bool) -> float:
        if pool not in altered:
            return 0.0
        start, end = region(self._run, self._run.pools[pool])
        difference = self._replica(pool).seconds(pool, altered[pool])[place] - (end - start)
        return difference if can_lose else min(difference, 0.0)

    def _lightened(self, altered: dict[int, Alteration], *, can_lose: bool) -> dict[int, Alteration]:
        """The alterations with what altered inner pools save taken off the work of the pools around them."""
        result = dict(altered)
        for inner, worker in self._owners.items():
            if inner not in altered:
                continue
            saved = -self._difference(inner, altered, TYPICAL, can_lose=can_lose)
            outer = self._run.workers[worker].pool
            result[outer] = self._lighter(result.get(outer, AS_RECORDED), outer, saved)
        return result

    @cached_property
    def _active_together(self) -> list[list[int]]:
        """The pools (but those inside workers) grouped by overlapping activity: first submission to last result."""
        active = []
        for pool in self._run.pools:
            if pool.index not in self._owners:
                tasks = self._run.tasks[self._run.tasks["pool"] == pool.index]
                start, end = region(self._run, pool)
                begin = float(np.fmin.reduce(tasks["submitted"], initial=end))
                last = float(np.fmax.reduce(tasks["handled"], initial=begin))
                active.append((max(begin, start), min(last, end), pool.index))
        groups: list[list[int]] = []
        until = -1.0
        for begin, last, pool_index in sorted(active):
            if groups and begin < until:
                groups[-1].append(pool_index)
            else:
                groups.append([pool_index])
            until = max(until, last)
        return groups

    def _serial(self, pools: set[int]) -> tuple[float, float, float]:
        """The seconds by which the wall differs, low to high, when the work of these pools is done in the parent."""
        taken = length(region(self._run, self._run.pools[pool]) for pool in pools if pool not in self._owners)
        totals = [pool_work(self._run, pool).total for pool in pools]
        low, value, high = (sum(getattr(total, name) for total in totals) for name in ("low", "value", "high"))
        return low - taken, value - taken, high - taken

    def _rebound(self, altered: dict[int, Alteration]) -> bool:
        return any(
            self._replica(pool).binding(pool, alteration) != self._replica(pool).binding(pool, AS_RECORDED)
            for pool, alteration in altered.items()
        )


def _result(wall: float, walls: list[float], factors: list[float], *, rebound: bool) -> WhatIfResult:
    """The typical prediction, with a range over all, widened by the anchors' residual; never negative.

    A factor of 1.5 says that a third of the recorded time is not explained by the replay. The prediction lets it shrink
    in proportion; the end of the range lets it stay as it is.
    """
    typical = max(0.0, walls[TYPICAL])
    residual = max((abs(factor - 1.0) for factor in factors), default=0.0)
    unexplained = max((1.0 - min(factor, 1.0 / factor) for factor in factors if factor > 0), default=0.0)
    margin = abs(typical - wall) * max(FLOOR, unexplained) if typical != wall else 0.0
    low, high = min(*walls, typical - margin), max(*walls, typical + margin)
    return WhatIfResult(typical, max(0.0, low), max(typical, high), residual, rebound)
