"""The first lines: is it worth having the processes, what would it take without them, what to change first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mpdiag.reporters.derived import problems
from mpdiag.reporters.table import hanging
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

    from mpdiag.diagnosis import Diagnosis
    from mpdiag.reporters.pen import Pen

INDENT = "  "
CUT_OFF = "Cut off, or still running: the figures cover what had been recorded by then."


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give the headline and its figures."""
    page = [pen.paint(line, "bold") for line in pen.wrap(diagnosis.verdict.headline)]
    if not diagnosis.run.complete:
        page += [pen.paint(line, "yellow") for line in pen.wrap(CUT_OFF)]
    page += hanging(list(_figures(diagnosis, pen)), pen, INDENT)
    return page + [pen.paint(line, "green") for line in _first_change(diagnosis, pen)]


def _figures(diagnosis: Diagnosis, pen: Pen) -> Iterator[tuple[str, str, str]]:
    verdict = diagnosis.verdict
    yield "took", pen.seconds(diagnosis.run.wall_s), _work(diagnosis)
    if _known(verdict.serial_estimate_s):
        factor = verdict.speedup_vs_serial
        speed = f"in one process: the speed-up is {numbers.ratio(factor)}" if _known(factor) else "in one process"
        yield "serial", f"about {pen.seconds(verdict.serial_estimate_s)}", speed
    if _known(verdict.best_predicted_s) and any(finding.savings for finding in problems(diagnosis)):
        yield "possible", f"about {pen.seconds(verdict.best_predicted_s)}", "with the changes below"
    if verdict.bottleneck:
        yield "busiest", "", verdict.bottleneck


def _first_change(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Say the one thing to do first, for those who read no further."""
    found = problems(diagnosis)
    if not found or not found[0].savings:
        return []
    place = f" at {pen.site(found[0].site, pen.width // 2)}" if found[0].site else ""
    saves = pen.span(found[0].savings.low, found[0].savings.high)
    return pen.wrap(f"First change, to save {saves}{place}: {found[0].fix.summary}", INDENT, INDENT * 2)


def _work(diagnosis: Diagnosis) -> str:
    run = diagnosis.run
    started = diagnosis.accounting.worker_seconds > 0
    if not run.tasks and (diagnosis.pools or not started):
        return "no task was given to a pool or executor"
    tasks = f"{numbers.count(run.tasks)} {'task' if run.tasks == 1 else 'tasks'}" if run.tasks else "no pool"
    if run.items != run.tasks:
        tasks += f" of {numbers.count(run.items)} items"
    processes = f"{numbers.count(run.processes)} {'process' if run.processes == 1 else 'processes'}"
    cpus = f"{numbers.count(run.cpus_usable)} {'CPU' if run.cpus_usable == 1 else 'CPUs'}"
    return f"{tasks}, {processes}, {cpus}"


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
