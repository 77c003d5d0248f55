"""The worker's task loop: overlays on the two queues it was given, counting every task and timing the sampled ones.

``get`` and ``put`` are set on the queue instances in the worker's own process, before its loop binds them: the loop,
its frames and its tracebacks stay the program's. Each runs the stages of the queue's own method one by one, because
bytes and times lie between them.
"""

from __future__ import annotations

import os
import sys
from struct import Struct
from time import perf_counter_ns, process_time_ns, thread_time_ns

from mpdiag.probe.loading import parts
from mpdiag.probe.patch import genuine
from mpdiag.probe.sampling import FACTOR, MASK
from mpdiag.wire.format import FLAGS, FORMATS, LARGE, NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.parts import Ledger as Parts
    from mpdiag.probe.recorder import Recorder
    from mpdiag.probe.session import Session

PACK = Struct(FORMATS["work"]).pack_into
KIND = NUMBER["work"]
FAILED = FLAGS["failed"]


class Dialect:
    """How one kind of pool talks: which queue its tasks come through, and how a task's bytes are taken from it."""

    def __init__(
        self, queue: str, stages: Callable[[Any], tuple[Any, Callable[[], bytes], Any]], *, numbered: bool
    ) -> None:
        """``queue`` is the class in multiprocessing.queues; ``numbered`` tasks and results begin with job and index.

        ``stages`` gives what its ``get`` does with it: the lock, how to receive, what to release afterwards, if any.
        """
        self.queue = queue
        self.stages = stages
        self.numbered = numbered

    def fits(self, incoming: Any, outgoing: Any) -> bool:
        """Whether these are the standard library's own queues, whose stages we know."""
        queues: Any = sys.modules["multiprocessing.queues"]
        expected = getattr(queues, self.queue)
        return (
            getattr(type(incoming), "get", None) is expected.get
            and type(outgoing) is queues.SimpleQueue
            and genuine(expected.get, queues)
            and genuine(queues.SimpleQueue.put, queues)
            and hasattr(incoming, "_reader")
        )

    def result(self, item: Any) -> tuple[tuple[int, int], Any]:
        """The number of a result's task, (job, index), and its value."""
        return (item[:2], item[2][1]) if self.numbered else ((0, item.work_id), item.result)


def overlay(session: Session, incoming: Any, outgoing: Any, dialect: Dialect) -> None:
    """Make the worker of this process record what it takes from ``incoming`` and puts into ``outgoing``."""
    recorder = session.recorder
    if recorder is None or not hasattr(incoming, "_reader"):
        return
    if not dialect.fits(incoming, outgoing):
        session.fail("worker with its own kind of queue", TypeError(type(incoming).__qualname__))
        return
    channel = os.fstat(incoming._reader.fileno()).st_ino
    counters = recorder.live("worked", 0, 0, 0, 0, channel)
    if counters is not None:
        loop = Loop(session, recorder, counters)
        incoming.get = loop.getter(incoming, dialect)
        outgoing.put = loop.putter(outgoing, dialect)


