"""``multiprocessing.queues``: ``Queue``, ``JoinableQueue`` and ``SimpleQueue``, on either side.

What ``Queue.put`` and ``get`` raise in the ordinary course of a program (``Full``, ``Empty``) passes through no frame
of ours: the hooks are the parts that a queue makes anew in every process, its buffer and its bound methods.
"""

from __future__ import annotations

import collections
import sys
from time import perf_counter_ns

from mpdiag.probe import piping
from mpdiag.probe.patch import genuine
from mpdiag.probe.runtimes import synchronize
from mpdiag.probe.uses import BLOCKED, BUSY, BYTES, TIMED, Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from mpdiag.probe.session import Session
    from mpdiag.probe.uses import Last

OPERATIONS = ("put", "get")
SIMPLE_DEPTH = 3
"""From ``_send_bytes`` over ``send_bytes`` and ``put`` to the user's frame."""


def install(module: ModuleType, session: Session) -> None:
    """Patch ``multiprocessing.queues``."""
    Queues(module, session)


class Queues:
    """The queues of this process."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        """Patch ``module``."""
        self.module: Any = module
        self.session = session
        replace = session.patches.replace
        replace(self.module.Queue, "_reset", self._reset)
        replace(self.module.Queue, "_finalize_join", self._finalize_join)
        replace(self.module.SimpleQueue, "__init__", self._simple_init)
        replace(self.module.SimpleQueue, "__setstate__", self._simple_setstate)

    def _reset(self, original: Callable[..., None]) -> Callable[..., None]:
        def _reset(queue: Any, *args: Any, **kwargs: Any) -> None:
            original(queue, *args, **kwargs)
            try:
                plain(queue)
                if self._counts(queue):
                    self._overlay(queue)
            except Exception as error:
                self.session.fail("queue", error)

        return _reset

    def _counts(self, queue: Any) -> bool:
        """Whether this is the program's, and works as we know it: an executor's own queue counts its tasks itself."""
        put = type(queue).put
        standard = put is self.module.Queue.put or put is self.module.JoinableQueue.put
        library = type(queue).__module__.startswith("concurrent.")
        return standard and not library and genuine(put, self.module) and self.session.recorder is not None

    def _overlay(self, queue: Any) -> None:
        session = self.session
        kind = "JoinableQueue" if isinstance(queue, self.module.JoinableQueue) else "Queue"
        identity = piping.inode(queue._reader)
        put, get = (Counter(session, kind, operation, identity) for operation in OPERATIONS)
        queue._buffer = buffer = Buffer(session, put, self.module._sentinel)
        queue._send_bytes = _sender(buffer, queue._writer.send_bytes)
        queue._on_queue_feeder_error = _onerror(buffer, queue._on_queue_feeder_error)
        queue._recv_bytes = _receiver(session, get, queue._reader.recv_bytes)
        queue._poll = piping.poller(session, queue._reader.poll, get, DEPTH)
        if queue._maxsize < sys.modules["multiprocessing.synchronize"].SEM_VALUE_MAX:
            queue._sem.acquire = _acquirer(put, queue._sem.acquire)
        _overlay_lock(queue._rlock, get)

    def _finalize_join(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def _finalize_join(reference: Any) -> None:
            # At the end of its process a queue waits until its feeder has written everything.
            began, buffer = perf_counter_ns(), None
            try:
                buffer = next(iter(getattr(reference(), "_args", ()) or ()), None)
            except Exception as error:
                self.session.fail("queue end", error)
            original(reference)
            try:
                if type(buffer) is Buffer:
                    put = buffer.counter
                    flush = Counter(self.session, put.kind, "flush", put.object)
                    words, first = self.session.uses.words(flush, put.last[5])
                    words[first] += 1
                    words[first + BLOCKED] += perf_counter_ns() - began
            except Exception as error:
                self.session.fail("queue end", error)

        return _finalize_join

    def _simple_init(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(queue: Any, *args: Any, **kwargs: Any) -> None:
            original(queue, *args, **kwargs)
            try:
                frame = sys._getframe(1)
                if frame.f_globals.get("__name__") == "multiprocessing.context" and frame.f_back is not None:
                    frame = frame.f_back
                recorder = self.session.recorder
                if recorder is not None and recorder.sites.is_users(frame):
                    self._overlay_simple(queue)
            except Exception as error:
                self.session.fail("simple queue", error)

        return __init__

    def _simple_setstate(self, original: Callable[..., None]) -> Callable[..., None]:
        def __setstate__(queue: Any, state: Any) -> None:
            original(queue, state)
            try:
                # Whose it is cannot be told yet: the worker of a pool takes the overlays of its queues off.
                if self.session.recorder is not None:
                    self._overlay_simple(queue)
            except Exception as error:
                self.session.fail("simple queue", error)

        return __setstate__

    def _overlay_simple(self, queue: Any) -> None:
        if type(queue) is not self.module.SimpleQueue:
            return
        plain(queue)
        for connection in (queue._reader, queue._writer):
            piping.overlay(self.session, connection, "SimpleQueue", OPERATIONS, SIMPLE_DEPTH)
        identity = piping.inode(queue._reader)
        for operation, lock in (("put", queue._wlock), ("get", queue._rlock)):
            if lock is not None:
                _overlay_lock(lock, Counter(self.session, "SimpleQueue", operation, identity))


def plain(queue: Any) -> None:
    """Take off what was put on the parts of a queue when it could not be told yet whose they are."""
    for name in ("_rlock", "_wlock", "_sem"):
        lock = getattr(queue, name, None)
        if lock is not None:
            synchronize.plain(lock)
    for name in ("_reader", "_writer"):
        connection = getattr(queue, name, None)
        if connection is not None:
            piping.plain(connection)


DEPTH = 2
"""From the hook over ``put`` or ``get`` to the user's frame."""


