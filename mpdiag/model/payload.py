"""What large parts of messages weigh and cost: an argument, captured state or a result, over all messages of a site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.costs import alike, calibrate, tasks_of
from mpdiag.model.demand import demands
from mpdiag.model.worker_side import PIPE_BYTES

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
    sampled: bool = False
    """The content was looked at in samples: that it repeats is likely, not sure."""

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
    compute = scale * _computing_s(run, group)
    down, up = (scale * seconds for seconds in _carrying_s(timed))
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
                any(part.sampled for part in same),
            )
        )  # fmt: skip
    return sorted(found, key=lambda load: -load.task_bytes)


def _by_name(parts: Iterable[Part]) -> list[list[Part]]:
    found: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        found.setdefault((part.role, part.name), []).append(part)
    return list(found.values())


def _carrying_s(tasks: NDArray[Any]) -> tuple[float, float]:
    """Seconds of pickling, transfer and unpickling, of the timed tasks' messages to the workers and of their results.

    At what such messages typically cost: a process that lost its processor in between does not count.
    """
    costs = calibrate(tasks, 0.5)
    items, weight = tasks["items"].astype("f8"), tasks["weight"]
    sent = (tasks["argument_bytes"] + tasks["callable_bytes"]).astype("f8")
    back = tasks["result_bytes"].astype("f8")
    reading = np.where(sent > PIPE_BYTES, costs.transfer.at(items, sent), costs.read.at(items, sent))
    down = costs.pickle.at(items, sent) + reading + costs.unpickle.at(items, sent)
    up = costs.reply_pickle.at(items, back) + costs.reply.at(items, back) + costs.collect.at(items, back)
    return float(np.sum(weight * down)), float(np.sum(weight * up))


def _computing_s(run: Run, group: tuple[int, ...]) -> float:
    """Seconds that the timed tasks needed for the user's function: CPU and being blocked, not waiting for a processor.

    Tasks whose worker did not record count as much as the mean of the others.
    """
    mine = np.isin(run.tasks["origin"], group)
    cpu, blocked = demands(run)
    needed = (cpu + blocked)[mine]
    weight, known = run.tasks["weight"][mine], np.isfinite(needed)
    if not known.any():
        return 0.0
    return float(np.sum(weight[known] * needed[known]) * weight.sum() / weight[known].sum())
