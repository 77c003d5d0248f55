"""The parent's sending side of a pool: counts every task, times the sampled ones.

The stages of ``Connection.send`` (check, pickle, write) are run here one by one, because bytes and times lie between
them; a wrapper around the whole could see neither.
"""

from __future__ import annotations

from struct import Struct
from time import perf_counter_ns

from mpdiag.probe.parts import LARGE, arguments, captured
from mpdiag.wire.format import FORMATS, NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.ledger import Entry, Ledger
    from mpdiag.probe.parts import Call

PACK = Struct(FORMATS["send"]).pack_into
KIND = NUMBER["send"]
PACK_GAP = Struct("<f").pack_into
GAP_OFFSET = Struct("<QQffIIQIII").size
UNSIGNED_MAX = 0xFFFFFFFF


class Sender:
    """Records what one thread sends for one pool."""

    __slots__ = ("_submitted", "clock", "entry", "gap", "ledger", "plan")

    def __init__(self, ledger: Ledger, clock: Callable[[], int] = perf_counter_ns) -> None:
        """Book into ``ledger``."""
        self.ledger = ledger
        self.plan = ledger.plan
        self.clock = clock
        self.entry: Entry | None = None
        self._submitted = 0
        self.gap: tuple[Any, int, int] | None = None

    def switch(self, job: int, called: Any) -> Entry:
        """The entry of another job than the last one's."""
        self.gap = None
        self.entry, self._submitted = self.ledger.open(job, called)
        return self.entry

    def close_gap(self) -> None:
        """The next task of the job has come: complete the last timed record with the time since it went out."""
        if self.gap is not None:
            buffer, offset, since = self.gap
            self.gap = None
            PACK_GAP(buffer, offset + GAP_OFFSET, self.clock() - since)

    def timed(self, stamps: tuple[int, int, int], task: tuple[int, int], size: int, call: Call) -> None:
        """Record the timed task (job, index) ``task``: ``stamps`` are pickle begin, pickle end and write end."""
        began, dumped, written = stamps
        entry = self.entry
        if entry is None:
            return
        share = self.look_into(call, task, size) if size >= LARGE else entry.callable
        try:
            chunk, offset = self.ledger.recorder.slot()
        except IndexError:  # no room: counted there
            return
        PACK(
            chunk.buffer,
            offset,
            self._submitted,
            began,
            dumped - began,
            written - dumped,
            *task,
            size,
            min(int(share), UNSIGNED_MAX),
            len(call.batch),
            entry.number,
            0.0,
            0,
            self.plan.shift,
            KIND,
        )
        self.gap = (chunk.buffer, offset, written)
        self.plan.spend(written)

    def look_into(self, call: Call, task: tuple[int, int], size: int) -> float:
        """Record the parts of a large message while the budget allows; the callable's estimated bytes."""
        ledger, entry = self.ledger, self.entry
        began = self.clock()
        if entry is None:
            return 0.0
        if began > self.plan.until:
            self.plan.relax(began)
        if ledger.recorder.may_look(began):
            try:
                pieces = [*captured(call.function), *arguments(call)]
                where = (entry.number, *task)
                totals = ledger.parts.write(pieces, entry.callable, size, where, len(call.batch))
                entry.share = max(totals.get("callable", 0.0), entry.callable) / size
            except Exception as error:  # an argument of an unexpected kind: the counts go on
                ledger.session.fail("looking into a large message", error)
            ledger.recorder.spent(self.clock() - began)
        return entry.share * size
