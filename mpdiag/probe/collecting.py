"""The parent's collecting side of a pool: counts every result, times the sampled ones."""

from __future__ import annotations

from struct import Struct
from time import perf_counter_ns

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
        chunk, offset = ledger.recorder.slot()
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
