from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.model.keys import Keys
from mpdiag.model.lookup import Index, latest, paired

SMALL = st.integers(0, 5)
U4 = st.one_of(SMALL, st.integers(0, 2**32 - 1))


@settings(deadline=None)
@given(st.lists(SMALL), st.lists(st.integers(0, 8)))
def test_find_gives_the_first_place(keys: list[int], wanted: list[int]) -> None:
    found = Index(np.array(keys, "u8")).find(np.array(wanted, "u8"))
    assert found.tolist() == [keys.index(key) if key in keys else -1 for key in wanted]


@settings(deadline=None)
@given(st.lists(st.tuples(SMALL, SMALL)), st.lists(st.tuples(SMALL, SMALL)))
def test_latest_gives_the_last_one_before(offered: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> None:
    keys, times = np.array(offered, "i8").reshape(-1, 2).T
    found = latest(keys, times, *np.array(wanted, "i8").reshape(-1, 2).T)
    for (key, at), place in zip(wanted, found.tolist(), strict=True):
        fitting = [(time, index) for index, (one, time) in enumerate(offered) if one == key and time <= at]
        if fitting:
            assert offered[place] == (key, max(fitting)[0])
        else:
            assert place == -1


def test_pairs_are_unique() -> None:
    high, low = np.array([1, 0, 2**32 - 1], "u4"), np.array([0, 1, 2**32 - 1], "u4")
    assert paired(high, low).tolist() == [1 << 32, 1, 2**64 - 1]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**20), U4, U4)), st.lists(st.tuples(SMALL, U4, U4)))
def test_keys_sort_like_what_they_stand_for(one: list[tuple[int, int, int]], other: list[tuple[int, int, int]]) -> None:
    tables = []
    for rows in (one, other):
        pool, job, index = np.array(rows, "i8").reshape(-1, 3).T
        tables.append((pool, job.astype("u4"), index.astype("u4")))
    keys = Keys(tables)
    numbers = [*keys.of(tables[0]).tolist(), *keys.of(tables[1]).tolist()]
    together = [*one, *other]
    order = sorted(range(len(together)), key=numbers.__getitem__)
    assert [together[place] for place in order] == sorted(together)
    assert len(set(numbers)) == len(set(together))
