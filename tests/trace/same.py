"""Comparing traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mpdiag.trace.records import FIELDS

if TYPE_CHECKING:
    from mpdiag.trace.segment import Trace


def assert_same(one: Trace, other: Trace, *, slots: bool = True) -> None:
    """Assert that two traces hold the same records; a NaN is like any other NaN."""
    assert [header.raw for header in one.headers] == [header.raw for header in other.headers]
    assert dict(one.meta) == dict(other.meta)
    assert one.notes == other.notes
    for kind in FIELDS:
        mine, theirs = one.table(kind), other.table(kind)
        assert len(mine) == len(theirs), kind
        for name in mine.dtype.names or ():
            if slots or name != "slot":
                np.testing.assert_array_equal(mine[name], theirs[name], err_msg=f"{kind}.{name}")
