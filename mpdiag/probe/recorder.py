"""The recorder: a segment with the probe's own account, and the guard around everything a hook does."""

from __future__ import annotations

from time import perf_counter_ns, thread_time_ns

from mpdiag.probe.sampling import Plan
from mpdiag.probe.site import Sites
from mpdiag.wire.format import HEADER_SIZE
from mpdiag.wire.segment import LIMIT, PACKERS, SegmentWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 8
"""Repetitions of the unit-cost measurement at start: about 20 us in all."""
COUNTED_IN_PLACE, TIMED_IN_PLACE = 2.5, 4.0
"""By how much an event in its place is dearer than its bare statements in a loop: what surrounds them (tests, closures,
calls) counts, too, and the program has just used the caches for itself. Measured in whole programs, as the CPU time of
chatty-pool in scripts/bench_overhead.py with a budget of 0 and with the default one, less what they take without."""
LOOKS_FREE = 2_000_000
"""Nanoseconds for looking into large messages that every process may spend before its budget counts."""
LOOKS_SHARE = 0.25
"""The part of the budget that looking into large messages may use."""


class Recorder(SegmentWriter):
    """Writes this process's records and knows what an event costs here."""

    __slots__ = ("_cost", "_looked", "_opened", "budget", "sites", "timed_ns", "units")

    def __init__(  # noqa: PLR0913 - what differs between the first process and its forked children
        self,
        directory: str,
        birth: tuple[str, bytes],
        budget: float,
        units: tuple[float, float] | None = None,
        *,
        fresh: bool = False,
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        """Map the segment of this process; OSError when that cannot be had.

        ``units`` is what an event costs, if the parent has measured it already. The file is made here if ``fresh``.
        """
        self._cost = None
        super().__init__(directory, 0, birth, fresh=fresh)
        self.budget = budget
        self.sites = Sites(self)
        self._looked = 0
        self._opened = clock()
        self.units = units or self._unit_costs(clock)
        """Nanoseconds of a counted and of a timed event."""
        self.timed_ns = self.units[1]
        self._cost = self.live("cost", 0, 0, *self.units)

    def _unit_costs(self, clock: Callable[[], int]) -> tuple[float, float]:
        """Nanoseconds of a counted and of a timed event: their statements, the fastest of a few rounds here."""
        words, first = self.chunk.words, HEADER_SIZE // 8
        pack, buffer = PACKERS["cost"], self.chunk.buffer
        counted = timed = 1 << 30
        for _ in range(ROUNDS):
            begin = clock()
            words[first] += 1
            words[first + 1] += 1
            words[first + 2] += 1
            middle = clock()
            for _ in range(4):
                clock()
            thread_time_ns()
            thread_time_ns()
            pack(buffer, HEADER_SIZE, 0, 0, 0, 0, 0, 0, 0)
            end = clock()
            counted = min(counted, middle - begin)
            timed = min(timed, end - middle)
        return counted * COUNTED_IN_PLACE, timed * TIMED_IN_PLACE

    def may_look(self, now: int) -> bool:
        """Whether the budget allows to look into one more large message."""
        return self._looked < LOOKS_FREE + self.budget * LOOKS_SHARE * (now - self._opened)

    @property
    def pressure(self) -> float:
        """How much more sparingly to time because the trace grows: 1 for a small one, without bound near its limit."""
        return LIMIT / max(LIMIT - self.total, 1)

    def plan(self) -> Plan:
        """A sampling plan for one thread."""
        return Plan(self)

    def spent(self, nanoseconds: int) -> None:
        """Book time used for looking into a large message."""
        self._looked += nanoseconds
        self.booked(nanoseconds)

    def booked(self, nanoseconds: int) -> None:
        """Add to the account what was used for anything but single events."""
        if self._cost is not None:
            words, index = self._cost
            words[index] += nanoseconds

    def drop(self) -> None:
        """Count a record for which there is no room, also in the account, which is there already."""
        super().drop()
        self.count_lost()

    def count_lost(self) -> None:
        """Count something lost in the account; a forked child whose own file cannot be had does so in its parent's."""
        if self._cost is not None:
            words, index = self._cost
            words[index + 1] += 1

    def loss(self, what: str, why: str) -> None:
        """Record that something could not be recorded."""
        self.put("loss", perf_counter_ns(), 1, self.text(what), self.text(why))
