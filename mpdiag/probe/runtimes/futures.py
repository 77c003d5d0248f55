"""``concurrent.futures.ProcessPoolExecutor``: submissions, feeder and collector in the parent.

As with ``Pool``, hooks sit on inner parts that no exception of the user's passes through: the queue of work ids instead
of ``submit``, the call queue's constructor instead of the executor's.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter_ns

from mpdiag.probe import feeding, function, working
from mpdiag.probe.collecting import Collector, receiver
from mpdiag.probe.ledger import Ledger
from mpdiag.probe.patch import genuine
from mpdiag.probe.runtimes import queues
from mpdiag.wire.format import FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from mpdiag.probe.session import Session


def install(module: ModuleType, session: Session) -> None:
    """Patch ``concurrent.futures.process`` and the feeder of the queue that it uses."""
    Executors(module, session)


class Executors:
    """The executors of this process, by the identity of their call queue."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        """Patch ``module`` and register the worker's overlay."""
        self.module: Any = module
        self.session = session
        self.ledgers: dict[int, Ledger] = {}
        self.collectors: dict[int, Collector] = {}
        self.process = os.getpid()
        session.targets.append((self.module._process_worker, self._overlay))
        replace = session.patches.replace
        manager = self.module._ExecutorManagerThread
        replace(self.module._SafeQueue, "__init__", self._queue_init)
        replace(manager, "__init__", self._manager_init)
        replace(manager, "run", self._run)
        replace(manager, "join_executor_internals", self._ending)
        replace(manager, "process_result_item", self._process_result_item)
        library: Any = sys.modules["multiprocessing.queues"]
        replace(library.Queue, "_feed", self._feed)

    def _forget(self) -> None:
        """Forget what a forked child has inherited, once it makes a pool: at the fork, freeing would be dear."""
        self.process = os.getpid()
        self.ledgers.clear()
        self.collectors.clear()

    def _overlay(self, process: Any) -> None:
        incoming, outgoing = process._args[:2]
        for queue in (incoming, outgoing):
            queues.plain(queue)
        working.overlay(self.session, incoming, outgoing, working.EXECUTOR)

    def _queue_init(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(queue: Any, *args: Any, **kwargs: Any) -> None:
            original(queue, *args, **kwargs)
            try:
                if self.process != os.getpid():
                    self._forget()
                self.ledgers.pop(id(queue), None)  # an earlier executor's, at the same address
                channel = os.fstat(queue._reader.fileno()).st_ino
                self.ledgers[id(queue)] = Ledger(self.session, channel, sys._getframe(1))
            except Exception as error:
                self.session.fail("executor creation", error)

        return __init__

    def _manager_init(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(manager: Any, executor: Any) -> None:
            original(manager, executor)
            try:
                ledger = self.ledgers.get(id(executor._call_queue))
                if ledger is not None:
                    self._begin(ledger, executor, sys._getframe(1))
            except Exception as error:
                self.session.fail("executor start", error)

        return __init__

    def _begin(self, ledger: Ledger, executor: Any, frame: Any) -> None:
        maxtasks = getattr(executor, "_max_tasks_per_child", None) or 0
        method = executor._mp_context.get_start_method()
        initializer = function.name_or_none(executor._initializer)
        ledger.opened(executor._max_workers, maxtasks, method, initializer, FLAGS["executor"])
        work_ids = executor._work_ids
        put, submitted, getframe = work_ids.put, ledger.submitted, sys._getframe

        def counting_put(work_id: Any, *args: Any, **kwargs: Any) -> None:
            try:
                submitted(work_id, getframe(1))
            except Exception as error:
                ledger.fail("executor submission", error)
            put(work_id, *args, **kwargs)

        for work_id in list(work_ids.queue):  # the submission that started the manager is there already
            submitted(work_id, frame)
        work_ids.put = counting_put
        reader = executor._result_queue._reader
        if not genuine(reader.recv, sys.modules["multiprocessing.connection"]):
            ledger.fail("executor with its own kind of queue", TypeError(type(reader).__qualname__))
            return
        collector = Collector(ledger)
        self.collectors[id(executor._call_queue)] = collector
        reader.recv = receiver(reader, collector)

    def _feed(self, original: Callable[..., None]) -> Callable[..., None]:
        def _feed(*args: Any) -> None:
            try:
                owner = next((arg.__self__ for arg in args if isinstance(_owner(arg), self.module._SafeQueue)), None)
                ledger = self.ledgers.get(id(owner)) if owner is not None else None
                if ledger is not None:
                    args = feeding.counted(ledger, self.module, args)
            except Exception as error:
                self.session.fail("executor feeder", error)
            owner = None
            original(*args)

        return _feed

    def _process_result_item(self, original: Callable[..., None]) -> Callable[..., None]:
        def process_result_item(manager: Any, result_item: Any) -> None:
            original(manager, result_item)
            try:
                collector = self.collectors.get(id(manager.call_queue))
                if collector is not None and collector.opened is not None:
                    collector.handled()
            except Exception as error:
                self.session.fail("executor result", error)

        return process_result_item

    def _ending(self, original: Callable[..., None]) -> Callable[..., None]:
        def join_executor_internals(manager: Any, *args: Any, **kwargs: Any) -> None:
            ledger = self.ledgers.get(id(manager.call_queue))
            if ledger is not None and not ledger.began_to_end:
                ledger.began_to_end = perf_counter_ns()
            original(manager, *args, **kwargs)

        return join_executor_internals

    def _run(self, original: Callable[..., None]) -> Callable[..., None]:
        def run(manager: Any) -> None:
            key = id(manager.call_queue)
            try:
                original(manager)
            finally:
                self._ended(key)

        return run

    def _ended(self, key: int) -> None:
        self.collectors.pop(key, None)
        ledger = self.ledgers.pop(key, None)
        try:
            if ledger is not None:
                ledger.closed(ledger.began_to_end or perf_counter_ns())
        except Exception as error:
            self.session.fail("executor end", error)


def _owner(argument: Any) -> Any:
    return getattr(argument, "__self__", None)
