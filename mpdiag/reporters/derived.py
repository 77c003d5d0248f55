"""What every report says beside the diagnosis' own figures, and has to say alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpdiag.diagnosis import Diagnosis, Finding

COMPUTE = "compute"
UNACCOUNTED = "unaccounted"
WORTH_IT = 1.05
"""A speed-up up to this is none: the engine's headline calls it the same speed as serial code."""


def activity_share(diagnosis: Diagnosis, name: str) -> float:
    """Give an activity's share of the worker-seconds; nothing recorded of it is none."""
    return sum(activity.share for activity in diagnosis.accounting.activities if activity.name == name)


def overhead_share(diagnosis: Diagnosis) -> float:
    """Give the recorder's own seconds as a share of all process time, the parent's and the workers'; NaN of no time.

    Both sides of the fraction are sums over processes, so that it compares with the budget, a share of one's time.
    """
    process_s = diagnosis.run.wall_s + diagnosis.accounting.worker_seconds
    return diagnosis.overhead.seconds / process_s if process_s > 0 else math.nan


def problems(diagnosis: Diagnosis) -> list[Finding]:
    """Give the findings above info, in the engine's order: by saving."""
    return [finding for finding in diagnosis.findings if finding.severity != "info"]


def is_healthy(diagnosis: Diagnosis) -> bool:
    """Tell whether the program can be called healthy: it had work for its processes, and nothing speaks against it.

    A run that was cut off, a rule that failed, no speed-up or an unknown one leave that open.
    """
    speedup = diagnosis.verdict.speedup_vs_serial
    worked = diagnosis.run.tasks > 0 or (diagnosis.accounting.worker_seconds > 0 and not diagnosis.pools)
    return (
        worked
        and diagnosis.run.complete
        and not problems(diagnosis)
        and not diagnosis.failed
        and speedup is not None
        and speedup > WORTH_IT
    )
