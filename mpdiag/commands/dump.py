"""``mpdiag dump``: what was recorded, as text, record by record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

HELP = "print the records of a run as text"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", metavar="RUN", help="what mpdiag run -o wrote")


def run(args: argparse.Namespace) -> int:
    """Print every segment of the run."""
    from mpdiag.trace.reader import read_trace  # noqa: PLC0415 - numpy, which mpdiag --help does without
    from mpdiag.trace.text import dump  # noqa: PLC0415

    for line in dump(read_trace(args.run)):
        sys.stdout.write(f"{line}\n")
    return 0
