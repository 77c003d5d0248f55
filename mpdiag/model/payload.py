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

    from mpdiag.model.run import Part, Run


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
    distinct: int
    """Different contents among those looked into."""
    task_bytes: float
    """Mean over all tasks, also those without it."""
    carry_s: float
    """Pickling, transfer and unpickling of these bytes, in all processes together."""
    compute_s: float
    """The user's function in all tasks of these origins."""
    dearness: float = 1.0
    """How many times longer than the message's average byte one of these takes to be pickled and unpickled."""
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


def _loads(run: Run, group: tuple[int, ...], parts: list[Part]) -> list[Load]:
    origins = [run.origins[index] for index in group]
    tasks, items = sum(origin.tasks for origin in origins), sum(origin.items for origin in origins)
    timed = tasks_of(run, group)
    scale = tasks / float(timed["weight"].sum()) if len(timed) else 0.0
    compute = scale * _computing_s(run, group)
    down, up = _carrying_s(timed)
    payload = sum(origin.payload_bytes for origin in origins)
    results = sum(origin.result_bytes for origin in origins)
    found = []
    for same in _by_name(parts):
        looked = sum(part.messages for part in same)
        messages = sum(part.estimated for part in same)
        typical = float(np.average([part.bytes for part in same], weights=[max(part.messages, 1) for part in same]))
        total = typical * messages
        (moving, pickling), of_bytes = (up, results) if same[0].role == "result" else (down, payload)
        dearness = _dearness(same)
        share = total / max(of_bytes, total, 1.0)
        carry = scale * (moving * share + pickling * min(1.0, dearness * share))
        found.append(
            Load(
                group, same[0].role, same[0].name, same[0].type, typical, typical * tasks / max(items, 1), messages,
                sum(part.repeats for part in same) / max(looked, 1),
                sum(part.contents or part.messages - part.repeats for part in same),
                total / max(tasks, 1), carry, compute, dearness, any(part.sampled for part in same),
            )
        )  # fmt: skip
    return sorted(found, key=lambda load: -load.task_bytes)


def _by_name(parts: Iterable[Part]) -> list[list[Part]]:
    found: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        found.setdefault((part.role, part.name), []).append(part)
    return list(found.values())


def _dearness(parts: Sequence[Part]) -> float:
    """The parts' share of the time to pickle a message over their share of its bytes; 1 where that is not known."""
    known = [part for part in parts if part.effort > 0 and part.bytes and part.payload]
    if not known:
        return 1.0
    weights = [max(part.messages, 1) for part in known]
    return float(np.average([part.effort * part.payload / part.bytes for part in known], weights=weights))


def _carrying_s(tasks: NDArray[Any]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Seconds of transfer, and of pickling and unpickling: of the timed tasks' messages to the workers, and of results.

    At what such messages typically cost: a process that lost its processor in between does not count.
    """
    costs = calibrate(tasks, 0.5)
    items, weight = tasks["items"].astype("f8"), tasks["weight"]
    sent = (tasks["argument_bytes"] + tasks["callable_bytes"]).astype("f8")
    back = tasks["result_bytes"].astype("f8")
    reading = np.where(sent > PIPE_BYTES, costs.transfer.at(items, sent), costs.read.at(items, sent))
    down = costs.pickle.at(items, sent) + costs.unpickle.at(items, sent)
    up = costs.reply_pickle.at(items, back) + costs.collect.at(items, back)
    replying = costs.reply.at(items, back)
    sums = [float(np.sum(weight * seconds)) for seconds in (reading, down, replying, up)]
    return (sums[0], sums[1]), (sums[2], sums[3])


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
