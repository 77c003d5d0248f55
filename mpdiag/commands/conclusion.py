"""After the target's end: save the run, build the report, deliver it. Imports numpy and all the models."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from mpdiag.commands.message import write
from mpdiag.engine import diagnose
from mpdiag.model.build import build_run
from mpdiag.model.run import Loss
from mpdiag.reporters.formats import FORMATS
from mpdiag.reporters.style import Style, for_stream
from mpdiag.supervise.output import write_file
from mpdiag.trace.packing import pack
from mpdiag.trace.reader import read_trace

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from mpdiag.diagnosis import Diagnosis

SEVERITIES = ("high", "medium", "low", "info")


def save(directory: str, run_file: str) -> None:
    """Pack the run directory into the user's run file; MpdiagError when that fails."""
    pack(directory, run_file)


def report(args: argparse.Namespace, directory: str, lost: Sequence[tuple[str, str]]) -> bool:
    """Diagnose the run in ``directory`` and deliver the report as ``args`` ask for; is ``--fail-on`` met?

    ``lost`` is what was lost on mpdiag's side and could not be recorded: what, and why.
    """
    run = build_run(read_trace(directory))
    run = replace(run, losses=(*run.losses, *(Loss(what, why) for what, why in lost)))
    diagnosis = diagnose(run)
    if not args.quiet:
        write(FORMATS[args.format].render(diagnosis, for_stream(sys.stderr, os.environ) if sys.stderr else Style()))
    if args.json:
        write_file(args.json, FORMATS["json"].render(diagnosis, Style()))
    return args.fail_on is not None and fails(diagnosis, args.fail_on)


def fails(diagnosis: Diagnosis, level: str) -> bool:
    """Is there a finding of severity ``level`` or above?"""
    failing = SEVERITIES[: SEVERITIES.index(level) + 1]
    return any(finding.severity in failing for finding in diagnosis.findings)
