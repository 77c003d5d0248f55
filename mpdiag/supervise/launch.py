"""Start the target as an ordinary child, stand between it and the signals, and see how it ends.

The target gets the environment, terminal, process group, signal mask and dispositions that it would have without
mpdiag. All signals are blocked here before it starts and taken one by one with ``sigtimedwait``: none is lost.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mpdiag.supervise.spawn import spawn
from mpdiag.supervise.witness import JOB_STOPS, Witness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mpdiag.supervise.target import Target

SI_KERNEL = 0x80
"""``si_code`` of a signal that the kernel sent, for instance the terminal on Ctrl-C: it goes to the whole group."""
OWN = {
    signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS,
    signal.SIGTRAP, signal.SIGPROF, signal.SIGVTALRM, signal.SIGXCPU, signal.SIGXFSZ, signal.SIGPIPE,
}  # fmt: skip
"""Signals that cannot be taken, or that speak of mpdiag's own execution."""
TAKEN = frozenset(signal.valid_signals()) - OWN
REQUESTS_TO_END = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
GRACE_S = 0.005
"""``timeout`` and friends signal the pid and then its group: waiting this long makes the two one, as they are to a
program that runs alone."""


class Watch(Protocol):
    """Looks at the target from time to time."""

    def begin(self, pid: int, perf_ns: int) -> None:
        """The target has this pid; it was launched at this ``perf_counter_ns``. Must not raise."""

    def look(self) -> float:
        """Look once; the seconds until the next look. Must not raise."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the target ended; ``status`` is the wait status, ``cpu_ns`` and ``maxrss`` (bytes) include its children."""

    status: int
    perf_ns: int
    cpu_ns: int
    maxrss: int

    @property
    def exit_code(self) -> int:
        """The exit code, or the negative number of the signal that killed it."""
        return os.waitstatus_to_exitcode(self.status)


def supervise(target: Target, environment: Mapping[str, str], watch: Watch, first_look_s: float) -> Ended:
    """Run the target to its end, relaying signals; MpdiagError when it cannot be started."""
    original = signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
    try:
        with closing(Witness()) as witness:
            launched = time.perf_counter_ns()
            pid = spawn(target, environment, original)
            # Ignored, it would make the kernel reap the target; only now, since the target inherits what is ignored.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            watch.begin(pid, launched)
            return _Supervision(pid, witness).wait(watch, first_look_s)
    finally:
        # What was sent to the program that has just ended must not now hit mpdiag.
        while signal.sigtimedwait(TAKEN, 0) is not None:
            continue
        signal.pthread_sigmask(signal.SIG_SETMASK, original)


class _Supervision:
    """The time between the target's start and its end."""

    def __init__(self, pid: int, witness: Witness) -> None:
        self._pid = pid
        self._witness = witness
        # By SIGSTOP: that may well be undone at the target's pid alone, so it does not stop mpdiag.
        self._stopped = False

    def wait(self, watch: Watch, first_look_s: float) -> Ended:
        due = time.monotonic() + first_look_s
        while True:
            received = signal.sigtimedwait(TAKEN, max(0.0, due - time.monotonic()))
            ended = self._reap()
            if ended is not None:
                return ended
            if received is None:
                due = watch.look() + time.monotonic()
            elif received.si_signo != signal.SIGCHLD:
                self._relay(received)

    def _reap(self) -> Ended | None:
        try:
            pid, status, usage = os.wait4(self._pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        except ChildProcessError:
            # It ended in the instant in which SIGCHLD was still ignored: nobody can say how.
            return Ended(0, time.perf_counter_ns(), 0, 0)
        if not pid:
            return None
        if os.WIFCONTINUED(status):
            self._stopped = False
        elif os.WIFSTOPPED(status):
            if os.WSTOPSIG(status) in JOB_STOPS:
                _stop(os.WSTOPSIG(status))
            else:
                self._stopped = True
        else:
            cpu = round((usage.ru_utime + usage.ru_stime) * 1e9)
            return Ended(status, time.perf_counter_ns(), cpu, usage.ru_maxrss * 1024)
        return None

    def _relay(self, received: signal.struct_siginfo) -> None:
        number = received.si_signo
        if received.si_code == SI_KERNEL:
            self._witness.saw(number)
            if number == signal.SIGTSTP and self._stopped:
                # Ctrl-Z at a target that SIGSTOP had stopped: the shell waits for mpdiag to stop, too.
                _stop(number)
            return
        if number in REQUESTS_TO_END:
            time.sleep(GRACE_S)
            while signal.sigtimedwait({number}, 0) is not None:
                continue
        if self._witness.saw(number):
            return
        try:
            os.kill(self._pid, number)
        except PermissionError:
            # The target changed its user: without mpdiag the sender would have met the same refusal.
            return


def _stop(number: int) -> None:
    """Stop this process as the target was stopped, so that the shell sees its job stop; returns once continued."""
    previous = signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    signal.signal(number, previous)


def die_by(number: int) -> int:
    """End as the target ended, by this signal, so that a shell sees it; if that fails, the exit status 128 + number."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number
