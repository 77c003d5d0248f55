"""Which tasks are timed: all of them while the budget allows, then one in 2**k, chosen by the task's own number.

Parent and worker apply the same hash with their own k, so the side that times fewer tasks times a subset of what the
other one times, and the two sides' records meet. Multiplying by an odd constant near 2**16 divided by the golden ratio
spreads consecutive numbers evenly (Knuth, TAOCP vol. 3, 6.4), so one task in 2**k is timed whatever the order.
"""

from __future__ import annotations

from time import perf_counter_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mpdiag.probe.recorder import Recorder

FACTOR = 40503
MASK = 0xFFFF
ALL = 1 << 16
"""16 bits are enough for one in 65,536, and half as dear as 32 that do not fit a digit of Python's integers."""

WIDTH = ALL.bit_length()
"""Less the width of a plan's limit this is the shift that belongs to it."""

BURST = 32
"""Timed events between two looks at the clock; also what a new plan spends freely."""
SHARE = 0.5
"""The part of the budget that timing may use; counting and looking into large messages take the rest."""
LARGEST_SHIFT = 16
UNLIMITED = 1 << 63
"""Timed events, or nanoseconds, that never come: where the budget is the whole time, every task is timed."""


class Plan:
    """The sampling of one side.

    Task (job, index) is timed when ``(job + index) * FACTOR & MASK < limit``. Callers write the
    test out, since a call would cost as much as the rest of counting.
    """

    __slots__ = ("_left", "_recorder", "_since", "_window", "limit", "shift", "until")

    def __init__(self, recorder: Recorder) -> None:
        """Allow timed events up to a share of the recorder's budget of the time; all if that is the whole time."""
        self._recorder = recorder
        self._window = int(BURST * recorder.timed_ns / max(recorder.budget * SHARE, 1e-6))
        self._left = BURST if recorder.budget < 1 else UNLIMITED
        self._since = perf_counter_ns()
        self.shift = 0
        self.limit = ALL
        self.until = self._since + 4 * self._window if recorder.budget < 1 else UNLIMITED
        """When this clock is reached without ``spend`` having adapted, tasks have become rarer: call ``relax``."""

    def relax(self, now: int) -> None:
        """Time more tasks again: the rate fell, so that the present window takes too long to fill."""
        if self.shift:
            self.shift -= 1
            self.limit = ALL >> self.shift
        self._left = BURST
        self._since = now
        self.until = now + 4 * self._window

    def spend(self, now: int) -> None:
        """Account for one timed event at clock ``now``, and adapt."""
        self._left -= 1
        if self._left > 0:
            return
        # The window stretches as the trace grows, so that its size stays bounded.
        pressure = self._recorder.pressure
        ratio = (now - self._since) / (self._window * pressure)
        if ratio < 1:
            self.shift = min(self.shift + (2 if ratio < 0.25 else 1), LARGEST_SHIFT)  # noqa: PLR2004
        elif ratio > 2 and self.shift:  # noqa: PLR2004 - below half the budget: time twice as many
            self.shift -= 1
        self.limit = ALL >> self.shift
        self._left = BURST
        self._since = now
        self.until = now + 4 * int(self._window * pressure)
