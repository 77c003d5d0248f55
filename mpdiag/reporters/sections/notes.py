"""The end of the page: what was not looked at, what was not recorded, which run this is, what mpdiag itself cost."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mpdiag.reporters.derived import overhead_share
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from mpdiag.diagnosis import Diagnosis, RunSummary
    from mpdiag.model.run import Loss
    from mpdiag.reporters.pen import Pen

MOST = 20
NAMED = 3
"""Skipped rules that are named; more are counted."""
BULLET = "  - "


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give skipped and failed rules, losses, the run and the overhead."""
    page = [*_failed(diagnosis, pen), *_skipped(diagnosis, pen), *lost(diagnosis, pen)]
    return [*page, *pen.wrap(_run(diagnosis.run), "", "  "), *pen.wrap(_overhead(diagnosis, pen), "", "  ")]


def lost(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give what could not be recorded, and why."""
    losses = diagnosis.losses
    if not losses:
        return []
    page = [pen.paint("Not recorded:", "yellow")]
    for loss in losses[:MOST]:
        page += pen.wrap(_loss(loss), BULLET)
    if len(losses) > MOST:
        page += pen.wrap(f"and {numbers.count(len(losses) - MOST)} more in the JSON report", BULLET)
    return page


def _loss(loss: Loss) -> str:
    times = f" ({numbers.count(loss.count)} times)" if loss.count != 1 else ""
    return f"{loss.what}: {loss.why}{times}"


def _failed(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    page: list[str] = []
    for failed in diagnosis.failed[:MOST]:
        text = f"The rule {failed.rule} failed, a defect of mpdiag: {failed.error}"
        page += [pen.paint(line, "red") for line in pen.wrap(text, "", "  ")]
    return page


def _skipped(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Name the skipped rules with their reasons; of many only the reasons. Nothing where no rule could apply at all."""
    if not diagnosis.skipped or not diagnosis.pools:
        return []
    rules: dict[str, list[str]] = {}
    for skipped in diagnosis.skipped:
        rules.setdefault(skipped.reason, []).append(skipped.rule)
    if len(diagnosis.skipped) <= NAMED:
        said = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in rules.items())
    else:
        said = f"{numbers.count(len(diagnosis.skipped))} ({'; '.join(rules)}); mpdiag explain lists the rules"
    return pen.wrap(f"Rules skipped: {said}", "", "  ")


def _run(run: RunSummary) -> str:
    version = run.python if not run.python[:1].isdigit() else f"Python {run.python}"
    facts = ", ".join(fact for fact in (version, run.start_method, _exit(run.exit_status)) if fact)
    return f"This run: {' '.join(run.command)}{f' ({facts})' if facts else ''}"


def _exit(status: int | None) -> str:
    if status is None:
        return "end not seen"
    if status >= 0:
        return f"exit status {status}" if status else ""
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _overhead(diagnosis: Diagnosis, pen: Pen) -> str:
    overhead = diagnosis.overhead
    own = f"{pen.seconds(overhead.seconds)} over all processes ({numbers.share(overhead_share(diagnosis))})"
    return f"mpdiag's own cost: {own}, {numbers.size(overhead.trace_bytes)} of trace"
