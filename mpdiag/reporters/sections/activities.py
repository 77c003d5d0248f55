"""Where the workers' time went: one bar per activity, nothing hidden."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mpdiag.reporters.columns import columns, pad
from mpdiag.reporters.derived import COMPUTE, UNACCOUNTED
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mpdiag.diagnosis import Activity, Diagnosis
    from mpdiag.reporters.pen import Look, Pen

PLAIN_WORDS = MappingProxyType(
    {
        COMPUTE: "computing",
        "unpickle": "unpickling",
        "pickle": "pickling",
        "transfer": "moving messages",
        "wait_task": "waiting for a task",
        "wait_lock": "waiting for a lock",
        "wait_receive": "waiting to receive",
        "wait_send": "waiting to send",
        "wait_core": "waiting for a CPU",
        "startup": "starting up",
        "manager": "calling a manager",
        "idle": "idle, nothing to do",
        UNACCOUNTED: "unaccounted",
    }
)
LABEL = 20
INDENT = "  "
GAP = "  "


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give the activities: computing first, the rest by size, what is unaccounted last and always."""
    account = diagnosis.accounting
    if not account.worker_seconds > 0:
        return ["No worker's time was recorded."] if diagnosis.pools else []
    page = [pen.paint(f"Where {pen.seconds(account.worker_seconds)} of worker time went", "bold")]
    page += _bars(_ordered(account.activities), pen)
    if account.outside_pools_s > 0 and diagnosis.pools:
        outside, wall = pen.seconds(account.outside_pools_s), pen.seconds(diagnosis.run.wall_s)
        page += pen.wrap(f"Beside that, for {outside} of the {wall} there was no pool.", INDENT)
    return page


def _ordered(activities: Iterable[Activity]) -> list[Activity]:
    ranks = {COMPUTE: 0, UNACCOUNTED: 2}
    shown = (activity for activity in activities if activity.seconds or activity.name in ranks)
    return sorted(shown, key=lambda activity: (ranks.get(activity.name, 1), -activity.seconds))


def _bars(activities: list[Activity], pen: Pen) -> Iterator[str]:
    figures = [pen.seconds(activity.seconds) for activity in activities]
    percents = [numbers.share(activity.share) for activity in activities]
    figure, percent = max(map(len, figures)), max(map(len, percents))
    room = pen.width - len(INDENT) - figure - percent - 3 * len(GAP)
    labels = [_label(activity, pen, room) for activity in activities]
    label = max(map(columns, labels))
    for activity, name, seconds, part in zip(activities, labels, figures, percents, strict=True):
        bar = pen.bar(activity.share, room - label)
        gap = " " * (room - label - len(bar))
        drawn = pen.paint(bar, *_looks(activity.name)) + gap
        yield f"{INDENT}{pad(name, label)}{GAP}{drawn}{GAP}{seconds:>{figure}}{GAP}{part:>{percent}}"


def _label(activity: Activity, pen: Pen, room: int) -> str:
    return pen.text(PLAIN_WORDS.get(activity.name, activity.name.replace("_", " ")), min(LABEL, room))


def _looks(name: str) -> tuple[Look, ...]:
    return ("green",) if name == COMPUTE else ("dim",) if name == UNACCOUNTED else ("yellow",)