class Loop:
    """One worker's loop: its counters, and the task under way if that is timed."""

    def __init__(
        self,
        session: Session,
        recorder: Recorder,
        counters: tuple[memoryview, int],
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        """Count into ``counters``, record into ``recorder``."""
        self.session = session
        self.recorder = recorder
        self.words, self.first = counters
        self.clock = clock
        self.plan = recorder.plan()
        self._parts: Parts | None = None
        self.broken = False
        self.pending: tuple[int, int, int, int, int, int, int] | None = None
        """Of the timed task under way: job, index, bytes, asked, read, unpickled, thread CPU."""

    def fail(self, error: BaseException) -> None:
        """Stop recording tasks here; the loop goes on."""
        self.session.fail("worker loop", error)
        self.broken = True

    def getter(self, queue: Any, dialect: Dialect) -> Callable[..., Any]:
        """What replaces ``queue.get``."""
        original, (lock, receive, release), numbered = queue.get, dialect.stages(queue), dialect.numbered
        clock, plan, words, first = self.clock, self.plan, self.words, self.first
        second = first + 1
        queues: Any = sys.modules["multiprocessing.queues"]
        taken = received = 0

        def get(block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - Queue.get's own
            nonlocal taken, received
            if self.broken or timeout is not None or not block:
                return original(block, timeout) if timeout is not None or not block else original()
            if not taken:
                self._begins()
            asked = clock()
            with lock:
                data = receive()
            if release is not None:
                release()
            read = clock()
            task = queues._ForkingPickler.loads(data)
            if task is None:
                return None
            try:
                if read > plan.until:
                    plan.relax(read)
                if numbered:
                    job, index = task[0], task[1]
                else:
                    job, index = 0, task.work_id
                size = len(data)
                words[first] = taken = taken + 1
                words[second] = received = received + size
                if (job + index) * FACTOR & MASK < plan.limit:
                    self.pending = (job, index, size, asked, read, clock(), thread_time_ns())
            except Exception as error:  # nothing of ours may reach the loop
                self.fail(error)
            return task

        return get

    def _begins(self) -> None:
        try:
            self.recorder.put("first", self.clock(), process_time_ns())
        except Exception as error:  # nothing of ours may reach the loop
            self.fail(error)

    def putter(self, queue: Any, dialect: Dialect) -> Callable[[Any], None]:
        """What replaces ``queue.put``."""
        original, send, lock = queue.put, queue._writer.send_bytes, _inner(queue._wlock)
        clock, words, third, fourth = self.clock, self.words, self.first + 2, self.first + 3
        numbered, record = dialect.numbered, self._record
        queues: Any = sys.modules["multiprocessing.queues"]
        ended = cpu = done = sent = 0

        def put(item: Any) -> None:
            nonlocal ended, cpu, done, sent
            if type(item) is int or self.broken:  # an executor's worker says goodbye with its pid
                original(item)
                return
            pending = self.pending
            if pending is not None and not ended:  # a result that could not be pickled comes here a second time
                cpu = thread_time_ns()
                ended = clock()
            data = queues._ForkingPickler.dumps(item)
            dumped = clock() if ended else 0
            # Counted before it goes: whoever has the result may terminate this process in the same moment.
            size = len(data)
            words[third] = done = done + 1
            words[fourth] = sent = sent + size
            if lock is None:
                send(data)
            else:
                with lock:
                    send(data)
            try:
                if pending is not None:
                    failed = not item[2][0] if numbered else item.exception is not None
                    record(pending, ended, dumped, clock(), cpu, size, FAILED if failed else 0)
                    self.pending = None
                    ended = 0
                if size >= LARGE:
                    self._look_into(*dialect.result(item), size)
            except Exception as error:  # nothing of ours may reach the loop
                self.fail(error)

        return put

    def _record(  # noqa: PLR0913, PLR0917 - positional and flat: this is the hot path
        self,
        pending: tuple[int, int, int, int, int, int, int],
        ended: int,
        dumped: int,
        written: int,
        cpu: int,
        size: int,
        flags: int,
    ) -> None:
        job, index, received, asked, read, loaded, before = pending
        plan = self.plan
        try:
            chunk, offset = self.recorder.slot()
        except IndexError:  # no room: counted there
            return
        PACK(
            chunk.buffer,
            offset,
            asked,
            read - asked,
            loaded - read,
            ended - loaded,
            dumped - ended,
            written - dumped,
            cpu - before,
            job,
            index,
            received,
            size,
            flags,
            plan.shift,
            KIND,
        )
        plan.spend(written)

    def _look_into(self, task: tuple[int, int], value: Any, size: int) -> None:
        began = self.clock()
        recorder = self.recorder
        if recorder.may_look(began):
            try:
                looking = parts()
                if self._parts is None:
                    self._parts = looking.Ledger(recorder)
                self._parts.write([looking.Part("result", "return value", value)], 0.0, size, (0, *task), 1)
            except Exception as error:  # a result of an unexpected kind: the counts go on
                self.session.fail("looking into a large result", error)
            recorder.spent(self.clock() - began)


def _simple(queue: Any) -> tuple[Any, Callable[[], bytes], None]:
    return _inner(queue._rlock), queue._reader.recv_bytes, None


def _bounded(queue: Any) -> tuple[Any, Callable[[], bytes], Callable[[], None]]:
    return _inner(queue._rlock), queue._recv_bytes, queue._sem.release


def _inner(lock: Any) -> Any:
    """The semaphore inside a standard lock, which does all that ``with`` does; what somebody has changed as it is."""
    synchronize: Any = sys.modules.get("multiprocessing.synchronize")
    if synchronize is None or type(lock) is not synchronize.Lock:
        return lock
    kept = all(genuine(getattr(type(lock), name), synchronize) for name in ("__enter__", "__exit__"))
    return lock._semlock if kept else lock


POOL = Dialect("SimpleQueue", _simple, numbered=True)
EXECUTOR = Dialect("Queue", _bounded, numbered=False)
