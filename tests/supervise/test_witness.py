from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

# Runs in a process group of its own, with the signals blocked as the supervisor has them.
GROUP = """
import os, signal, sys
from mpdiag.supervise.witness import Witness

signals = {signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
witness = Witness()
answers = []
for how, number in [pair.split("/") for pair in sys.argv[1].split()]:
    (os.killpg if how == "group" else os.kill)(os.getpid(), int(number))
    received = signal.sigwaitinfo(signals)
    answers.append(witness.saw(received.si_signo))
witness.close()
print(*answers)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child is left")
"""
FIRST, SECOND = int(signal.SIGUSR1), int(signal.SIGUSR2)


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (f"alone/{FIRST}", "False"),
        (f"group/{FIRST}", "True"),
        (f"group/{FIRST} alone/{FIRST}", "True False"),
        (f"group/{FIRST} group/{FIRST} alone/{SECOND}", "True True False"),
        (f"alone/{FIRST} group/{SECOND} alone/{SECOND}", "False True False"),
    ],
)
def test_group_and_single_signals_are_told_apart(sent, answers):
    finished = subprocess.run(
        [sys.executable, "-c", GROUP, sent], capture_output=True, text=True, check=True, start_new_session=True
    )

    assert finished.stdout.splitlines() == [answers, "no child is left"]


def test_two_signals_at_once_are_both_remembered():
    script = GROUP.replace(
        "received = signal.sigwaitinfo(signals)\n    answers.append(witness.saw(received.si_signo))", "pass"
    ).replace("witness.close()", "answers = [witness.saw(signal.sigwaitinfo(signals).si_signo) for _ in range(2)]")

    finished = subprocess.run(
        [sys.executable, "-c", script, f"group/{FIRST} group/{SECOND}"],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )

    assert finished.stdout.splitlines()[0] == "True True"


def test_no_witness_sees_nothing(monkeypatch):
    from mpdiag.supervise.witness import Witness  # noqa: PLC0415

    def fork() -> int:
        raise BlockingIOError(11, os.strerror(11))

    monkeypatch.setattr(os, "fork", fork)
    witness = Witness()

    assert not witness.saw(signal.SIGTERM)
    witness.close()
