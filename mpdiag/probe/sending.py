"""The parent's sending side of a pool: counts every task, times the sampled ones.

The stages of ``Connection.send`` (check, pickle, write) are run here one by one, because bytes and times lie between
them; a wrapper around the whole could see neither.
"""

from __future__ import annotations

from struct import Struct
from time import perf_counter_ns

from mpdiag.probe.loading import parts
from mpdiag.probe.sampling import WIDTH
from mpdiag.wire.format import FORMATS, LARGE, NUMBER

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

    __slots__ = ("_gap", "clock", "ledger", "plan", "recorder")

    def __init__(self, ledger: Ledger, clock: Callable[[], int] = perf_counter_ns) -> None:
        """Book into ``ledger``."""
        self.ledger = ledger
        self.plan = ledger.plan
        self.recorder = ledger.recorder
        self.clock = clock
        self._gap: tuple[Any, int, int] = (None, 0, 0)

    def close_gap(self) -> None:
        """The next task of the job has come: complete the record just timed with the time since it went out."""
        buffer, offset, since = self._gap
        PACK_GAP(buffer, offset + GAP_OFFSET, self.clock() - since)

    def timed(  # noqa: PLR0913, PLR0917 - positional and flat: this is the hot path
        self,
        entry: Entry,
        submitted: int,
        began: int,
        dumped: int,
        written: int,
        job: int,
        index: int,
        size: int,
        items: int,
        limit: int,
    ) -> bool:
        """Record the timed task (job, index), whose pickling began and ended, and whose writing ended then.

        It was chosen by ``limit``: the plan's may be another by now. Gives whether there was room, so that
        ``close_gap`` must follow.
        """
        try:
            chunk, offset = self.recorder.slot()
        except IndexError:  # no room: counted there
            return False
        PACK(
            chunk.buffer,
            offset,
            submitted,
            began,
            dumped - began,
            written - dumped,
            job,
            index,
            size,
            entry.callable if size < LARGE else min(int(entry.share * size), UNSIGNED_MAX),
            items,
            entry.number,
            0.0,
            0,
            WIDTH - limit.bit_length(),
            KIND,
        )
        self._gap = (chunk.buffer, offset, written)
        self.plan.spend(written)
        return True

    def look_into(
        self,
        entry: Entry,
        description: tuple[Callable[[Any, Any], Call], Any, Any],
        where: tuple[int, int],
        size: int,
    ) -> None:
        """Record the parts of a large message while the budget allows; note its callable's share.

        The function in ``description``, called with the rest of it, says what task (job, index) ``where`` calls. It
        fails in here, if at all: what cannot be looked into is counted all the same.
        """
        ledger = self.ledger
        began = self.clock()
        if began > self.plan.until:
            self.plan.relax(began)
        if ledger.recorder.may_look(began):
            try:
                looking = parts()
                describe, task, module = description
                call = describe(task, module)
                pieces = [*looking.captured(call.function), *looking.arguments(call)]
                place = (entry.number, *where)
                whole = looking.complete(call)
                totals = ledger.parts.write(pieces, entry.callable, size, place, len(call.batch), whole=whole)
                entry.share = max(totals.get("callable", 0.0), entry.callable) / size
            except Exception as error:  # an argument of an unexpected kind: the counts go on
                ledger.session.fail("looking into a large message", error)
            ledger.recorder.spent(self.clock() - began)
