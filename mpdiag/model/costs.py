"""What messages cost, calibrated from the run's own timed tasks: seconds as fixed + item * items + byte * bytes.

The constants below only say how a cost that was seen at one size splits into its three terms where the run itself
cannot tell (every message alike). They never add anything: a line always passes through what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.serial import feeding_gaps
from mpdiag.model.worker_side import PIPE_BYTES, between_s, split_wait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mpdiag.model.run import Run

    Floats = NDArray[np.float64]

FIXED_S = 12e-6
"""A message of no content costs at most this per stage: twice what pickling, the dearest, costs on an idle machine
(measured on CPython 3.11: ForkingPickler.dumps of a small task 5.4 us, loads 2 us, write 0.5 us)."""
ITEM_S = 0.15e-6
"""Of that, the share of each item in a chunk of small items: measured here, Pool.map of ints, chunksize 64 and 1024."""
SMALL_BYTES = 512
"""Below this a message's bytes explain nothing of its cost."""
LARGE_BYTES = 4096
"""From here on, whatever a message costs beyond the fixed part is its bytes'."""
BYTE_S = 10e-9
"""In between, no pickler is slower per byte than this (small objects take 3-20 ns); what is dearer costs per item."""
SLOW_S = 50e-6
"""What is left beyond that is noise of the machine below this, and the pickling code of a class above it."""
COPY_S = 1e-9
"""Seconds per byte of a write into a pipe with room, at most (measured: 0.16-4 ns); above it, it was blocked."""
WRITE_S = 5e-6
"""Seconds of a small write into a pipe with room, at most; above it, the writer was blocked or preempted."""
MOST_TASKS = 20_000
"""Quantiles of so many tasks are as good as those of more."""
FIT_FROM = 9
"""Fewer messages than this give no slope."""
SPREAD = 2.0
"""Sizes vary enough to fit a slope when the 90th percentile is at least so many times the 10th."""


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds of one stage of a message: ``fixed + item * items + byte * bytes``."""

    fixed: float = 0.0
    item: float = 0.0
    byte: float = 0.0

    def at(self, items: Floats, size: Floats) -> Floats:
        """The seconds of messages of so many items and bytes (arrays)."""
        return self.fixed + self.item * items + self.byte * size


@dataclass(frozen=True, slots=True)
class Costs:
    """The stages of a message, each a ``Line``.

    ``gap`` is the feeding thread's own loop; ``transfer`` holds writer and reader of a message that is larger than the
    pipe, ``read`` the reader of one that is not; ``release`` (where task and result together are that large) and
    ``loop`` (elsewhere) are the worker's after the reply; ``reply`` is the writing of the result, and holds writer and
    collector when it is large.
    """

    gap: Line
    pickle: Line
    write: Line
    read: Line
    transfer: Line
    unpickle: Line
    release: Line
    loop: Line
    reply_pickle: Line
    reply: Line
    collect: Line
    handle: Line


QUANTILES = (0.25, 0.5, 0.75)
"""Optimistic, typical, pessimistic: the quartiles and the median."""


def calibrate(tasks: NDArray[Any], quantile: float) -> Costs:
    """The costs of these timed tasks, of one origin or several alike, at a quantile of what each stage took."""
    return Stages(tasks).at(quantile)


class Stages:
    """What each stage of the timed tasks took; of very many, every n-th."""

    def __init__(self, tasks: NDArray[Any]) -> None:
        """Take the stages apart."""
        step = -(-len(tasks) // MOST_TASKS) or 1
        self._released, self._looped = (seconds[::step] for seconds in between_s(tasks))
        self._tasks = tasks[::step]
        self._reading = split_wait(self._tasks)[1]

    def at(self, quantile: float) -> Costs:
        """The costs at a quantile."""
        tasks = self._tasks
        items = tasks["items"].astype("f8")
        sent = (tasks["argument_bytes"] + tasks["callable_bytes"]).astype("f8")
        back = tasks["result_bytes"].astype("f8")
        large = sent > PIPE_BYTES
        # A reader that was asleep is woken first: that is latency, not cost, and the quickest readers show it least.
        quick = quantile / 2
        written = np.minimum(tasks["sent"] - tasks["pickled"], WRITE_S + COPY_S * sent)
        replied = tasks["replied"] - tasks["replied_from"]
        replied = np.where(back > PIPE_BYTES, replied, np.minimum(replied, WRITE_S + COPY_S * back))
        return Costs(
            gap=Line(_quantile(feeding_gaps(tasks), quick)),
            pickle=fit(items, sent, tasks["pickled"] - tasks["pickled_from"], quantile),
            write=fit(items[~large], sent[~large], written[~large], quick),
            read=fit(items[~large], sent[~large], self._reading[~large], quick),
            transfer=fit(items[large], sent[large], self._reading[large], quantile),
            unpickle=fit(items, sent, tasks["begin"] - tasks["received"], quantile),
            release=fit(items, sent + back, self._released, quantile),
            loop=Line(_quantile(self._looped, quantile)),
            reply_pickle=fit(items, back, tasks["replied_from"] - tasks["end"], quantile),
            reply=fit(items, back, replied, quantile),
            collect=fit(items, back, tasks["collected"] - tasks["arrived"], quantile),
            handle=fit(items, back, tasks["handled"] - tasks["collected"], quantile),
        )


def alike(run: Run) -> list[list[int]]:
    """Origins grouped by function, site, method and kind of pool: those of pools that were made again and again."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for origin in run.origins:
        pool = run.pools[origin.pool]
        key = (pool.kind, pool.method, origin.site, origin.function, origin.method)
        groups.setdefault(key, []).append(origin.index)
    return list(groups.values())


