"""Where the worker-seconds went: a closed ledger per pool, and of the run with the processes outside pools.

The lifetime of every worker (launched to its end, clipped to the run) is cut into activities that tile it; that of
processes which the program started itself is, too, see ``stages``:

=============  =======================================================================================================
startup        launch to the first ask for a task (the whole life of a worker that never asked)
wait_task      asked for a task until the parent began to write it, while there was something left to hand out
transfer       the rest of the reading, the writing of the result, and the pool's loop from there to the next ask
unpickle       of tasks, in the worker; also giving back the memory of large ones before asking for the next
compute        the user's function, waiting for a processor in it included; also the task that a worker died in
pickle         of results, in the worker; also giving back the memory of large ones before asking for the next task
idle           waiting before the pool's first submission, and after its last task had been taken
wait_lock      waiting for locks, in the user's function
wait_receive   waiting for messages of queues and pipes, and reading them, in the user's function
wait_send      waiting for room in them, and writing, in the user's function
manager        calls of managers' proxies, in the user's function
unaccounted    the remainder: what nobody recorded, and what is too long for a loop between two tasks
=============  =======================================================================================================

Tasks that were timed stand for those that were not (``weight``). Their weighted sums are then calibrated to the time
that the workers are known to have been busy, as survey statistics does with known totals (Deville and Särndal, 1992):
a difference within three standard errors of the sampling is laid on the activities in proportion to their sampling
variance, and a larger one is unaccounted. With every task timed the variance is 0 and nothing is adjusted. Sums
that exceed the known time are scaled down to it: no activity is ever negative, and the ledger always closes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.stages import WAITS, started, waits
from mpdiag.model.worker_side import SEVERAL, between_s, split_wait, worker_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mpdiag.model.run import Run

    Floats = NDArray[np.float64]

ACTIVITIES = (
    "compute",
    "unpickle",
    "pickle",
    "transfer",
    "wait_task",
    "wait_lock",
    "wait_receive",
    "wait_send",
    "startup",
    "manager",
    "idle",
    "unaccounted",
)
LONGEST_LOOP_S = 50e-6
"""The pool's loop from a reply to the next ask, and its recording, take a few microseconds; what is longer than this is
not explained by them."""
STANDARD_ERRORS = 3.0
"""A difference from the known total within so many standard errors is taken for the sampling's."""
TASK_ACTIVITIES = ("compute", "unpickle", "pickle", "transfer", "wait_task")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Worker-seconds by activity (every name of ``ACTIVITIES``)."""

    seconds: Mapping[str, float]

    @property
    def worker_seconds(self) -> float:
        """The workers' lifetimes: the sum of all activities."""
        return sum(self.seconds.values())

    def share(self, activity: str) -> float:
        """The activity's share of the worker-seconds; 0 when there were none."""
        total = self.worker_seconds
        return self.seconds[activity] / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class RunLedger(Ledger):
    """The ledger of a run, and of each of its pools (by index); the processes outside pools make up the difference."""

    pools: tuple[Ledger, ...] = ()


@lru_cache(maxsize=2)
def account(run: Run) -> RunLedger:
    """Account for every worker-second of the run."""
    lives = _Lives(run)
    weights = worker_weights(run)
    tasks = run.tasks[weights > 0]
    tasks["weight"] = weights[weights > 0]
    pools = [_pool_ledger(lives, tasks[tasks["pool"] == pool.index], pool.index) for pool in run.pools]
    own = [stage.seconds for stage in started(run)]
    every = [ledger.seconds for ledger in pools] + own
    total = {name: sum(seconds.get(name, 0.0) for seconds in every) for name in ACTIVITIES}
    total["compute"] += sum(seconds["wait_core"] for seconds in own)
    return RunLedger(total, tuple(pools))


class _Lives:
    """The workers' lifetimes as arrays, clipped to the run; a missing stamp falls back to the next known one."""

    def __init__(self, run: Run) -> None:
        wall = run.meta.wall_s
        workers = run.workers
        self.pool = np.array([worker.pool for worker in workers], "i8")
        launched = np.array([worker.launched for worker in workers], "f8")
        end = np.array([worker.end for worker in workers], "f8")
        first = np.array([worker.first for worker in workers], "f8")
        self.end = np.clip(np.where(np.isnan(end), wall, end), 0.0, wall)
        self.launched = np.clip(np.where(np.isnan(launched), np.fmin(first, self.end), launched), 0.0, self.end)
        self.first = np.clip(np.where(np.isnan(first), self.end, first), self.launched, self.end)
        self.done = np.array([worker.done for worker in workers], "f8")
        waited = [waits(run)[worker.process] for worker in workers]
        self.waits = {name: np.array([one[name] for one in waited], "f8") for name in WAITS}
        self.unfinished = np.array([worker.received > worker.done for worker in workers], "?")


