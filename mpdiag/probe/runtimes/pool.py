"""``multiprocessing.pool.Pool``: jobs, sending and collecting in the parent; the workers' side is ``working.py``.

Hooks sit where no exception of the user's passes through, so that no traceback shows a frame of ours: inner
constructors and thread bodies, never ``Pool.__init__`` or ``apply_async`` themselves.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter_ns

from mpdiag.probe import collecting, dispatching, function, working
from mpdiag.probe.ledger import Ledger
from mpdiag.probe.runtimes import queues

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
        self.settings: dict[int, tuple[int, str, str]] = {}
        self.process = os.getpid()
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
        """Forget what a forked child has inherited, once it makes a pool: at the fork, freeing would be dear."""
        self.process = os.getpid()
        self.ledgers.clear()
        self.settings.clear()

    def _overlay(self, process: Any) -> None:
        incoming, outgoing = process._args[:2]
        for queue in (incoming, outgoing):
            queues.plain(queue)
        working.overlay(self.session, incoming, outgoing, working.POOL)

    def _cache_init(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(cache: Any, /, *args: Any, **kwds: Any) -> None:
            original(cache, *args, **kwds)
            try:
                self._begin(cache, sys._getframe(1))
            except Exception as error:
                self.session.fail("pool creation", error)

        return __init__

    def _begin(self, cache: Any, frame: Any) -> None:
        if self.process != os.getpid():
            self._forget()
        pool = frame.f_locals.get("self")
        reader = getattr(getattr(pool, "_inqueue", None), "_reader", None)
        self.ledgers.pop(id(cache), None)  # an earlier pool's, at the same address
        if reader is None:
            return  # a ThreadPool: nothing is pickled
        maxtasks = frame.f_locals.get("maxtasksperchild") or 0
        initializer = function.name_or_none(frame.f_locals.get("initializer"))
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
            except Exception as error:
                fail("pool submission", error)

        return __init__

    def _map_init(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(result: Any, pool: Any, chunksize: int, length: int, *args: Any, **kwds: Any) -> None:
            original(result, pool, chunksize, length, *args, **kwds)
            try:
                ledger = self.ledgers.get(id(pool._cache))
                if ledger is not None:
                    ledger.sized[result._job] = (length, chunksize)
            except Exception as error:
                self.session.fail("pool submission", error)

        return __init__

    def _handle_tasks(self, original: Callable[..., None]) -> Callable[..., None]:
        def _handle_tasks(taskqueue: Any, put: Any, outqueue: Any, pool: Any, cache: Any) -> None:
            try:
                ledger = self.ledgers.get(id(cache))
                if ledger is not None:
                    ledger.opened(len(pool), *self.settings[id(cache)])
                    put = dispatching.counted(ledger, self.module, put)
            except Exception as error:
                self.session.fail("pool task handler", error)
            original(taskqueue, put, outqueue, pool, cache)

        return _handle_tasks

    def _handle_results(self, original: Callable[..., None]) -> Callable[..., None]:
        def _handle_results(outqueue: Any, get: Any, cache: Any) -> None:
            ledger = self.ledgers.get(id(cache))
            try:
                if ledger is not None:
                    get = collecting.counted(ledger, get, cache)
            except Exception as error:
                self.session.fail("pool result handler", error)
            original(outqueue, get, cache)
            try:
                if ledger is not None and not ledger.ending:
                    ledger.closed(perf_counter_ns())
            except Exception as error:
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
            except Exception as error:
                self.session.fail("pool end", error)

        return _terminate_pool
