"""What lines do with queues, pipes, managers and locks, added up over processes: what the rules about them look at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from mpdiag.model.stages import CHANNELS, stages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mpdiag.model.run import LockUse, Run, Site, Use

CONNECT = "connect"
"""The operation of a proxy's connecting to its manager, which is no call."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One line's uses of one kind of object, in all processes; ``uses`` are indices into ``Run.uses``."""

    site: Site
    kind: str
    operations: tuple[str, ...]
    objects: frozenset[int]
    uses: tuple[int, ...]
    processes: frozenset[int]
    count: int
    bytes: int
    blocked_s: float


def spots(run: Run, chosen: Iterable[int]) -> list[Spot]:
    """The chosen uses (indices) by line and kind, those with the most operations first."""
    groups: dict[tuple[Site, str], list[int]] = defaultdict(list)
    for index in chosen:
        groups[run.uses[index].site, run.uses[index].kind].append(index)
    found = [_spot(run, site, kind, indices) for (site, kind), indices in groups.items()]
    return sorted(found, key=lambda spot: -spot.count)


def _spot(run: Run, site: Site, kind: str, indices: list[int]) -> Spot:
    uses = [run.uses[index] for index in indices]
    return Spot(
        site,
        kind,
        tuple(sorted({use.operation for use in uses})),
        frozenset(use.object for use in uses),
        tuple(indices),
        frozenset(use.process for use in uses),
        sum(use.count for use in uses),
        sum(use.bytes for use in uses),
        sum(use.blocked_s for use in uses),
    )


def calls_of_managers(run: Run) -> list[int]:
    """The uses (indices) that are calls of proxies."""
    return [index for index, use in enumerate(run.uses) if use.kind not in CHANNELS and use.operation != CONNECT]


def life_s(run: Run, processes: Iterable[int]) -> float:
    """Seconds that these processes (indices) were there, workers of pools among them."""
    wanted = set(processes)
    total = sum(stage.end - stage.begin for stage in stages(run) if stage.process in wanted)
    wall = run.meta.wall_s
    for worker in run.workers:
        if worker.process in wanted and isfinite(worker.launched):
            end = worker.end if isfinite(worker.end) else wall  # it is still running, as far as anybody knows
            total += max(0.0, min(end, wall) - max(worker.launched, 0.0))
    return total


def pools_of(run: Run, processes: Iterable[int]) -> tuple[int, ...]:
    """The pools (indices) whose workers these processes are."""
    wanted = set(processes)
    return tuple(sorted({worker.pool for worker in run.workers if worker.process in wanted}))


def serving_s(run: Run, spot: Spot) -> float:
    """Seconds that the manager worked on an average call of these methods; NaN where its server was not seen."""
    served = [one for one in run.served if one.object in spot.objects and one.method in spot.operations]
    calls = sum(one.calls for one in served)
    return sum(one.busy_s for one in served) / calls if calls else float("nan")


def utilisation(run: Run, spot: Spot) -> float:
    """The share of its life in which the manager of these objects worked for anybody; NaN where it was not seen."""
    servers = {one.process for one in run.served if one.object in spot.objects}
    wall = run.meta.wall_s
    lives = [run.processes[server] for server in servers]
    life = sum((end if (end := one.end) == end else wall) - one.ready for one in lives if one.ready == one.ready)
    busy = sum(one.busy_s for one in run.served if one.process in servers)
    return busy / life if life > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Holder:
    """The line that holds a lock the longest: seconds of one acquisition, and of all (estimated from the timed)."""

    site: Site
    each_s: float
    total_s: float


def holder(run: Run, objects: frozenset[int]) -> Holder | None:
    """Who holds the locks of these identities the longest; None where no hold was timed."""
    held: dict[Site, tuple[float, int, int]] = {}
    for lock in run.locks:
        if lock.object in objects and lock.timed:
            seconds, timed, acquired = held.get(lock.site, (0.0, 0, 0))
            held[lock.site] = (seconds + lock.held_s, timed + lock.timed, acquired + lock.acquired)
    found = [
        Holder(site, seconds / timed, seconds / timed * acquired) for site, (seconds, timed, acquired) in held.items()
    ]
    return max(found, key=lambda one: one.total_s, default=None)


def waiting(run: Run) -> dict[Site, list[int]]:
    """The lines (with the indices of their ``LockUse``) that acquire locks and have waited for them."""
    found: dict[Site, list[int]] = defaultdict(list)
    for index, lock in enumerate(run.locks):
        if is_mutual(lock) and lock.waited_s > 0:
            found[lock.site].append(index)
    return found


def is_mutual(lock: LockUse) -> bool:
    """Whether waiting for it is waiting for another holder, not for another process to get on."""
    return lock.operation == "acquire"


def queues(run: Run) -> dict[tuple[str, int], list[int]]:
    """The uses (indices) of every queue, by kind and identity."""
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, use in enumerate(run.uses):
        if use.kind in CHANNELS and use.kind != "Connection":
            found[use.kind, use.object].append(index)
    return found


def by_operation(run: Run, indices: Iterable[int], operation: str) -> list[Use]:
    """Those of these uses that are of one operation."""
    return [run.uses[index] for index in indices if run.uses[index].operation == operation]
