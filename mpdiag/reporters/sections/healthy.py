"""The three lines for a program that needs no change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import SEVERITY_FROM
from mpdiag.reporters.derived import COMPUTE, UNACCOUNTED, activity_share
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from mpdiag.diagnosis import Diagnosis
    from mpdiag.reporters.pen import Pen


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give the headline, where the time went, and that nothing is worth changing: a line each."""
    account = diagnosis.accounting
    facts = (
        f"{numbers.share(activity_share(diagnosis, COMPUTE))} of {pen.seconds(account.worker_seconds)} of worker time"
        f" was computing, {numbers.share(activity_share(diagnosis, UNACCOUNTED))} is unaccounted"
    )
    threshold = f"{SEVERITY_FROM['low']:.0%}".replace("%", " %")
    advice = f"Healthy: no rule found {threshold} of {pen.seconds(diagnosis.run.wall_s)} to save"
    small = _small(diagnosis)
    return [
        pen.paint(pen.text(diagnosis.verdict.headline), "bold", "green"),
        pen.text(facts),
        pen.text(advice + small if len(advice + small) <= pen.width else advice),
    ]


def _small(diagnosis: Diagnosis) -> str:
    """Name what was left out of the three lines."""
    kinds = (("note", len(diagnosis.findings)), ("skipped rule", len(diagnosis.skipped)))
    said = [f"{number} {name}{'' if number == 1 else 's'}" for name, number in kinds if number]
    return f" ({', '.join(said)})" if said else ""
