"""Comparing traces: a NaN is like any other NaN, and the bytes between fields mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.trace.records import FIELDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.trace.segment import Trace


def assert_same(one: Trace, other: Trace) -> None:
    """Assert that two traces hold the same records."""
    assert [header.raw for header in one.headers] == [header.raw for header in other.headers]
    assert dict(one.meta) == dict(other.meta)
    assert one.notes == other.notes
    for kind in FIELDS:
        assert_same_records(one.table(kind), other.table(kind))


def assert_same_records(one: NDArray[Any], other: NDArray[Any]) -> None:
    """Assert that two tables of one kind are the same."""
    assert len(one) == len(other)
    for name in one.dtype.names or ():
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
