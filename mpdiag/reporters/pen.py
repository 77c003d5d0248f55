"""The hand that writes within a style: every text on a terminal page goes through it, and so fits and is harmless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mpdiag.reporters import snippet
from mpdiag.reporters.columns import columns, shorten, wrap
from mpdiag.reporters.escape import MARKS, visible
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from mpdiag.model.run import Site
    from mpdiag.reporters.style import Style

Look = Literal["bold", "dim", "red", "yellow", "green", "cyan"]

NARROWEST = 40
WIDEST = 120
"""Longer lines are harder to read, however wide the terminal is."""
LINES = 6
"""The most lines for one sentence; only a hostile one is longer."""
_CODES = {"bold": "1", "dim": "2", "red": "31", "yellow": "33", "green": "32", "cyan": "36"}
"""Select Graphic Rendition parameters (ECMA-48, 8.3.117)."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Pen:
    """Text, numbers, bars and colours in one style."""

    style: Style

    @property
    def width(self) -> int:
        """Columns of the page: the style's between 40 and 120."""
        return max(NARROWEST, min(self.style.width, WIDEST))

    def text(self, text: str, width: int | None = None) -> str:
        """Give foreign text made visible, at most ``width`` columns (a page's) wide."""
        limit = self.width if width is None else width
        # A column holds at most a character and its marks: of a text of megabytes, only the ends are looked at.
        enough = (1 + MARKS) * (limit + 1)
        ends = text if len(text) <= 2 * enough else text[:enough] + text[-enough:]
        return shorten(visible(ends, self.style.encoding), limit, self.style.ellipsis)

    def wrap(self, text: str, first: str = "", rest: str | None = None) -> list[str]:
        """Give foreign or own text as lines of the page, indented by ``first`` and then ``rest`` (spaces)."""
        after = " " * columns(first) if rest is None else rest
        whole = self.text(text, LINES * (self.width - max(len(first), len(after))))
        return wrap(whole, self.width, first, after, self.style.ellipsis)

    def code(self, text: str, indent: str) -> list[str]:
        """Give a Python snippet as lines of the page."""
        safe = "\n".join(visible(line.expandtabs(4), self.style.encoding) for line in text.split("\n"))
        folded = snippet.fold(safe, self.width - len(indent), self.style.ellipsis)
        return [indent + line if line else "" for line in folded]

    def site(self, site: Site, width: int) -> str:
        """Give file:line (function); without the folders, then without the function, where it has to be shorter."""
        here = self.style.directory.rstrip("/") + "/"
        file = site.file.removeprefix(here) if self.style.directory else site.file
        name = site.file.replace("\\", "/").rpartition("/")[2] or site.file
        forms = (
            f"{file}:{site.line} ({site.function})",
            f"{name}:{site.line} ({site.function})",
            f"{name}:{site.line}",
        )
        safe = [self.text(form, width + 1) for form in forms]
        return next((form for form in safe if columns(form) <= width), self.text(forms[-1], width))

    def paint(self, text: str, *looks: Look) -> str:
        """Colour ``text`` where the style has colour."""
        if not self.style.colour or not looks or not text:
            return text
        return f"\x1b[{';'.join(_CODES[look] for look in looks)}m{text}\x1b[0m"

    def bar(self, share: float, width: int) -> str:
        """Draw ``share`` of ``width`` columns, in eighths of one or in ASCII; what is more than nothing shows."""
        if not share > 0 or width <= 0:
            return ""
        eighths = max(1, round(8 * width * min(share, 1)))
        if self.style.ascii:
            return "#" * ((eighths + 4) // 8) or "."
        return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()

    def seconds(self, value: float) -> str:
        """Give a duration."""
        return numbers.seconds(value, self.style.micro)

    def span(self, low: float, high: float) -> str:
        """Give a range of durations."""
        return numbers.span(low, high, self.style.micro)

    def quantity(self, value: float | str, unit: str) -> str:
        """Give a measured value, one that is text as it is (made visible by whoever places it)."""
        return numbers.quantity(value, unit, self.style.micro)
