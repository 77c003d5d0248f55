# ruff: noqa: T201 - a program may print
"""Says which signals arrive, one line each, until SIGTERM; then ends with the status given."""

from __future__ import annotations

import os
import signal
import sys

HANDLED = {
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
}

signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED | {signal.SIGTERM})
print("ready", os.getpid(), flush=True)
while (number := signal.sigwait(HANDLED | {signal.SIGTERM})) != signal.SIGTERM:
    print(signal.Signals(number).name, flush=True)
sys.exit(int(sys.argv[1]))
