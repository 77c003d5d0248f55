"""Pools and origins that one line of the program made: what a finding is about, and what changing it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.model.regions import owners

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mpdiag.model.run import Origin, Pool, Run


def pools_by_site(run: Run) -> list[tuple[Pool, ...]]:
    """The pools of the program's own processes (not of workers), grouped by what made them, in order of creation."""
    inner = owners(run)
    groups: dict[tuple[object, ...], list[Pool]] = {}
    for pool in sorted(run.pools, key=lambda pool: pool.created):
        if pool.index not in inner:
            groups.setdefault((pool.pid, pool.kind, pool.method, pool.site), []).append(pool)
    return [tuple(group) for group in groups.values()]


def origins_of(run: Run, pools: Iterable[Pool]) -> tuple[Origin, ...]:
    """The origins that sent tasks to these pools."""
    wanted = {pool.index for pool in pools}
    return tuple(origin for origin in run.origins if origin.pool in wanted)


def about_pools(run: Run, pools: Iterable[Pool]) -> tuple[tuple[str, int], ...]:
    """What a finding about these pools is about: them and all their origins."""
    pools = tuple(pools)
    found = [("pool", pool.index) for pool in pools]
    return (*found, *(("origin", origin.index) for origin in origins_of(run, pools)))


def about_origins(run: Run, origins: Iterable[int]) -> tuple[tuple[str, int], ...]:
    """What a finding about these origins is about: them and their pools."""
    origins = tuple(origins)
    pools = sorted({run.origins[origin].pool for origin in origins})
    return (*(("origin", origin) for origin in origins), *(("pool", pool) for pool in pools))
