"""Times what a pool does for each task with and without the probe, inside one process and without any worker.

Started by ``events.py`` with the Python under test and the probe injected:

    sides.py EVENTS REPEATS        prints JSON: {side: [bare, probed]}, least nanoseconds of one event

Every side is the standard library's own code (``Pool._handle_tasks``, ``pool.worker``, ...) between pipes whose other
end is in this process, so that nothing but that code runs while the clock does. The bare and the probed one take turns.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
from collections import deque
from contextlib import contextmanager
from fcntl import fcntl
from importlib import import_module
from multiprocessing.connection import Pipe
from multiprocessing.reduction import ForkingPickler
from time import perf_counter_ns
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SET_PIPE_SIZE = 1031
"""F_SETPIPE_SZ (Linux): the default of 64 KiB holds no repeat."""
PIPE_BYTES = 1 << 20
CONTEXT: Any = multiprocessing.get_context("fork")
# Private parts of them are run here.
pools: Any = import_module("multiprocessing.pool")
queues: Any = import_module("multiprocessing.queues")
futures: Any = import_module("concurrent.futures.process")

Costs = dict[str, float]
"""Nanoseconds of one event, by side."""


def work(item: int) -> int:
    """Do what a worker does with an item: nothing, so that its time is all overhead."""
    return item


def session() -> Any:  # noqa: ANN401 - the probe's session, which this Python need not be able to import
    """Give the probe's session in this process; SystemExit where there is none."""
    module = sys.modules.get("mpdiag.probe.session")
    if module is None or module.current is None:
        sys.exit("sides.py: the probe did not start")
    return module.current


@contextmanager
def unpatched() -> Iterator[None]:
    """Put the standard library's originals in place for a while."""
    patched = [(owner, name, vars(owner)[name], original) for owner, name, original in session().patches._made]
    for owner, name, _, original in patched:
        setattr(owner, name, original)
    yield
    for owner, name, wrapper, _ in patched:
        setattr(owner, name, wrapper)


class Wire:
    """Both ends of a pipe in one process."""

    def __init__(self, reader: Any = None, writer: Any = None) -> None:  # noqa: ANN401
        """Join the ends of a queue's pipe, or those of a new one."""
        self.reader: Any
        self.writer: Any
        self.reader, self.writer = (reader, writer) if reader else Pipe(duplex=False)
        fcntl(self.writer.fileno(), SET_PIPE_SIZE, PIPE_BYTES)

    def load(self, messages: list[Any]) -> None:
        """Write messages as ``Connection.send`` does, without it."""
        frames = [bytes(ForkingPickler.dumps(message)) for message in messages]
        data = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
        if os.write(self.writer.fileno(), data) != len(data):
            sys.exit("sides.py: the pipe is too small for a repeat")

    def drain(self) -> None:
        """Read all that is there."""
        os.read(self.reader.fileno(), PIPE_BYTES)


class Inlet:
    """Stands for a pool's task queue: gives what ``apply_async`` and its like have put, then ends."""

    def __init__(self) -> None:
        """Begin empty."""
        self.entries: deque[Any] = deque()
        self.put = self.entries.append

    def get(self) -> Any:  # noqa: ANN401
        """Give the next submission, None when there is no more."""
        return self.entries.popleft() if self.entries else None


class PoolSides:
    """A Pool whose own threads sleep: what they run is run here."""

    def __init__(self) -> None:
        """Make a pool."""
        self.pool: Any = CONTEXT.Pool(1)
        self.inlet = self.pool._taskqueue = Inlet()
        self.tasks = Wire()
        self.results = Wire()

    def close(self) -> None:
        """End the real pool."""
        self.pool._cache.clear()
        self.pool.terminate()

    def imap(self, count: int) -> Costs:
        """Run one submission of many tasks."""
        result = self.pool.imap(work, range(count))
        send = self._send()
        collect = self._collect([(result._job, index, (True, index)) for index in range(count)])
        return {"Pool.imap send": send / count, "Pool.imap collect": collect / count}

    def apply(self, count: int) -> Costs:
        """Run many submissions of one task each."""
        begin = perf_counter_ns()
        results = [self.pool.apply_async(work, (index,)) for index in range(count)]
        submit = perf_counter_ns() - begin
        send = self._send()
        collect = self._collect([(result._job, 0, (True, 0)) for result in results])
        names = ("Pool.apply_async submit", "Pool.apply_async send", "Pool.apply_async collect")
        return {name: cost / count for name, cost in zip(names, (submit, send, collect), strict=True)}

    def _send(self) -> int:
        begin = perf_counter_ns()
        pools.Pool._handle_tasks(self.inlet, self.tasks.writer.send, Inlet(), [], self.pool._cache)
        cost = perf_counter_ns() - begin
        self.tasks.drain()
        return cost

    def _collect(self, results: list[Any]) -> int:
        self.results.load([*results, None])
        begin = perf_counter_ns()
        pools.Pool._handle_results(None, self.results.reader.recv, self.pool._cache)
        return perf_counter_ns() - begin


