"""mpdiag's own errors: one line that says what is wrong and what to do, and the exit status that goes with it."""

from __future__ import annotations

EXIT_USAGE = 2
"""Exit status of mpdiag's own errors, as argparse's."""
EXIT_FINDINGS = 3
"""Exit status when ``--fail-on`` is met and the program itself succeeded."""


class MpdiagError(Exception):
    """An error for the user: ``str(error)`` is one line, what is wrong and what to do."""

    exit_code = EXIT_USAGE
