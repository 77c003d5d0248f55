"""``multiprocessing.pool.Pool``: jobs, sending and collecting in the parent; the workers' side is ``working.py``.

Hooks sit where no exception of the user's passes through, so that no traceback shows a frame of ours: inner constructors
and thread bodies, never ``Pool.__init__`` or ``apply_async`` themselves.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter_ns

from mpdiag.probe import working
from mpdiag.probe.collecting import Collector
from mpdiag.probe.ledger import Ledger
from mpdiag.probe.parts import LARGE, Call
from mpdiag.probe.sampling import INDEX_FACTOR, JOB_FACTOR, MASK
from mpdiag.probe.sending import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from mpdiag.probe.session import Session


def install(module: ModuleType, session: Session) -> None:
    """Patch ``multiprocessing.pool``."""
    Pools(module, session)


class Pools:
    """The pools of this process, by the identity of the result cache that all parts of a pool share."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        """Patch ``module`` and register the worker's overlay."""
        self.module: Any = module
        self.session = session
        self.ledgers: dict[int, Ledger] = {}
        self.settings: dict[int, tuple[int, str, Any]] = {}
        session.children.append(self._forget)
        session.targets.append((self.module.worker, self._overlay))
        replace = session.patches.replace
        replace(self.module._PoolCache, "__init__", self._cache_init)
        replace(self.module.ApplyResult, "__init__", self._result_init)
        replace(self.module.IMapIterator, "__init__", self._result_init)
        replace(self.module.MapResult, "__init__", self._map_init)
        replace(self.module.Pool, "_handle_tasks", self._handle_tasks)
        replace(self.module.Pool, "_handle_results", self._handle_results)
        replace(self.module.Pool, "_terminate_pool", self._terminate_pool)

    def _forget(self) -> None:
        self.ledgers.clear()
        self.settings.clear()

    def _overlay(self, process: Any) -> None:
        incoming, outgoing = process._args[:2]
        working.overlay(self.session, incoming, outgoing, working.POOL)

    def _cache_init(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(cache: Any, /, *args: Any, **kwds: Any) -> None:
            original(cache, *args, **kwds)
            try:
                self._begin(cache, sys._getframe(1))
            except Exception as error:  # noqa: BLE001
                self.session.fail("pool creation", error)

        return __init__

    def _begin(self, cache: Any, frame: Any) -> None:
        pool = frame.f_locals.get("self")
        reader = getattr(getattr(pool, "_inqueue", None), "_reader", None)
        self.ledgers.pop(id(cache), None)  # an earlier pool's, at the same address
        if reader is None:
            return  # a ThreadPool: nothing is pickled
        maxtasks = frame.f_locals.get("maxtasksperchild") or 0
        initializer = frame.f_locals.get("initializer")
        ledger = Ledger(self.session, os.fstat(reader.fileno()).st_ino, frame)
        self.ledgers[id(cache)] = ledger
        self.settings[id(cache)] = (maxtasks, pool._ctx.get_start_method(), initializer)

    def _result_init(self, original: Callable[..., None]) -> Callable[..., None]:
        ledgers, fail = self.ledgers, self.session.fail
        getframe = sys._getframe

        def __init__(result: Any, pool: Any, *args: Any, **kwds: Any) -> None:
            original(result, pool, *args, **kwds)
            try:
                ledger = ledgers.get(id(pool._cache))
                if ledger is not None:
                    ledger.submitted(result._job, getframe(1))
            except Exception as error:  # noqa: BLE001
                fail("pool submission", error)

        return __init__

    def _map_init(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(result: Any, pool: Any, chunksize: int, length: int, *args: Any, **kwds: Any) -> None:
            original(result, pool, chunksize, length, *args, **kwds)
            try:
                ledger = self.ledgers.get(id(pool._cache))
                if ledger is not None:
                    ledger.sized[result._job] = (length, chunksize)
            except Exception as error:  # noqa: BLE001
                self.session.fail("pool submission", error)

        return __init__

    def _handle_tasks(self, original: Callable[..., None]) -> Callable[..., None]:
        def _handle_tasks(taskqueue: Any, put: Any, outqueue: Any, pool: Any, cache: Any) -> None:
            try:
                ledger = self.ledgers.get(id(cache))
                if ledger is not None:
                    ledger.opened(len(pool), *self.settings[id(cache)])
                    put = self._counting_put(ledger, put)
            except Exception as error:  # noqa: BLE001
                self.session.fail("pool task handler", error)
            original(taskqueue, put, outqueue, pool, cache)

        return _handle_tasks

    def _handle_results(self, original: Callable[..., None]) -> Callable[..., None]:
        def _handle_results(outqueue: Any, get: Any, cache: Any) -> None:
            ledger = self.ledgers.get(id(cache))
            try:
                if ledger is not None:
                    get = self._counting_get(ledger, get, cache)
            except Exception as error:  # noqa: BLE001
                self.session.fail("pool result handler", error)
            original(outqueue, get, cache)
            try:
                if ledger is not None and not ledger.ending:
                    ledger.closed(perf_counter_ns())
            except Exception as error:  # noqa: BLE001
                self.session.fail("pool end", error)

        return _handle_results

    def _terminate_pool(self, original: Callable[..., None]) -> Callable[..., None]:
        def _terminate_pool(cls: Any, *args: Any, **kwds: Any) -> None:
            begin = perf_counter_ns()
            ledger = self.ledgers.get(id(args[-1])) if args else None
            if ledger is not None:
                ledger.ending = True
            original(cls, *args, **kwds)
            try:
                if ledger is not None:
                    ledger.closed(begin)
                    self.ledgers.pop(id(args[-1]), None)
                    self.settings.pop(id(args[-1]), None)
            except Exception as error:  # noqa: BLE001
                self.session.fail("pool end", error)

        return _terminate_pool

    def _call(self, task: Any) -> Call:
        _job, _index, called, args, kwds = task
        module = self.module
        if called is module.mapstar or called is module.starmapstar:
            inner, batch = args[0]
            return Call(inner, batch, kwds, starred=called is module.starmapstar)
        return Call(called, (args,), kwds, starred=True)

    def _counting_put(self, ledger: Ledger, put: Any) -> Any:
        """``put`` of the task handler, run stage by stage; the original where it is not ``Connection.send``."""
        connection = sys.modules["multiprocessing.connection"]
        writer = getattr(put, "__self__", None)
        if type(writer) is not connection.Connection or put.__func__ is not connection._ConnectionBase.send:  # type: ignore[attr-defined]
            ledger.fail("pool with its own kind of queue", TypeError(type(writer).__qualname__))
            return put
        check_closed, check_writable, write = writer._check_closed, writer._check_writable, writer._send_bytes
        sender = Sender(ledger)
        plan, clock, fail = sender.plan, sender.clock, ledger.fail
        mapstar, starmapstar = self.module.mapstar, self.module.starmapstar
        current, words, first = -1, ledger.recorder.chunk.words, 0

        def counting_put(task: Any) -> None:
            nonlocal current, words, first
            if task is None or ledger.broken:
                put(task)
                return
            job, index, called, args, _ = task
            timed = (job * JOB_FACTOR ^ index * INDEX_FACTOR) & MASK < plan.limit
            try:
                if job != current:
                    entry = sender.switch(job, args[0][0] if called is mapstar or called is starmapstar else called)
                    current, words, first = job, entry.sent_words, entry.sent
                elif sender.gap is not None:
                    sender.close_gap()
            except Exception as error:  # noqa: BLE001
                fail("pool sending", error)
            began = clock() if timed else 0
            check_closed()
            check_writable()
            data = connection._ForkingPickler.dumps(task)  # type: ignore[attr-defined]
            dumped = clock() if timed else 0
            write(data)
            if ledger.broken:
                return
            try:
                words[first] += 1
                words[first + 1] += len(args[0][1]) if called is mapstar or called is starmapstar else 1
                size = len(data)
                words[first + 2] += size
                if timed:
                    sender.timed((began, dumped, clock()), (job, index), size, self._call(task))
                elif size >= LARGE:
                    sender.look_into(self._call(task), (job, index), size)
            except Exception as error:  # noqa: BLE001
                fail("pool sending", error)

        return counting_put

    def _counting_get(self, ledger: Ledger, get: Any, cache: Any) -> Any:
        """``get`` of the result handler, run stage by stage; the original where it is not ``Connection.recv``."""
        connection = sys.modules["multiprocessing.connection"]
        reader = getattr(get, "__self__", None)
        if type(reader) is not connection.Connection or get.__func__ is not connection._ConnectionBase.recv:  # type: ignore[attr-defined]
            ledger.fail("pool with its own kind of queue", TypeError(type(reader).__qualname__))
            return get
        check_closed, check_readable, read = reader._check_closed, reader._check_readable, reader._recv_bytes
        collector = Collector(ledger)
        plan, clock, fail, live = collector.plan, collector.clock, ledger.fail, ledger.live
        last = -1

        def counting_get() -> Any:
            nonlocal last
            if collector.opened is not None:
                collector.handled()
            if last not in cache:
                live.pop(last, None)
            check_closed()
            check_readable()
            buffer = read()
            arrived = clock()
            if arrived > plan.until:
                plan.relax(arrived)
            data = buffer.getbuffer()
            size = len(data)
            task = connection._ForkingPickler.loads(data)  # type: ignore[attr-defined]
            if task is None or ledger.broken:
                return task
            try:
                job, index, outcome = task
                entry = live.get(job)
                last = job
                if entry is not None:
                    words, first = entry.collected_words, entry.collected
                    words[first] += 1
                    words[first + 1] += size
                    if not outcome[0]:
                        words[first + 2] += 1
                    if (job * JOB_FACTOR ^ index * INDEX_FACTOR) & MASK < plan.limit:
                        collector.timed(arrived, (job, index), size, entry)
            except Exception as error:  # noqa: BLE001
                fail("pool collecting", error)
            return task

        return counting_get