class ExecutorSides:
    """A ProcessPoolExecutor whose manager thread is never started and which has no worker."""

    def __init__(self) -> None:
        """Make an executor."""
        self.executor: Any = futures.ProcessPoolExecutor(1, mp_context=CONTEXT)
        self.executor._processes = {0: None}  # so that it starts no worker
        self.manager: Any = futures._ExecutorManagerThread(self.executor)
        self.executor._executor_manager_thread = self.manager
        calls, results = self.executor._call_queue, self.executor._result_queue
        self.calls = Wire(calls._reader, calls._writer)
        self.results = Wire(results._reader, results._writer)

    def run(self, count: int) -> Costs:
        """Submit, feed and collect."""
        begin = perf_counter_ns()
        ids = [self._submit(index) for index in range(count)]
        submit = perf_counter_ns() - begin
        self.executor._executor_manager_thread_wakeup.clear()
        send = self._feed([futures._CallItem(number, work, (7,), {}) for number in ids])
        self.results.load([futures._ResultItem(number, result=7) for number in ids])
        collect = self._collect(count)
        return {
            "Executor submit": submit / count,
            "Executor send": send / count,
            "Executor collect": collect / count,
        }

    def _submit(self, item: int) -> int:
        self.executor.submit(work, item)
        number: int = self.executor._work_ids.get()
        return number

    def _feed(self, items: list[Any]) -> int:
        queue = self.executor._call_queue
        ends = (queue._wlock, int, int, False, queue._on_queue_feeder_error, queue._sem)
        buffer = deque([*items, queues._sentinel])
        begin = perf_counter_ns()
        queues.Queue._feed(buffer, threading.Condition(), queue._writer.send_bytes, *ends)
        cost = perf_counter_ns() - begin
        self.calls.drain()
        return cost

    def _collect(self, count: int) -> int:
        receive, process = self.results.reader.recv, self.manager.process_result_item
        begin = perf_counter_ns()
        for _ in range(count):
            process(receive())
        return perf_counter_ns() - begin


class WorkerSides:
    """The task loops of workers."""

    def __init__(self, *, probed: bool) -> None:
        """Make the queues of a Pool's and of an executor's worker, overlaid by the probe or not."""
        self.queues: dict[str, tuple[Any, Any]] = {
            "Pool": (CONTEXT.SimpleQueue(), CONTEXT.SimpleQueue()),
            "Executor": (CONTEXT.Queue(), CONTEXT.SimpleQueue()),
        }
        self.wires: dict[str, tuple[Wire, Wire]] = {}
        targets = {"Pool": pools.worker, "Executor": futures._process_worker}
        for kind, (tasks, results) in self.queues.items():
            self.wires[kind] = (Wire(tasks._reader, tasks._writer), Wire(results._reader, results._writer))
            del tasks._writer  # pool.worker would close it
            if probed:
                overlays = [overlay for target, overlay in session().targets if target is targets[kind]]
                if not overlays:
                    sys.exit("sides.py: the probe did not install itself")
                overlays[0](SimpleNamespace(_target=targets[kind], _args=(tasks, results)))

    def pool(self, count: int) -> Costs:
        """Run ``pool.worker`` for so many tasks."""
        tasks, results = self.wires["Pool"]
        tasks.load([(1, index, work, (index,), {}) for index in range(count)])
        begin = perf_counter_ns()
        pools.worker(*self.queues["Pool"], maxtasks=count)
        cost = perf_counter_ns() - begin
        results.drain()
        return {"Pool worker": cost / count}

    def executor(self, count: int) -> Costs:
        """Run ``_process_worker`` for so many calls."""
        tasks, results = self.wires["Executor"]
        for _ in range(count + 1):
            self.queues["Executor"][0]._sem.acquire()
        tasks.load([*(futures._CallItem(index, work, (index,), {}) for index in range(count)), None])
        begin = perf_counter_ns()
        futures._process_worker(*self.queues["Executor"], None, ())
        cost = perf_counter_ns() - begin
        results.drain()
        return {"Executor worker": cost / count}


class Sides:
    """All sides, bare or probed."""

    def __init__(self, *, probed: bool) -> None:
        """Build what they need."""
        self.pool = PoolSides()
        self.executor = ExecutorSides()
        self.worker = WorkerSides(probed=probed)

    def run(self, count: int) -> Costs:
        """Give the cost of every side."""
        costs: Costs = {}
        for side in (self.pool.imap, self.pool.apply, self.worker.pool, self.executor.run, self.worker.executor):
            costs.update(side(count))
        return costs

    def close(self) -> None:
        """End what was started."""
        self.pool.close()


def measure(count: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Give the least cost of every side in ``repeats`` repeats of ``count`` events: bare, probed."""
    thread: Any = threading.current_thread()
    thread._state = pools.RUN  # as the pool's own threads have it
    with unpatched():
        bare = Sides(probed=False)
    probed = Sides(probed=True)
    least: dict[str, tuple[float, float]] = {}
    # The first repeats are those in which the sampling settles.
    for repeat in range(-(repeats // 4), repeats):
        with unpatched():
            without = bare.run(count)
        taken = probed.run(count)
        if repeat <= 0:
            least = {side: (without[side], taken[side]) for side in taken}
        least = {side: (min(was, without[side]), min(had, taken[side])) for side, (was, had) in least.items()}
    with unpatched():
        bare.close()
    probed.close()
    return least


if __name__ == "__main__":
    json.dump(measure(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
