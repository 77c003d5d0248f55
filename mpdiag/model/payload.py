"""What large parts of messages weigh and cost: an argument, captured state or a result, over all messages of a site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.accounting import split_wait
from mpdiag.model.costs import alike, tasks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from mpdiag.model.run import Origin, Part, Run


@dataclass(frozen=True, slots=True)
class Load:
    """One part of the messages of origins alike (one site, function and method); bytes and seconds over all of them."""

    origins: tuple[int, ...]
    role: str
    name: str
    type: str
    message_bytes: float
    """In a message that carries it (median)."""
    item_bytes: float
    """The same per item of such a message."""
    messages: float
    """Messages that carry it, estimated."""
    repeats: float
    """Share of those looked into that carried content sent before."""
    task_bytes: float
    """Mean over all tasks, also those without it."""
    carry_s: float
    """Pickling, transfer and unpickling of these bytes, in all processes together."""
    compute_s: float
    """The user's function in all tasks of these origins."""

    @property
    def share(self) -> float:
        """Carrying as a share of carrying and computing; 0 when nothing was timed."""
        both = self.carry_s + self.compute_s
        return self.carry_s / both if both > 0 else 0.0


@lru_cache(maxsize=2)
def loads(run: Run) -> tuple[Load, ...]:
    """Every recorded part of large messages, the heaviest first within its origins."""
    found = []
    for group in alike(run):
        parts = [part for part in run.parts if part.origin in group]
        if parts:
            found += _loads(run, tuple(group), parts)
    return tuple(found)


def together(group: Sequence[Origin]) -> tuple[int, int]:
    """Tasks and items of origins alike."""
    return sum(origin.tasks for origin in group), sum(origin.items for origin in group)


def _loads(run: Run, group: tuple[int, ...], parts: list[Part]) -> list[Load]:
    origins = [run.origins[index] for index in group]
    tasks, items = together(origins)
    timed = tasks_of(run, group)
    scale = tasks / float(timed["weight"].sum()) if len(timed) else 0.0
    compute = scale * _weighted(timed, timed["end"] - timed["begin"])
    down, up = _down_s(timed) * scale, _up_s(timed) * scale
    payload = sum(origin.payload_bytes for origin in origins)
    results = sum(origin.result_bytes for origin in origins)
    found = []
    for same in _by_name(parts):
        looked = sum(part.messages for part in same)
        messages = sum(part.estimated for part in same)
        typical = float(np.average([part.bytes for part in same], weights=[max(part.messages, 1) for part in same]))
        total = typical * messages
        spent, of_bytes = (up, results) if same[0].role == "result" else (down, payload)
        carry = spent * total / max(of_bytes, total, 1.0)
        found.append(
            Load(
                group, same[0].role, same[0].name, same[0].type, typical, typical * tasks / max(items, 1), messages,
                sum(part.repeats for part in same) / max(looked, 1), total / max(tasks, 1), carry, compute,
            )
        )  # fmt: skip
    return sorted(found, key=lambda load: -load.task_bytes)


def _by_name(parts: Iterable[Part]) -> list[list[Part]]:
    found: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        found.setdefault((part.role, part.name), []).append(part)
    return list(found.values())


def _down_s(tasks: NDArray[Any]) -> float:
    """Seconds of pickling, transfer and unpickling of the timed tasks' messages to the workers, weighted."""
    _, reading = split_wait(tasks)
    stages = (tasks["pickled"] - tasks["pickled_from"], reading, tasks["begin"] - tasks["received"])
    return sum(_weighted(tasks, stage) for stage in stages)


def _up_s(tasks: NDArray[Any]) -> float:
    """The same of their results."""
    stages = (
        tasks["replied_from"] - tasks["end"],
        tasks["replied"] - tasks["replied_from"],
        tasks["collected"] - tasks["arrived"],
    )
    return sum(_weighted(tasks, stage) for stage in stages)


def _weighted(tasks: NDArray[Any], seconds: NDArray[np.float64]) -> float:
    """The weighted sum; tasks of which one side did not record count as much as the mean of the others."""
    known = np.isfinite(seconds)
    weight = tasks["weight"]
    if not known.any():
        return 0.0
    return float(np.sum(weight[known] * np.maximum(seconds[known], 0.0)) * weight.sum() / weight[known].sum())
