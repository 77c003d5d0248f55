"""One line to the user, on stderr."""

from __future__ import annotations

import sys


def say(message: str) -> None:
    """Write ``mpdiag: message`` to stderr."""
    write(f"mpdiag: {message}\n")


def write(text: str) -> None:
    """Write to stderr; nobody listens where it is closed, and that must not change how mpdiag ends."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except (OSError, ValueError):
        sys.stderr = None
