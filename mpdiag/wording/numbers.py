"""Numbers as people read them: 1.23 s, 340 ms, 4.2 MB, 30,000, 61 %. The only place where reports format a number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "unknown"
LONG_S = 599.5
"""From ten minutes on, seconds are given as minutes; from two hours on, as hours."""
MINUTE_S = 60.0
HOUR_S = 3600.0
SMALLEST_PERCENT = 0.1
LARGEST_PERCENT = 99
"""Parts below the one are not nothing, parts above the other are not everything, and neither is shown as such."""
ROUNDS_UP = 0.9995
"""From this share of a unit on, the next smaller one would show as 1000."""


LEAST_S = 1e-10
"""Less is the rounding error of a sum."""


def seconds(value: float, micro: str = "µ") -> str:
    """Give a duration: 2 h 5 min, 12 min 5 s, 123 s, 1.23 s, 340 ms, 4.1 ms, 18 µs."""
    if not math.isfinite(value):
        return UNKNOWN
    if value < 0:
        return f"-{seconds(-value, micro)}"
    if value >= LONG_S:
        return _long(value)
    if value >= ROUNDS_UP:
        return f"{value:.{_decimals(value, 2)}f} s"
    return _scaled(value, ((1e-3, "ms"), (1e-6, f"{micro}s"), (1e-9, "ns"))) if value >= LEAST_S else "0 s"


def _long(value: float) -> str:
    minutes, rest = divmod(round(value), 60)
    if minutes < 2 * 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(value / MINUTE_S), 60)
    return f"{hours:,} h {minutes} min"


def size(value: float) -> str:
    """Give bytes with decimal prefixes: 999 B, 1.2 kB, 42 MB."""
    if not math.isfinite(value):
        return UNKNOWN
    if value < 0:
        return f"-{size(-value)}"
    if value < ROUNDS_UP * 1e3:
        return f"{value:.0f} B"
    return _scaled(value, ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")))


def _scaled(value: float, units: Sequence[tuple[float, str]]) -> str:
    """Give ``value`` in the largest unit that leaves no leading zero: two digits below ten, whole ones above."""
    scale, unit = next((pair for pair in units if value >= pair[0] * ROUNDS_UP), units[-1])
    return f"{value / scale:,.{_decimals(value / scale, 1)}f} {unit}"


def _decimals(value: float, most: int) -> int:
    """Digits after the point that give ``most`` + 1 digits altogether, and never fewer than those before it."""
    return next((most - power for power in range(most) if round(value, most - power) < 10 ** (power + 1)), 0)


def count(value: float) -> str:
    """Give a count: 30,000; a mean count keeps one decimal: 2.5."""
    if not math.isfinite(value):
        return UNKNOWN
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def share(value: float) -> str:
    """Give a part of a whole: 61 %, 8.2 %, <0.1 %."""
    if not math.isfinite(value):
        return UNKNOWN
    percent = 100 * value
    if 0 < percent < SMALLEST_PERCENT:
        return f"<{SMALLEST_PERCENT} %"
    if LARGEST_PERCENT + 0.5 <= percent < 100:  # noqa: PLR2004 - would round to all of it
        return f">{LARGEST_PERCENT} %"
    return f"{percent:.{_decimals(abs(percent), 1) if percent else 0}f} %"


def ratio(value: float) -> str:
    """Give a factor: 0.35x, 3.6x, 120x."""
    if not math.isfinite(value):
        return UNKNOWN
    return f"{value:,.2f}x" if abs(value) < ROUNDS_UP else f"{value:,.{_decimals(abs(value), 1)}f}x"


def span(low: float, high: float, micro: str = "µ") -> str:
    """Give a range of durations in one unit: 1.9-2.3 s; "about 2.1 s" where the two look alike."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    units = ((2 * HOUR_S, HOUR_S, "h"), (LONG_S, MINUTE_S, "min"), (ROUNDS_UP, 1.0, "s"))
    small = ((ROUNDS_UP * 1e-3, 1e-3, "ms"), (0.0, 1e-6, f"{micro}s"))
    _, scale, unit = next((row for row in units + small if high >= row[0]), units[-1])
    first, last = _alike(low / scale, high / scale)
    if first == last:
        return f"about {last} {unit}"
    return f"{first}{' to ' if low < 0 else '-'}{last} {unit}"


def _alike(low: float, high: float) -> tuple[str, str]:
    """Give both with as many decimals as the lower one needs, if that is at most one more than the higher one needs."""
    needed = _decimals(abs(high), 1)
    decimals = min(_decimals(abs(low), 1) + (abs(low) < ROUNDS_UP), needed + 1)
    if not round(low, decimals):
        return "0", f"{high:.{needed}f}" if high else "0"
    return f"{low:.{decimals}f}", f"{high:.{decimals}f}"


def quantity(value: float | str, unit: str, micro: str = "µ") -> str:
    """Give a measured value in the words of its unit: "s", "bytes", "count", "share", "ratio" or "text"."""
    if isinstance(value, str):
        return value
    if unit == "s":
        return seconds(value, micro)
    plain = {"bytes": size, "count": count, "share": share, "ratio": ratio}
    return plain[unit](value) if unit in plain else f"{value} {unit}"
