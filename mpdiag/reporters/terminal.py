"""The diagnosis on a terminal: verdict, where the time went, pools, findings, what-if, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.reporters.derived import is_healthy
from mpdiag.reporters.pen import Pen
from mpdiag.reporters.sections import activities, channels, findings, healthy, notes, pools, verdict, whatif

if TYPE_CHECKING:
    from mpdiag.diagnosis import Diagnosis
    from mpdiag.reporters.style import Style

PAGE = (verdict.lines, activities.lines, pools.lines, channels.lines, findings.lines, whatif.lines, notes.lines)
HEALTHY = (healthy.lines, notes.lost)


def render(diagnosis: Diagnosis, style: Style) -> str:
    """Give the page as text: no line wider than ``style.width`` (between 40 and 120), encodable in ``style.encoding``.

    A healthy program gets three lines, and what could not be recorded.
    """
    pen = Pen(style)
    sections = (section(diagnosis, pen) for section in (HEALTHY if is_healthy(diagnosis) else PAGE))
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"
