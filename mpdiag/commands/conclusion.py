"""After the target's end: save the run, diagnose it, judge it, deliver the report. Imports numpy and all the models."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mpdiag.commands.message import write
from mpdiag.diagnosis import SEVERITY_FROM
from mpdiag.engine import diagnose
from mpdiag.model.build import build_run
from mpdiag.model.run import Loss
from mpdiag.reporters.formats import FORMATS
from mpdiag.reporters.style import Style, for_stream
from mpdiag.supervise.output import write_file
from mpdiag.supervise.rundir import current_directory
from mpdiag.trace.packing import pack
from mpdiag.trace.reader import read_trace
from mpdiag.trace.source import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from mpdiag.diagnosis import Diagnosis
    from mpdiag.trace.segment import Trace


@dataclass(frozen=True, slots=True)
class Judged:
    """What the diagnosis of a run is worth: ``unknown`` is why it can say nothing about the program, mostly empty."""

    diagnosis: Diagnosis
    unknown: str

    def fails(self, level: str) -> bool:
        """Is there a finding of severity ``level`` or above?"""
        levels = list(SEVERITY_FROM)
        failing = levels[: levels.index(level) + 1]
        return any(finding.severity in failing for finding in self.diagnosis.findings)


def save(directory: str, run_file: str) -> None:
    """Pack the run directory into the user's run file; MpdiagError when that fails."""
    pack(directory, run_file)


def judge(directory: str, lost: Sequence[tuple[str, str]]) -> Judged:
    """Diagnose the run in ``directory``.

    ``lost`` is what was lost on mpdiag's side and could not be recorded: what, and why.
    """
    trace = read_trace(directory)
    run = build_run(trace)
    run = replace(run, losses=(*run.losses, *(Loss(what, why) for what, why in lost)))
    diagnosis = diagnose(run)
    return Judged(diagnosis, shown(_unseen(trace) or _unchecked(diagnosis)))


def deliver(args: argparse.Namespace, diagnosis: Diagnosis) -> None:
    """Write the report where ``args`` ask for it; MpdiagError when its file cannot be written."""
    if not args.quiet:
        style = for_stream(sys.stderr, os.environ, current_directory()) if sys.stderr else Style()
        write(FORMATS[args.format].render(diagnosis, style))
    if args.json:
        write_file(args.json, FORMATS["json"].render(diagnosis, Style()))


def _unseen(trace: Trace) -> str:
    """Why the program itself was not recorded; empty when it was."""
    if trace.meta["uninstrumented"]:
        return str(trace.meta["uninstrumented"][0])
    recorded = {header.pid for header in trace.headers if header.cause != "supervisor" and not header.fault}
    if recorded and (trace.meta["pid"] in recorded or not trace.notes):
        return ""
    return trace.notes[0] if trace.notes else "no Python process was recorded"


def _unchecked(diagnosis: Diagnosis) -> str:
    return f"the rule {diagnosis.failed[0].rule} failed" if diagnosis.failed else ""
