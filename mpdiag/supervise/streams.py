"""The descriptors that mpdiag shares with the target: taken care of at the start, let go once the target has them."""

from __future__ import annotations

import os
from pathlib import Path

LAST_STREAM = 2
"""The descriptor of stderr."""


def reserve_streams() -> None:
    """Occupy standard streams that are closed, for this process only, so that no file of ours gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= LAST_STREAM:
        continue
    os.close(descriptor)


def release_streams() -> None:
    """Let go of what this process holds open for the target only: stdin, stdout and other inherited descriptors.

    Otherwise a pipe that the target closes would stay open, and the process at its other end would wait for ever.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in (0, 1):
        os.dup2(null, descriptor, inheritable=False)
    os.close(null)
    for link in list(Path("/proc/self/fd").iterdir()):
        descriptor = int(link.name)
        try:
            if descriptor > LAST_STREAM and os.get_inheritable(descriptor):
                os.close(descriptor)
        except OSError:
            # The descriptor that listed the directory.
            continue
