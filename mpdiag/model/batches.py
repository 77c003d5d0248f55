"""A pool's tasks as batches of items, with their demands: a form that can be cut into other messages.

A *batch* begins when the main thread submits while nothing of the pool is outstanding; the seconds before that are its
*think time*. Within a batch, the items of an origin form a *stream*: cumulative demands along the items, from which the
messages of any chunk size follow by interpolation. Timed tasks stand for untimed ones by their weight, and thousands of
batches alike by a few of them: the size is bounded whatever the run's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.demand import demands
from mpdiag.model.serial import produce_s
from mpdiag.model.worker_side import SEVERAL, whole_pools, worker_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.run import Origin, Run

    Floats = NDArray[np.float64]

BATCHES = 60
"""At most so many batches of a pool are replayed; each then stands for several."""
SEQUENTIAL = 1.5
"""Calls of single items with fewer than this many outstanding on average (Little's law) were made one by one."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The items of one origin in one batch; the curves are cumulative along ``items`` (first entry 0)."""

    origin: int
    messages: float
    """Messages as recorded."""
    jobs: float
    """Map-like calls among them; a chunk never spans two."""
    exact: bool
    """Every message was timed: ``edges`` are the recorded messages."""
    edges: Floats
    """Item numbers at which the curves are known."""
    cpu: Floats
    blocked: Floats
    argument: Floats
    """Bytes, without the callable."""
    result: Floats
    callable_bytes: float
    """Per message."""
    span_s: float
    """Seconds from the first submission of the batch to the last."""
    produce_s: float
    """Per item, in the feeding thread."""

    @property
    def items(self) -> float:
        """The items of the stream."""
        return float(self.edges[-1])


@dataclass(frozen=True, slots=True)
class Batch:
    """Streams submitted together, ``think_s`` after everything before was handed over; it stands for ``repeat``."""

    think_s: float
    streams: tuple[Stream, ...]
    repeat: float = 1.0


def handled_s(tasks: NDArray[Any]) -> Floats:
    """When each result was handed over; where that was not recorded, when it was written."""
    handled: Floats = np.where(np.isfinite(tasks["handled"]), tasks["handled"], tasks["replied"])
    return handled


def batches(run: Run, tasks: NDArray[Any], ready: float) -> list[Batch]:
    """The batches of one pool's timed tasks; ``ready`` is when the pool was, in seconds of the run."""
    handled = handled_s(tasks)
    weights = _weights(run, tasks)
    # Of a task that its worker alone timed nobody may know where it was submitted.
    known = np.isfinite(handled) & (weights > 0) & (tasks["origin"] >= 0)
    if not known.any():
        return []
    order = np.flatnonzero(known)
    order = order[np.lexsort((tasks["index"][order], tasks["job"][order]))]
    at = _submissions(tasks[order], ready)
    order, at = order[np.argsort(at, kind="stable")], np.sort(at, kind="stable")
    tasks, handled, submitted = _completed(run, tasks[order], weights[order]), handled[order], at
    done = np.maximum.accumulate(handled)
    breaks = np.flatnonzero(submitted[1:] >= done[:-1]) + 1
    sampled = bool(tasks["weight"].max() >= SEVERAL or not np.isfinite(tasks["submitted"]).all())
    one_by_one = sampled and _one_by_one(run, tasks, handled)
    if one_by_one:
        breaks = np.arange(1, len(tasks))
    elif sampled:
        # What was not timed may have been outstanding: only another map-like call of the origin's is a new batch.
        lengths = np.array([origin.tasks / max(1, origin.jobs) for origin in run.origins])
        breaks = breaks[lengths[tasks["origin"][breaks]] > SEQUENTIAL]
    edges = np.concatenate(([0], breaks, [len(tasks)]))
    starts, before = edges[:-1], np.concatenate(([ready], done[breaks - 1]))
    thinks = np.maximum(submitted[starts] - before, 0.0)
    if one_by_one:
        thinks[1:] = _pause(tasks, handled)
    # The first is itself, as the workers start in it; of the others some stand for all.
    chosen = [0, *range(1, len(starts), -(-len(starts) // BATCHES))]
    represented = (len(starts) - 1) / max(1, len(chosen) - 1)
    cpu, blocked = (demand[run.tasks["pool"] == tasks["pool"][0]][order] for demand in demands(run))
    result = []
    for place in chosen:
        here = slice(starts[place], edges[place + 1])
        repeat = (represented if place else 1.0) * (float(tasks["weight"][here].mean()) if one_by_one else 1.0)
        streams = _streams(run, tasks[here], cpu[here], blocked[here], one_by_one=one_by_one)
        result.append(Batch(float(thinks[place]), streams, repeat))
    return _missing_jobs(run, tasks, result) if sampled and not one_by_one else result


def _weights(run: Run, tasks: NDArray[Any]) -> Floats:
    """The weights of one pool's tasks: 1 where the workers timed all, else those of tasks that both sides timed."""
    weights: Floats = tasks["weight"]
    if len(tasks) and whole_pools(run)[tasks["pool"][0]]:
        weights = worker_weights(run)[run.tasks["pool"] == tasks["pool"][0]]
    return weights


def _submissions(tasks: NDArray[Any], ready: float) -> Floats:
    """When each task was submitted; for those whose sending was not timed, like the one before in order of submission.

    Where no sending was timed, all were submitted when the pool was ready, as far as anybody knows.
    """
    known = np.flatnonzero(np.isfinite(tasks["submitted"]))
    if not len(known):
        return np.full(len(tasks), ready)
    before = known[np.maximum(np.searchsorted(known, np.arange(len(tasks)), side="right") - 1, 0)]
    submitted: Floats = tasks["submitted"][before]
    return submitted


def _completed(run: Run, tasks: NDArray[Any], weights: Floats) -> NDArray[Any]:
    """The tasks with these weights, and the callable's share of the payload where the parent did not time them."""
    tasks["weight"] = weights
    unsent = np.isnan(tasks["pickled"])
    mean = np.array([origin.callable_bytes / max(1, origin.tasks) for origin in run.origins])[tasks["origin"]]
    share = np.minimum(mean, tasks["argument_bytes"]).astype("u8")
    tasks["callable_bytes"][unsent] = share[unsent]
    tasks["argument_bytes"][unsent] -= share[unsent]
    return tasks


def _one_by_one(run: Run, tasks: NDArray[Any], handled: Floats) -> bool:
    """Whether calls of single items were made one after the other, as far as a sample tells."""
    singles = np.array([origin.tasks <= SEQUENTIAL * max(1, origin.jobs) for origin in run.origins])
    if not singles[tasks["origin"]].all():
        return False
    seen = np.isfinite(tasks["submitted"])
    if not seen.any():
        return False
    return _at_once(tasks[seen], handled[seen]) < SEQUENTIAL


def _at_once(tasks: NDArray[Any], handled: Floats) -> float:
    """How many tasks were outstanding on average, by Little's law."""
    span = float(handled.max() - tasks["submitted"].min())
    return float(np.sum(tasks["weight"] * (handled - tasks["submitted"]))) / span if span > 0 else 1.0


def outstanding(run: Run, origin: Origin) -> float | None:
    """How many tasks of an origin were submitted and not yet answered, on average; None where no task tells."""
    tasks = run.tasks_by_origin[origin.index]
    handled = handled_s(tasks)
    known = np.isfinite(tasks["submitted"]) & np.isfinite(handled) & (tasks["weight"] > 0)
    return _at_once(tasks[known], handled[known]) if known.any() else None


def _pause(tasks: NDArray[Any], handled: Floats) -> float:
    """The mean seconds between one call's result and the next call, of calls one by one of which some were timed."""
    seen = np.isfinite(tasks["submitted"])
    latency = float(np.average(handled[seen] - tasks["submitted"][seen], weights=tasks["weight"][seen]))
    total = float(tasks["weight"].sum())
    span = float(handled.max() - np.min(tasks["submitted"][seen]))
    return max(0.0, span / total - latency)


def _missing_jobs(run: Run, tasks: NDArray[Any], batches: list[Batch]) -> list[Batch]:
    """Let the batches stand for map-like calls of which no task was timed."""
    origins = np.unique(tasks["origin"])
    jobs = sum(run.origins[origin].jobs for origin in origins)
    seen = len(np.unique(tasks["job"]))
    if len(batches) <= 1 or jobs <= seen:
        return batches
    more = jobs / seen
    return [Batch(one.think_s, tuple(_fewer(s, more) for s in one.streams), one.repeat * more) for one in batches]


def _fewer(stream: Stream, times: float) -> Stream:
    """The same stream, so many times smaller."""
    edges, cpu, blocked, argument, result = (
        curve / times for curve in (stream.edges, stream.cpu, stream.blocked, stream.argument, stream.result)
    )
    return Stream(
        stream.origin, max(1.0, stream.messages / times), stream.jobs, stream.exact, edges, cpu, blocked, argument,
        result, stream.callable_bytes, stream.span_s, stream.produce_s,
    )  # fmt: skip


def _streams(run: Run, tasks: NDArray[Any], cpu: Floats, blocked: Floats, *, one_by_one: bool) -> tuple[Stream, ...]:
    return tuple(
        _stream(run, tasks[mine], cpu[mine], blocked[mine], one_by_one=one_by_one)
        for mine in (tasks["origin"] == index for index in np.unique(tasks["origin"]))
    )


def _stream(run: Run, tasks: NDArray[Any], cpu: Floats, blocked: Floats, *, one_by_one: bool) -> Stream:
    """The stream of one origin's timed tasks of one batch, in the order of sending."""
    origin = run.origins[int(tasks["origin"][0])]
    weight = np.ones(len(tasks)) if one_by_one else tasks["weight"]
    return Stream(
        origin.index,
        float(weight.sum()),
        float(len(np.unique(tasks["job"]))) if origin.jobs < origin.tasks else 1.0,
        bool(np.all(weight < SEVERAL)),
        _curve(weight * tasks["items"]),
        _curve(weight * _filled(cpu)),
        _curve(weight * _filled(blocked)),
        _curve(weight * tasks["argument_bytes"]),
        _curve(weight * tasks["result_bytes"]),
        float(np.average(tasks["callable_bytes"], weights=weight)),
        _span(tasks["submitted"]),
        _produce(run, origin.index),
    )


@lru_cache(maxsize=256)
def _produce(run: Run, origin: int) -> float:
    """Seconds per item that the iterable of an imap-like origin took."""
    what = run.origins[origin]
    return produce_s(run, what) / max(1, what.items) if what.method.startswith("imap") else 0.0


def _span(submitted: Floats) -> float:
    known = submitted[np.isfinite(submitted)]
    return float(np.ptp(known)) if len(known) else 0.0


def _filled(values: Floats) -> Floats:
    """The values with those that are unknown (a task whose worker did not record it) set to the mean of the others."""
    known = np.isfinite(values)
    return np.where(known, values, float(values[known].mean()) if known.any() else 0.0)


def _curve(steps: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(steps)))
