"""``mpdiag report``: report on a recorded run, also while it is still being recorded."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mpdiag.supervise.output import check_writable, write_file

if TYPE_CHECKING:
    import argparse

HELP = "report on a recorded run, finished or not"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", metavar="RUN", help="what mpdiag run -o wrote")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text (default) or json")
    parser.add_argument("-o", dest="output", metavar="FILE", help="write the report to this file instead of stdout")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")


def run(args: argparse.Namespace) -> int:
    """Read the run and write its report."""
    # numpy and the models, which mpdiag --help does without
    from mpdiag.engine import diagnose  # noqa: PLC0415
    from mpdiag.model.build import build_run  # noqa: PLC0415
    from mpdiag.reporters.formats import FORMATS  # noqa: PLC0415
    from mpdiag.reporters.style import Style, for_stream  # noqa: PLC0415
    from mpdiag.supervise.rundir import current_directory  # noqa: PLC0415
    from mpdiag.trace.reader import read_trace  # noqa: PLC0415

    output = check_writable(args.output, force=args.force) if args.output else None
    diagnosis = diagnose(build_run(read_trace(args.run)))
    style = Style() if output else for_stream(sys.stdout, os.environ, current_directory())
    text = FORMATS[args.format].render(diagnosis, style)
    if output:
        write_file(output, text)
    else:
        sys.stdout.write(text)
    return 0
