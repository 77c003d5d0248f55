"""A replica of pools alike: it replays them, anchored so that it reproduces what was recorded of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mpdiag.model.anchor import anchored
from mpdiag.model.consumption import cpu_beside_tasks_s
from mpdiag.model.costs import QUANTILES, Line, Stages, tasks_of
from mpdiag.model.pool_replay import AS_RECORDED, PoolReplay
from mpdiag.model.regions import region
from mpdiag.model.serial import pool_work
from mpdiag.model.workload import workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mpdiag.model.costs import Costs
    from mpdiag.model.pool_replay import Alteration, Replayed
    from mpdiag.model.run import Run
    from mpdiag.model.workload import Workload

MEMBERS = 12
"""Pools replayed of those alike; the others follow them in proportion."""
TYPICAL = 1
"""The index of the middle one of ``QUANTILES``."""


class Replica:
    """The replica of pools alike: same site, kind and start method."""

    def __init__(self, run: Run, pools: Sequence[int], group: Mapping[int, int]) -> None:
        """Take the pools apart and anchor their replay; ``group`` numbers the run's origins by what is alike."""
        self._kind = run.pools[pools[0]].kind
        self._recorded = {pool: _seconds(region(run, run.pools[pool])) for pool in pools}
        self._members = tuple(workload(run, run.pools[pool]) for pool in pools[:: -(-len(pools) // MEMBERS)])
        self._replay = PoolReplay(run, self._members, group)
        stages = _taken_apart(run, self._recorded, group)
        used = self._used_s(run)
        self._anchors = tuple(anchored(self._replay, self._costs(stages, quantile), used) for quantile in QUANTILES)
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
            self._known[key] = self._replay.replay(member, alteration, self._anchors[place])
        return self._known[key]

    def _used_s(self, run: Run) -> float:
        """CPU seconds of the members beside start-up and shutdown and the parent's own work.

        To create a pool and to shut it down keeps one processor busy: the parent's fork calls, the workers' ends.
        """
        own = sum(pool_work(run, pool).main + pool_work(run, pool).produce for pool in self._recorded)
        share = sum(member.seconds for member in self._members) / max(sum(self._recorded.values()), 1e-9)
        making = sum(member.create_s + member.close_s for member in self._members)
        return (cpu_beside_tasks_s(run, self._recorded) - own) * share - making

    def _costs(self, stages: Mapping[int, Stages], quantile: float) -> dict[int, Costs]:
        costs = {group: stage.at(quantile) for group, stage in stages.items()}
        if self._kind != "Pool":
            # An executor's feeder waits for the manager thread: what that costs is found by the anchor.
            costs = {group: replace(found, gap=Line()) for group, found in costs.items()}
        return costs


def _taken_apart(run: Run, pools: Mapping[int, float], group: Mapping[int, int]) -> dict[int, Stages]:
    alike: dict[int, list[int]] = {}
    for origin in run.origins:
        if origin.pool in pools:
            alike.setdefault(group[origin.index], []).append(origin.index)
    return {number: Stages(tasks_of(run, origins)) for number, origins in alike.items()}


def _seconds(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]
