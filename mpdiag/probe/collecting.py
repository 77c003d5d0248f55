"""The parent's collecting side of a pool: counts every result, times the sampled ones."""

from __future__ import annotations

import sys
import weakref
from struct import Struct
from time import perf_counter_ns

from mpdiag.probe.patch import genuine
from mpdiag.probe.sampling import FACTOR, MASK, WIDTH
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

    __slots__ = ("clock", "ledger", "number", "opened", "plan", "recorder")

    def __init__(self, ledger: Ledger, clock: Callable[[], int] = perf_counter_ns) -> None:
        """Book into ``ledger``."""
        self.ledger = ledger
        self.number = ledger.number
        self.plan = ledger.plan
        self.recorder = ledger.recorder
        self.clock = clock
        self.opened: tuple[Any, int, int] | None = None

    def handled(self) -> None:
        """The last result has been handed over: complete its record, if it has one."""
        if self.opened is not None:
            buffer, offset, since = self.opened
            self.opened = None
            PACK_HANDLE(buffer, offset, self.clock() - since)

    def timed(  # noqa: PLR0913, PLR0917 - positional and flat: this is the hot path
        self, arrived: int, job: int, index: int, size: int, entry: Entry, limit: int
    ) -> bool:
        """Record one timed result that had arrived at ``arrived`` and is unpickled now; False where is no room.

        It was chosen by ``limit``: the plan's may be another by now.
        """
        loaded = self.clock()
        try:
            chunk, offset = self.recorder.slot()
        except IndexError:  # no room: counted there
            return False
        buffer = chunk.buffer
        PACK(
            buffer,
            offset,
            arrived,
            loaded - arrived,
            0.0,
            job,
            index,
            size,
            self.number,
            entry.number,
            0,
            WIDTH - limit.bit_length(),
            KIND,
        )
        self.opened = (buffer, offset + HANDLE_OFFSET, loaded)
        self.plan.spend(loaded)
        return True


def counted(ledger: Ledger, get: Any, cache: Any) -> Callable[[], Any]:
    """``get`` of a ``Pool``'s result handler with counting; ``get`` itself where it is not ``Connection.recv``.

    ``cache`` holds the jobs that wait for results.
    """
    connection: Any = sys.modules["multiprocessing.connection"]
    reader: Any = getattr(get, "__self__", None)
    if type(reader) is not connection.Connection or not genuine(get, connection):
        ledger.fail("pool with its own kind of queue", TypeError(type(reader).__qualname__))
        return get  # type: ignore[no-any-return]
    return _counting_get(Collector(ledger), reader, get, cache)


def _counting_get(  # noqa: C901 - flat: this is the hot path
    collector: Collector, reader: Any, get: Callable[[], Any], cache: Any
) -> Callable[[], Any]:
    connection: Any = sys.modules["multiprocessing.connection"]
    read, ledger, plan, clock = reader._recv_bytes, collector.ledger, collector.plan, collector.clock
    live = ledger.live
    last, entry, opened = -1, None, False

    def counting_get() -> Any:  # noqa: C901 - flat: this is the hot path
        nonlocal last, entry, opened
        try:
            if opened:
                opened = False
                collector.handled()
        except Exception as error:
            ledger.fail("collecting", error)
        if reader._handle is None or not reader._readable:
            return get()
        buffer = read()
        arrived = clock()
        data = buffer.getbuffer()
        task = connection._ForkingPickler.loads(data)
        if task is None or ledger.broken:
            return task
        try:
            if arrived > plan.until:
                plan.relax(arrived)
            job, index, outcome = task
            if job != last:
                if last not in cache:  # that was its last result: no more will ask for its entry
                    live.pop(last, None)
                last, entry = job, live.get(job)
            if entry is not None:
                size = len(data)
                words, first = entry.collected_words, entry.collected
                words[first] += 1
                words[first + 1] += size
                if not outcome[0]:
                    words[first + 2] += 1
                if (job + index) * FACTOR & MASK < (limit := plan.limit):
                    opened = collector.timed(arrived, job, index, size, entry, limit)
        except Exception as error:
            ledger.fail("collecting", error)
        return task

    return counting_get


def receiver(reader: Any, collector: Collector) -> Callable[[], Any]:
    """What stands for ``reader.recv`` of an executor's results, its stages run one by one.

    It holds the connection weakly, which must close when its owner lets it go.
    """
    held = weakref.ref(reader)
    connection: Any = sys.modules["multiprocessing.connection"]
    ledger, plan, clock, live = collector.ledger, collector.plan, collector.clock, collector.ledger.live

    def recv() -> Any:
        source: Any = held()
        if source._handle is None or not source._readable:
            return connection._ConnectionBase.recv(source)
        buffer = source._recv_bytes()
        arrived = clock()
        data = buffer.getbuffer()
        item = connection._ForkingPickler.loads(data)
        if item is None or type(item) is int or ledger.broken:  # a worker's goodbye with its pid
            return item
        try:
            if arrived > plan.until:
                plan.relax(arrived)
            index = item.work_id
            entry = live.pop(index, None)
            if entry is not None:
                words, first, size = entry.collected_words, entry.collected, len(data)
                words[first] += 1
                words[first + 1] += size
                if item.exception is not None:
                    words[first + 2] += 1
                if index * FACTOR & MASK < (limit := plan.limit):
                    collector.timed(arrived, 0, index, size, entry, limit)
        except Exception as error:
            ledger.fail("collecting", error)
        return item

    return recv