def tasks_of(run: Run, origins: Iterable[int]) -> NDArray[Any]:
    """The timed tasks of these origins."""
    return np.concatenate([run.tasks_by_origin[origin] for origin in origins])


def fit(items: Floats, size: Floats, seconds: Floats, quantile: float) -> Line:
    """A line through a quantile of ``seconds``; its slope over the bytes is fitted where they vary, else assumed.

    The arrays run along the messages; NaN seconds are left out; without any, the line is zero.
    """
    known = np.isfinite(seconds)
    items, size, seconds = items[known], size[known], np.maximum(seconds[known], 0.0)
    if not len(seconds):
        return Line()
    if len(seconds) >= FIT_FROM and np.quantile(size, 0.9) > SPREAD * np.quantile(size, 0.1) + SMALL_BYTES:
        byte = _slope(size, seconds, quantile)
        rest = max(0.0, _quantile(seconds - byte * size, quantile))
        return _with_items(Line(rest, 0.0, byte), float(np.median(items)))
    return split(float(np.median(items)), float(np.median(size)), _quantile(seconds, quantile))


def split(items: float, size: float, seconds: float) -> Line:
    """Split the seconds of a typical message of so many items and bytes into the three terms."""
    fixed = min(seconds, FIXED_S)
    rest = seconds - fixed
    byte = 0.0
    if size >= SMALL_BYTES:
        byte = rest / size if size >= LARGE_BYTES else min(rest / size, BYTE_S)
        rest -= byte * size
    if rest < SLOW_S:
        fixed, rest = fixed + rest, 0.0
    line = _with_items(Line(fixed, 0.0, byte), items)
    return Line(line.fixed, line.item + rest / max(items, 1.0), line.byte)


def _with_items(line: Line, items: float) -> Line:
    item = min(ITEM_S, line.fixed / 2 / max(items, 1.0))
    return Line(line.fixed - item * items, item, line.byte)


def _slope(size: Floats, seconds: Floats, quantile: float) -> float:
    """Seconds per byte through the quantiles of up to ten classes of size (least squares; never negative)."""
    edges = np.unique(np.quantile(size, np.linspace(0.0, 1.0, 11)))
    group = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, len(edges) - 2)
    points = [
        (float(np.mean(size[group == g])), _quantile(seconds[group == g], quantile), int(np.sum(group == g)))
        for g in range(len(edges) - 1)
        if np.any(group == g)
    ]
    x, y, weight = (np.array(column, "f8") for column in zip(*points, strict=True))
    # Relative errors: a cost varies in proportion to itself, and small messages must not drown.
    weight /= np.maximum(y, 1e-6) ** 2
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = float(np.sum(weight * (x - mean_x) ** 2))
    slope = float(np.sum(weight * (x - mean_x) * (y - mean_y))) / spread if spread > 0 else 0.0
    return max(0.0, slope)


def _quantile(values: Floats, quantile: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, quantile)) if len(known) else 0.0


def scaled(costs: Costs, factor: float) -> Costs:
    """Every stage of the costs times a factor."""
    lines = (getattr(costs, field.name) for field in fields(costs))
    return Costs(*(Line(line.fixed * factor, line.item * factor, line.byte * factor) for line in lines))
