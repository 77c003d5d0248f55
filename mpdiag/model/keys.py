"""One sortable number for (pool, job, index), the identity of a task in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.lookup import paired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

KEY_BITS = 64


class Keys:
    """Packs the three into a u8 that sorts like them: as they are where the bits suffice, else (pool, job) by rank."""

    def __init__(self, tables: Sequence[Columns]) -> None:
        """Prepare for the tasks of these tables of (pools, jobs, indices)."""
        largest = [max((int(table[column].max(initial=0)) for table in tables), default=0) for column in range(3)]
        bits = [value.bit_length() for value in largest]
        self._job_shift = np.uint64(bits[2])
        self._pool_shift = np.uint64(bits[1] + bits[2])
        self._pairs: NDArray[np.uint64] | None = None
        if sum(bits) > KEY_BITS:
            self._pairs = np.unique(np.concatenate([paired(pool, job) for pool, job, _ in tables]))

    def of(self, columns: Columns) -> NDArray[np.uint64]:
        """The keys of the tasks of one of the tables."""
        pool, job, index = (column.astype(np.uint64) for column in columns)
        key: NDArray[np.uint64]
        if self._pairs is None:
            key = pool << self._pool_shift | job << self._job_shift | index
        else:
            key = np.searchsorted(self._pairs, paired(pool, job)).astype(np.uint64) << self._job_shift | index
        return key
