"""Vectorised look-ups: numbers that are unique in one process only, and "the latest one before" for reused numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]

MISSING = -1
"""The index of what was not found."""


def paired(high: NDArray[Any], low: NDArray[Any]) -> NDArray[np.uint64]:
    """Two u4 numbers as one key, such as a segment and a number that is unique in it."""
    key: NDArray[np.uint64] = high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)
    return key


class Index:
    """Finds the first place of a key."""

    def __init__(self, keys: NDArray[Any]) -> None:
        """Index ``keys``, of any order."""
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def find(self, keys: NDArray[Any]) -> Indices:
        """The places of these keys, ``MISSING`` where there is none."""
        if not len(self._sorted):
            return np.full(len(keys), MISSING, np.int64)
        places = np.searchsorted(self._sorted, keys)
        places[places == len(self._sorted)] = 0
        return np.where(self._sorted[places] == keys, self._order[places], MISSING).astype(np.int64)


def latest(keys: NDArray[Any], times: NDArray[Any], wanted: NDArray[Any], at: NDArray[Any]) -> Indices:
    """For every ``wanted`` key, the place of the last equal key whose time is not after ``at``; ``MISSING`` if none.

    Numbers that are used again (process ids, above all) are told apart by time.
    """
    both = np.concatenate([keys, wanted])
    order = np.lexsort((np.arange(len(both)) >= len(keys), np.concatenate([times, at]), both))
    offered = np.where(order < len(keys), np.arange(len(both)), -1)
    before = np.maximum.accumulate(offered) if len(offered) else offered
    source = order[np.maximum(before, 0)]
    found = np.where((before >= 0) & (both[source] == both[order]), source, MISSING)
    result = np.empty(len(both), np.int64)
    result[order] = found
    return result[len(keys) :]
