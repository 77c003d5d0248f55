"""The rule chatty-tasks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.change import Chunk
from mpdiag.model.chunking import recommended_chunksize
from mpdiag.model.costs import alike, calibrate, tasks_of
from mpdiag.model.serial import FEEDER_LOOP_S
from mpdiag.model.sites import about_origins
from mpdiag.wording import calls, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.run import Run

WORTH_BATCHING = 0.25
"""Sending a task costs at least this share of doing it: batches then save a fifth of the time that tasks take."""
FEWEST_TASKS = 100
"""Fewer cost 20 ms in all, even where a message costs 0.2 ms (an executor's, measured with tasks that do nothing)."""
ROUND_FROM = 16
"""Chunk sizes from this on are rounded down to a power of two: at most half, which then changes the wall little."""
SMALL_BYTES = 16_384
"""Smaller messages cost the same whatever is in them (30-60 us in a Pool, against 2-4 ns per byte): batching helps."""


@dataclass(frozen=True, slots=True)
class _Typical:
    """A typical task of origins alike, in seconds."""

    compute: float
    parent: float
    """The parent's part of its messages: pickling, writing, collecting."""
    worker: float
    """The worker's part: reading, unpickling, answering."""
    starved: float
    """The worker's wait for it, when it had been submitted already."""

    @property
    def message(self) -> float:
        """What sending and answering it costs: processor time, or the worker's time where it has to wait for more."""
        return self.worker + max(self.parent, self.starved)


class ChattyTasks(Rule):
    """Tasks so small that sending them costs as much as doing them.

    What it means: every item, or every few, travels to a worker in a message of its
    own, and comes back in another. The work on it takes microseconds, and so does
    each of the two messages.

    Why it costs: a message is pickled, written to a pipe, read under a lock,
    unpickled, and its result takes the same way back: 30 to 60 us in a Pool and 150
    to 200 us in a ProcessPoolExecutor, whatever is in it. One process, the parent,
    handles all of them, so that its workers wait for it. Items that travel in
    batches share one message.

    Bad:

        with Pool() as pool:
            for kind in pool.imap_unordered(classify, lines):
                kinds[kind] += 1

    Good:

        with Pool() as pool:
            for kind in pool.imap_unordered(classify, lines, chunksize=128):
                kinds[kind] += 1
    """

    id = "chatty-tasks"
    needs = frozenset({"tasks", "origins"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each call whose tasks are small and could be larger."""
        for origins in alike(run):
            tasks = sum(run.origins[index].tasks for index in origins)
            typical = _typical(run, origins)
            if tasks < FEWEST_TASKS or typical is None or typical.message < WORTH_BATCHING * typical.compute:
                continue
            largest = max(origins, key=lambda index: run.origins[index].items)
            chunksize = _round(recommended_chunksize(run, largest))
            if chunksize > run.origins[largest].items / max(1, run.origins[largest].tasks):
                yield _finding(run, origins, largest, typical, chunksize)


def _round(chunksize: int) -> int:
    """Give the power of two at or below: good chunk sizes are a wide range, and a rounder one says so."""
    return 1 << (chunksize.bit_length() - 1) if chunksize >= ROUND_FROM else chunksize


def _typical(run: Run, origins: Sequence[int]) -> _Typical | None:
    """The typical task; None where its messages are large or none was timed on both sides."""
    timed = tasks_of(run, origins)
    timed = timed[np.isfinite(timed["end"] - timed["asked"]) & np.isfinite(timed["pickled"])]
    if not len(timed):
        return None
    items, results = (np.array([np.median(timed[name])], "f8") for name in ("items", "result_bytes"))
    sent = np.array([np.median(timed["argument_bytes"] + timed["callable_bytes"])], "f8")
    if max(sent[0], results[0]) >= SMALL_BYTES:
        return None
    costs = calibrate(timed, 0.5)
    spent = {
        stage.name: float(getattr(costs, stage.name).at(items, results if stage.name in RETURNING else sent)[0])
        for stage in fields(costs)
    }
    waited = float(np.nanmedian(np.maximum(timed["pickled"] - np.fmax(timed["asked"], timed["submitted"]), 0.0)))
    if run.origins[origins[0]].method.startswith("imap") and spent["gap"] > FEEDER_LOOP_S:
        # What the program's own iterable takes is no cost of the messages: their share of the feeder's time is left.
        feeder = sum(spent[name] for name in FEEDER)
        waited *= 1.0 - (spent["gap"] - FEEDER_LOOP_S) / feeder
        spent["gap"] = FEEDER_LOOP_S
    return _Typical(
        compute=float(np.median(timed["end"] - timed["begin"])),
        parent=sum(spent[name] for name in PARENT),
        worker=sum(spent[name] for name in WORKER),
        starved=waited,
    )


FEEDER = ("gap", "pickle", "write")
PARENT = (*FEEDER, "collect", "handle")
WORKER = ("read", "unpickle", "reply_pickle", "reply")
RETURNING = frozenset({"reply_pickle", "reply", "collect", "handle"})
"""The stages of ``Costs`` that the two sides pay for a message smaller than the pipe, and those of the way back."""


def _finding(run: Run, origins: Sequence[int], largest: int, typical: _Typical, chunksize: int) -> Finding:
    origin = run.origins[largest]
    pool = run.pools[origin.pool]
    tasks = sum(run.origins[index].tasks for index in origins)
    times = typical.message / max(typical.compute, 1e-9)
    messages = -(-sum(run.origins[index].items for index in origins) // chunksize)
    return Finding(
        rule=ChattyTasks.id,
        title=f"{tasks:,} tasks of {numbers.seconds(typical.compute)} each:"
        f" sending one costs {numbers.ratio(times)} as much as doing it",
        site=origin.site,
        evidence=(
            Evidence("tasks", tasks, "count"),
            Evidence("items in a task", origin.items / max(1, origin.tasks), "count"),
            Evidence("computing, of a task", typical.compute, "s"),
            Evidence("messages, in the parent", typical.parent, "s"),
            Evidence("messages, in the worker", typical.worker, "s"),
            Evidence("worker waits for a task", typical.starved, "s"),
            Evidence("function", origin.function, "text"),
        ),
        fix=Fix(
            f"send {chunksize:,} items in one message",
            _steps(origin.method, chunksize),
            calls.beside(calls.chunked(pool, origin, chunksize), f"{messages:,} messages instead of {tasks:,}"),
        ),
        change=Chunk(largest, chunksize),
        explains=("not-worth-it",),
        about=about_origins(run, origins),
    )


def _steps(method: str, chunksize: int) -> tuple[str, ...]:
    if method not in calls.SINGLE:
        return (f"Give {method}() chunksize={chunksize}; the results are the same, an item at a time.",)
    return (
        f"Replace the calls of {method}() by one call over all items, with chunksize={chunksize}.",
        "For several arguments, use starmap() of a Pool, or map() of an executor with one iterable for each.",
        "Where each result is needed as soon as it is there, use imap_unordered() of a Pool.",
    )
