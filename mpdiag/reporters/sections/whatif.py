"""What other settings would have taken, by replay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mpdiag.reporters.table import hanging
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from mpdiag.diagnosis import Diagnosis
    from mpdiag.reporters.pen import Pen

MOST = 12
INDENT = "  "
_BETWEEN_PLACES = re.compile(r"(?<=\d), ")


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give a line for each replayed setting: predicted wall, its range, the change."""
    cases = diagnosis.what_if
    if not cases:
        return []
    rows = [
        (pen.seconds(case.wall_s), f"({pen.span(case.low, case.high)})", _brief(case.change)) for case in cases[:MOST]
    ]
    page = [pen.paint(f"What if: predicted, instead of {pen.seconds(diagnosis.run.wall_s)}", "bold")]
    page += hanging(rows, pen, INDENT, right=(0, 1))
    if len(cases) > MOST:
        page += pen.wrap(f"and {numbers.count(len(cases) - MOST)} more in the JSON report", INDENT)
    return page


def _brief(change: str) -> str:
    """Leave the folders out of the places, "at FILE:LINE, FILE:LINE", that a change ends with."""
    what, at, places = change.partition(" at ")
    return what + at + ", ".join(map(_name, _BETWEEN_PLACES.split(places)))


def _name(place: str) -> str:
    return place.replace("\\", "/").rpartition("/")[2] or place