WAITED_NS = 10_000
"""A message that is there is read in less (measured: 3 to 6 us); what takes longer has waited."""


class Buffer(collections.deque):  # type: ignore[type-arg]
    """A queue's buffer: counts what ``put`` appends, and tells the feeder's send whose line that was."""

    __slots__ = ("began", "counter", "lines", "sentinel", "session", "taken")

    def __init__(self, session: Session, counter: Counter, sentinel: object) -> None:
        """Count for ``counter``; the feeder ends at ``sentinel``."""
        collections.deque.__init__(self)
        self.session = session
        self.counter = counter
        self.sentinel = sentinel
        self.lines: collections.deque[Last] = collections.deque()
        """Of what the feeder has not sent yet, the oldest first."""
        self.taken = 0
        """Items that the feeder has taken."""
        self.began = 0
        """When the feeder took the item under way; 0 where it is not timed."""

    def append(self, item: Any, push: Any = collections.deque.append, getframe: Any = sys._getframe) -> None:
        """Count and take an item, in ``put``."""
        if item is not self.sentinel:
            counter = self.counter
            last = counter.last
            try:
                frame = getframe(DEPTH)
                if frame.f_code is not last[0] or frame.f_lasti != last[1] or self.session.epoch != last[2]:
                    last = counter.find(frame)
            except ValueError:  # called by C itself, no line of the program's
                last = counter.find(None)
            last[3][last[4]] += 1
            self.lines.append(last)  # before the feeder may see the item
        push(self, item)

    def popleft(self, pop: Any = collections.deque.popleft, clock: Any = perf_counter_ns) -> Any:
        """Give the feeder the next item; IndexError when there is none."""
        item = pop(self)
        self.taken = taken = self.taken + 1
        if not taken & self.counter.mask:
            self.began = clock()
        return item

    def clear(self) -> None:
        """Forget what was put: the queue does so before its feeder starts."""
        self.lines.clear()
        collections.deque.clear(self)

    def unsent(self) -> None:
        """An item could not be pickled."""
        self.began = 0
        if self.lines:
            self.lines.popleft()


def _sender(buffer: Buffer, send: Callable[[Any], None]) -> Callable[[Any], None]:
    counter, clock, take = buffer.counter, perf_counter_ns, buffer.lines.popleft

    def send_bytes(data: Any) -> None:
        try:
            last = take()
        except IndexError:  # what is not ours put it into the buffer
            last = counter.find(None)
        # Counted before it goes: whoever has it may end this process in the same moment.
        last[3][last[4] + BYTES] += len(data)
        began = buffer.began
        if not began:
            send(data)
            return
        buffer.began = 0
        dumped = clock()
        send(data)
        now = clock()
        words, first = last[3], last[4]
        words[first + BUSY] += dumped - began
        words[first + TIMED] += 1
        counter.sample(last, now, len(data), now - dumped, dumped - began)

    return send_bytes


def _onerror(buffer: Buffer, original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def _on_queue_feeder_error(error: Any, item: Any) -> None:
        # What failed to be written is here in its pickled form, what failed to be pickled is itself.
        if type(item) is not memoryview or type(item.obj).__name__ != "_BytesIOBuffer":
            buffer.unsent()
        original(error, item)

    return _on_queue_feeder_error


def _receiver(session: Session, counter: Counter, receive: Callable[[], bytes]) -> Callable[[], bytes]:
    clock, getframe = perf_counter_ns, sys._getframe

    def recv_bytes() -> bytes:
        began = clock()
        data = receive()
        spent = clock() - began
        last = counter.last
        try:
            frame = getframe(DEPTH)
            if frame.f_code is not last[0] or frame.f_lasti != last[1] or session.epoch != last[2]:
                last = counter.find(frame)
        except ValueError:  # called by C itself, no line of the program's
            last = counter.find(None)
        words, first = last[3], last[4]
        words[first] += 1
        words[first + BYTES] += len(data)
        if spent > WAITED_NS:
            words[first + BLOCKED] += spent
        if not words[first] & counter.mask:
            counter.sample(last, began + spent, len(data), spent, 0)
        return data

    return recv_bytes


def _overlay_lock(lock: Any, counter: Counter) -> None:
    """Count waiting for a queue's own lock as waiting in ``put`` or ``get``."""
    nobody: Any = None
    gate: Any = synchronize.Gate(lock._semlock, nobody)
    gate.acquire = gate.__enter__ = gate.through = _acquirer(counter, lock._semlock.acquire)
    lock._semlock, lock.acquire = gate, gate.acquire


def _acquirer(counter: Counter, acquire: Callable[..., bool]) -> Callable[..., bool]:
    """``acquire`` of a queue's own lock or semaphore."""
    clock, getframe = perf_counter_ns, sys._getframe

    def acquire_(block: bool = True, timeout: Any = None) -> bool:  # noqa: FBT001, FBT002 - the lock's own
        if acquire(False):  # noqa: FBT003 - a keyword would cost more
            return True
        if not block:
            return False
        began = clock()
        taken = acquire(block, timeout)
        last = counter.find(getframe())  # ours, and then its callers
        last[3][last[4] + BLOCKED] += clock() - began
        return taken

    return acquire_
