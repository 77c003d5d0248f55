"""What the benchmarks compute and how they print it: spreads of paired ratios, verdicts, tables of 80 columns."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 80
GAP = "  "


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of some values."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Describe values, at least one; ValueError when there is none."""
        listed = list(values)
        if not listed:
            message = "a spread of no values"
            raise ValueError(message)
        return cls(median(listed), min(listed), max(listed))

    @classmethod
    def of_ratios(cls, pairs: Iterable[tuple[float, float]]) -> Spread:
        """Describe the ratios second / first of pairs."""
        return cls.of(after / before for before, after in pairs)

    @classmethod
    def of_differences(cls, pairs: Iterable[tuple[float, float]]) -> Spread:
        """Describe the differences second - first of pairs."""
        return cls.of(after - before for before, after in pairs)

    def cells(self, digits: int) -> tuple[str, str, str]:
        """Give median, least and most as text."""
        return f"{self.median:.{digits}f}", f"{self.least:.{digits}f}", f"{self.most:.{digits}f}"


def verdict(value: float, budget: float) -> str:
    """Say whether ``value`` keeps to its budget."""
    return "within" if value <= budget else "over"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out rows, the first column to the left and the others to the right; ValueError above 80 columns."""
    listed = [tuple(headers), *(tuple(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    width = sum(widths) + len(GAP) * (len(widths) - 1)
    if width > WIDTH:
        message = f"a table of {width} columns"
        raise ValueError(message)
    lines = []
    for first, *others in listed:
        cells = (cell.rjust(space) for cell, space in zip(others, widths[1:], strict=True))
        lines.append(GAP.join((first.ljust(widths[0]), *cells)).rstrip())
    return "\n".join(lines)