def _pool_ledger(lives: _Lives, tasks: NDArray[Any], pool: int) -> Ledger:
    """The ledger of one pool; ``tasks`` are those of it that its workers recorded."""
    mine = np.flatnonzero(lives.pool == pool)
    seconds = dict.fromkeys(ACTIVITIES, 0.0)
    lifetime = float(np.sum(lives.end[mine] - lives.launched[mine]))
    first, end = lives.first[mine], lives.end[mine]
    seconds["startup"] = float(np.sum(first - lives.launched[mine]))
    opened = _or(np.fmin.reduce(tasks["submitted"], initial=np.nan), float(first.min()) if len(mine) else 0.0)
    busy_from = np.clip(opened, first, end)
    last_reply = _last_replies(lives, tasks, mine, busy_from)
    taken = float(np.fmax.reduce(tasks["received"], initial=opened))
    if len(tasks) and tasks["weight"].max() >= SEVERAL:
        # The true last one was probably not timed: the last reply of all less a typical task.
        taken = max(taken, float(last_reply.max()) - float(np.median(tasks["replied"] - tasks["received"])))
    unfinished = lives.unfinished[mine] & (end > last_reply)
    busy_to = np.where(unfinished, end, np.clip(taken, last_reply, end))
    seconds["idle"] = float(np.sum(busy_from - first) + np.sum(end - busy_to))
    starved = np.where(unfinished, 0.0, busy_to - last_reply)
    sums, variances = _weighted(tasks, opened)
    released, looped = between_s(tasks)
    back = tasks["result_bytes"] > tasks["argument_bytes"] + tasks["callable_bytes"]
    sums[TASK_ACTIVITIES.index("unpickle")] += float(np.nansum(released[~back]))
    sums[TASK_ACTIVITIES.index("pickle")] += float(np.nansum(released[back]))
    sums[TASK_ACTIVITIES.index("transfer")] += float(np.nansum(np.minimum(looped, LONGEST_LOOP_S)))
    _calibrate(sums, variances, float(np.sum(last_reply - busy_from)))
    seconds.update(zip(TASK_ACTIVITIES, (float(value) for value in sums), strict=True))
    seconds["wait_task"] += float(np.sum(starved))
    seconds["compute"] += float(np.sum(np.where(unfinished, end - last_reply, 0.0)))
    seconds["unaccounted"] = max(0.0, lifetime - sum(seconds.values()))
    _part(seconds, {name: float(np.sum(values[mine])) for name, values in lives.waits.items()})
    return Ledger(seconds)


def _part(seconds: dict[str, float], waited: Mapping[str, float]) -> None:
    """Take out of the computing, in place, what the user's functions waited in; threads may have waited at once."""
    total = sum(waited.values())
    share = min(1.0, seconds["compute"] / total) if total > 0 else 0.0
    for name, value in waited.items():
        seconds[name] += value * share
        seconds["compute"] = max(0.0, seconds["compute"] - value * share)


def _or(value: float, fallback: float) -> float:
    return fallback if np.isnan(value) else value


def _last_replies(lives: _Lives, tasks: NDArray[Any], mine: NDArray[np.intp], busy_from: Floats) -> Floats:
    """When each worker of a pool last answered; past the last timed task where untimed ones probably followed it."""
    last: Floats = busy_from.copy()
    for place, worker in enumerate(mine):
        own = tasks[tasks["worker"] == worker]
        if not len(own):
            continue
        final = own[np.argmax(own["replied"])]
        reply = float(final["replied"])
        untimed = min(float(final["weight"]) - 1.0, lives.done[worker] - len(own))
        if untimed > 0:
            cycle = max(0.0, reply - busy_from[place]) / float(own["weight"].sum())
            reply += untimed * cycle
        last[place] = min(max(reply, busy_from[place]), lives.end[worker])
    return last


def _weighted(tasks: NDArray[Any], opened: float) -> tuple[Floats, Floats]:
    """Weighted seconds per activity of ``TASK_ACTIVITIES``, and the sampling variance of each."""
    _, reading = split_wait(tasks)
    # What lies before the pool's first submission is idle, and known exactly.
    asked = np.maximum(tasks["asked"], opened)
    waited = np.maximum(tasks["received"] - asked - reading, 0.0)
    rows = (
        tasks["end"] - tasks["begin"],
        tasks["begin"] - tasks["received"],
        tasks["replied_from"] - tasks["end"],
        reading + tasks["replied"] - tasks["replied_from"],
        waited,
    )
    weight = tasks["weight"]
    total = float(weight.sum())
    sums = np.zeros(len(rows))
    variances = np.zeros(len(rows))
    for place, row in enumerate(rows):
        sums[place] = float(np.sum(weight * np.maximum(row, 0.0)))
        mean = sums[place] / total if total else 0.0
        variances[place] = float(np.sum(weight * np.maximum(weight - 1.0, 0.0) * (row - mean) ** 2))
    return sums, variances


def _calibrate(sums: Floats, variances: Floats, known: float) -> None:
    """Bring the sums to the known total, in place, as far as the sampling explains the difference; never above it."""
    variance = float(variances.sum())
    if variance > 0:
        limit = STANDARD_ERRORS * variance**0.5
        sums += float(np.clip(known - sums.sum(), -limit, limit)) * variances / variance
        np.maximum(sums, 0.0, out=sums)
    total = float(sums.sum())
    if total > known:
        sums *= max(known, 0.0) / total
