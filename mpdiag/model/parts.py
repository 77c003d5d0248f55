"""Parts of large messages: the records of single messages, grouped by what they are a part of."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.attribution import origins_of
from mpdiag.model.lookup import paired
from mpdiag.model.run import Part
from mpdiag.wire.format import FLAGS, LARGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.lookup import Indices
    from mpdiag.model.pools import Pools
    from mpdiag.model.tasks import Tasks
    from mpdiag.trace.segment import Trace

MILLION = 1e6
RESULT = "result"
NAMES = ("role", "name", "type")


def build_parts(trace: Trace, pools: Pools, tasks: Tasks) -> tuple[tuple[Part, ...], int]:
    """Group the parts by origin, role, name and type, largest first; and count those whose origin cannot be told."""
    origin = origins_of(tasks.parts, tasks.part_rows, tasks.table, trace, pools)
    known = np.flatnonzero(origin >= 0)
    records, origin, keys = tasks.parts.table[known], origin[known], tasks.part_keys[known]
    label, labels = _labels(trace, records)
    back = np.array([role == RESULT for role, _, _ in labels], np.int64)[label]
    looked, large = _looks(origin * 2 + back, keys, pools, tasks)
    parts = []
    for members in _groups(origin * len(labels) + label):
        mine = records[members]
        place, (role, name, kind) = int(origin[members[0]]), labels[label[members[0]]]
        way = 2 * place + (role == RESULT)
        part = Part(
            origin=place,
            role=role,
            name=name,
            type=kind,
            bytes=_median(mine["bytes"]),
            payload=_median(mine["payload"]),
            messages=len(mine),
            repeats=int(np.count_nonzero(mine["flags"] & FLAGS["same"])),
            contents=len(np.unique(mine["digest"][mine["digest"] > 0])) + int(np.count_nonzero(mine["digest"] == 0)),
            effort=min(1.0, float(np.mean(mine["effort"])) / MILLION),
            sampled=bool(np.any(mine["flags"] & FLAGS["sampled"])),
            estimated=large[way] * min(1.0, len(np.unique(keys[members])) / looked[way]),
        )
        parts.append(part)
    parts.sort(key=lambda part: (part.origin, -part.bytes * part.estimated, part.role, part.name, part.type))
    return tuple(parts), len(tasks.parts.table) - len(known)


def _groups(numbers: Indices) -> list[Indices]:
    """The places of equal numbers."""
    order = np.argsort(numbers, kind="stable")
    edges = np.flatnonzero(np.diff(numbers[order], prepend=-1, append=-1))
    return [order[begin:end] for begin, end in pairwise(edges)]


def _median(values: NDArray[Any]) -> int:
    return int(np.sort(values)[len(values) // 2])


def _labels(trace: Trace, records: NDArray[Any]) -> tuple[Indices, list[tuple[str, str, str]]]:
    """Number the distinct (role, name, type): the number of every record's, and the names."""
    columns = [paired(records["segment"], records[name]) for name in NAMES]
    _, first, inverse = np.unique(np.stack(columns, 1), axis=0, return_index=True, return_inverse=True)
    numbers: dict[tuple[str, str, str], int] = {}
    code = np.zeros(len(first), np.int64)
    for place, record in enumerate(records[first]):
        role, name, kind = (trace.names.text(int(record["segment"]), int(record[field])) for field in NAMES)
        code[place] = numbers.setdefault((role, name, kind), len(numbers))
    return code[inverse.reshape(-1)], list(numbers)


def _looks(
    way: Indices, keys: NDArray[np.uint64], pools: Pools, tasks: Tasks
) -> tuple[dict[int, int], dict[int, float]]:
    """Count the messages looked into, and estimate how many are as large, by way: 2 * origin, + 1 for results.

    Not every large message is looked into: the recorder has a budget for that. The timed tasks tell how many there are.
    """
    order = np.argsort(tasks.table["origin"], kind="stable")
    edges = np.searchsorted(tasks.table["origin"][order], np.arange(len(pools.origins) + 1))
    looked: dict[int, int] = {}
    large: dict[int, float] = {}
    for members in _groups(way):
        number = int(way[members[0]])
        place, back = divmod(number, 2)
        rows = order[edges[place] : edges[place + 1]]
        timed = tasks.table[rows]
        weight = (tasks.work_weight if back else tasks.send_weight)[rows]
        size = timed["result_bytes"] if back else timed["argument_bytes"] + timed["callable_bytes"]
        whole = float(weight.sum())
        share = float(weight[size >= LARGE].sum()) / whole if whole else 1.0
        total = pools.origins[place].results if back else pools.origins[place].tasks
        looked[number] = len(np.unique(keys[members]))
        # At least those that were seen.
        large[number] = max(share * total, float(looked[number]))
    return looked, large
