"""The parent's collecting side of a pool: counts every result, times the sampled ones."""

from __future__ import annotations

import sys
import weakref
from struct import Struct
from time import perf_counter_ns

from mpdiag.probe.patch import genuine
from mpdiag.probe.sampling import INDEX_FACTOR, JOB_FACTOR, MASK
from mpdiag.wire.format import FORMATS, NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.ledger import Entry, Ledger

PACK = Struct(FORMATS["collect"]).pack_into
KIND = NUMBER["collect"]
PACK_HANDLE = Struct("<f").pack_into
HANDLE_OFFSET = Struct("<Qf").size


class Collector:
    """Records what one thread collects for one pool."""

    __slots__ = ("clock", "ledger", "opened", "plan")

    def __init__(self, ledger: Ledger, clock: Callable[[], int] = perf_counter_ns) -> None:
        """Book into ``ledger``."""
        self.ledger = ledger
        self.plan = ledger.plan
        self.clock = clock
        self.opened: tuple[Any, int, int] | None = None

    def handled(self) -> None:
        """The last result has been handed over: complete its record, if it has one."""
        if self.opened is not None:
            buffer, offset, since = self.opened
            self.opened = None
            PACK_HANDLE(buffer, offset + HANDLE_OFFSET, self.clock() - since)

    def timed(self, arrived: int, task: tuple[int, int], size: int, entry: Entry) -> None:
        """Record one timed result that had arrived at ``arrived`` and is unpickled now."""
        loaded = self.clock()
        ledger = self.ledger
        try:
            chunk, offset = ledger.recorder.slot()
        except IndexError:  # no room: counted there
            return
        job, index = task
        PACK(
            chunk.buffer,
            offset,
            arrived,
            loaded - arrived,
            0.0,
            job,
            index,
            size,
            ledger.number,
            entry.number,
            0,
            self.plan.shift,
            KIND,
        )
        self.opened = (chunk.buffer, offset, loaded)
        self.plan.spend(loaded)


def counted(ledger: Ledger, get: Any, cache: Any) -> Callable[[], Any]:
    """``get`` of a ``Pool``'s result handler with counting; ``get`` itself where it is not ``Connection.recv``.

    ``cache`` holds the jobs that wait for results.
    """
    connection: Any = sys.modules["multiprocessing.connection"]
    reader: Any = getattr(get, "__self__", None)
    if type(reader) is not connection.Connection or not genuine(get, connection):
        ledger.fail("pool with its own kind of queue", TypeError(type(reader).__qualname__))
        return get  # type: ignore[no-any-return]
    collector = Collector(ledger)
    receive = receiver(reader, collector, numbered=True)
    live = ledger.live
    last = -1

    def counting_get() -> Any:
        nonlocal last
        try:
            if collector.opened is not None:
                collector.handled()
        except Exception as error:
            ledger.fail("collecting", error)
        if last not in cache:
            live.pop(last, None)
        task = receive()
        if task is not None:
            last = task[0]
        return task

    return counting_get


def receiver(reader: Any, collector: Collector, *, numbered: bool) -> Callable[[], Any]:
    """What stands for ``reader.recv``, its stages run one by one.

    It receives results that begin with their job and index when ``numbered``, else an executor's result items. It holds
    the connection weakly, which must close when its owner lets it go.
    """
    held = weakref.ref(reader)
    connection: Any = sys.modules["multiprocessing.connection"]
    ledger, plan, clock, live = collector.ledger, collector.plan, collector.clock, collector.ledger.live

    def recv() -> Any:
        source: Any = held()
        source._check_closed()
        source._check_readable()
        buffer = source._recv_bytes()
        arrived = clock()
        data = buffer.getbuffer()
        item = connection._ForkingPickler.loads(data)
        if item is None or type(item) is int or ledger.broken:  # a sentinel, or a worker's goodbye with its pid
            return item
        try:
            if arrived > plan.until:
                plan.relax(arrived)
            if numbered:
                job, index, outcome = item
                entry, failed = live.get(job), not outcome[0]
            else:
                job, index = 0, item.work_id
                entry, failed = live.pop(index, None), item.exception is not None
            if entry is not None:
                words, first, size = entry.collected_words, entry.collected, len(data)
                words[first] += 1
                words[first + 1] += size
                if failed:
                    words[first + 2] += 1
                if (job * JOB_FACTOR ^ index * INDEX_FACTOR) & MASK < plan.limit:
                    collector.timed(arrived, (job, index), size, entry)
        except Exception as error:
            ledger.fail("collecting", error)
        return item

    return recv
