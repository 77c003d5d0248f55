"""A witness in the process group: was a signal sent to the whole group, or to mpdiag alone?

The target shares mpdiag's process group, as it would share its shell's. What ``kill %1``, ``timeout`` or a service
manager send to the group has reached the target already; to forward it as well would interrupt its clean-up a second
time. What was sent to mpdiag's pid alone must be forwarded. A signal does not say which it was, so a small forked
process with every signal blocked keeps count: what is pending there came to the group.
"""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import NoReturn

JOB_STOPS = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""What stops a job of a shell."""
PATIENCE_S = 0.1
"""How long to wait for the witness's answer (it takes 0.1 ms); without one the signal is forwarded."""
ANSWER_BYTES = 16
"""The answer is a bit mask of signal numbers, of which Linux has 64."""


class Witness:
    """The forked process. Where it cannot be had, it has seen nothing."""

    def __init__(self) -> None:
        """Start the process; every signal of interest must be blocked by now, and ``close`` be called in the end."""
        self._pid = 0
        self._ask = self._hear = -1
        self._seen = 0
        try:
            self._start()
        except OSError:
            # No process or descriptor to be had: every signal is forwarded then, at worst twice.
            self._pid = 0

    def _start(self) -> None:
        questions, self._ask = os.pipe()
        self._hear, answers = os.pipe()
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _testify(questions, answers)
        finally:
            os.close(questions)
            os.close(answers)

    def saw(self, number: int) -> bool:
        """Was this signal, just received here, sent to the whole group? To be asked once for each signal received."""
        self._seen |= self._answer()
        saw = bool(self._seen >> number & 1)
        self._seen &= ~(1 << number)
        if number == signal.SIGCONT and any(self._seen >> stop & 1 for stop in JOB_STOPS):
            # The group was stopped again meanwhile, which takes a pending SIGCONT back; to forward it would undo that.
            return True
        return saw

    def _answer(self) -> int:
        if not self._pid:
            return 0
        try:
            os.write(self._ask, b"?")
            if not select.select([self._hear], [], [], PATIENCE_S)[0]:
                return 0
            return int.from_bytes(os.read(self._hear, ANSWER_BYTES), "little")
        except OSError:
            # Somebody killed it: signals are forwarded from now on, at worst twice.
            return 0

    def close(self) -> None:
        """End the process: closing its pipe does it."""
        for descriptor in (self._ask, self._hear):
            if descriptor >= 0:
                os.close(descriptor)
        if self._pid:
            try:
                os.waitpid(self._pid, 0)
            except ChildProcessError:
                # SIGCHLD was ignored when mpdiag was started: the kernel has reaped it.
                self._pid = 0


def _testify(questions: int, answers: int) -> NoReturn:
    """The witness's life: answer each question with the signals that came in since the last one."""
    try:
        everything = signal.valid_signals()
        signal.pthread_sigmask(signal.SIG_BLOCK, everything)
        _close_all_but(questions, answers)
        while os.read(questions, 1):
            seen = 0
            while (information := signal.sigtimedwait(everything, 0)) is not None:
                seen |= 1 << information.si_signo
            os.write(answers, seen.to_bytes(ANSWER_BYTES, "little"))
    finally:
        os._exit(0)


def _close_all_but(*wanted: int) -> None:
    # Whoever reads the program's output must see its end, although this process still lives.
    for link in list(Path("/proc/self/fd").iterdir()):
        if int(link.name) not in wanted:
            try:
                os.close(int(link.name))
            except OSError:
                # The descriptor that listed the directory.
                continue
