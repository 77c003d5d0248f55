"""Signals reach the program under ``mpdiag run`` once, whoever they were sent to, and job control works."""

from __future__ import annotations

import os
import pty
import signal
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
COUNTING = str(PROGRAMS / "counting.py")
RELAYED = ["SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGWINCH", "SIGCONT"]


@pytest.mark.parametrize(
    ("name", "whom"),
    [(name, whom) for name in RELAYED for whom in ("mpdiag", "group")]
    # As timeout(1) does; two other signals in a row may well be meant as two.
    + [(name, "both") for name in ("SIGINT", "SIGHUP", "SIGQUIT")],
)
def test_signal_arrives_once(mpdiag, name, whom):
    # However slow the machine: the group's signal comes within the time of grace.
    patient = "from mpdiag import cli; from mpdiag.supervise import launch; launch.GRACE_S = 1; exit(cli.main())"
    command = [sys.executable, "-c", patient] if whom == "both" else mpdiag.command()
    started = mpdiag.start(*command, "run", "--quiet", COUNTING, "5")
    started.read_until("ready")
    number = signal.Signals[name]

    if whom in {"mpdiag", "both"}:
        os.kill(started.process.pid, number)
    if whom in {"group", "both"}:
        os.killpg(started.process.pid, number)
    started.read_until(name)
    # What is sent to mpdiag alone after that arrives after all that was sent before.
    os.kill(started.process.pid, signal.SIGUSR2)
    lines = started.read_until("SIGUSR2")

    assert lines[1:] == [name, "SIGUSR2"]
    os.kill(started.process.pid, signal.SIGTERM)
    assert started.end() == 5


def test_target_can_be_signalled_itself(mpdiag):
    started = mpdiag.start(*mpdiag.command("run", "--quiet", COUNTING, "0"))
    _ready, pid = started.read_until("ready")[0].split()

    os.kill(int(pid), signal.SIGTERM)

    assert started.end() == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGALRM"])
def test_death_by_a_relayed_signal_is_passed_on(mpdiag, name):
    program = f"import signal; signal.signal({name}, signal.SIG_DFL); print('ready', flush=True); signal.pause()"
    started = mpdiag.start(*mpdiag.command("run", "--quiet", "-c", program.replace(name, f"signal.{name}")))
    started.read_until("ready")

    os.kill(started.process.pid, signal.Signals[name])

    assert started.end() == -signal.Signals[name]


def test_shell_shows_the_signal(mpdiag):
    program = "import os; os.kill(os.getpid(), 9)"

    run = mpdiag.bare("sh", "-c", '"$@"; echo status $?', "sh", *mpdiag.command("run", "--quiet", "-c", program))

    assert run.stdout == "status 137\n"


@pytest.fixture
def terminal(mpdiag):
    """A terminal, and a function that starts a command in it as its controlling terminal's foreground job."""
    controller, terminal = pty.openpty()

    def start(*command: str):
        opening = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execv(sys.argv[1], sys.argv[1:])"
        shell = [sys.executable, str(PROGRAMS / "shell.py")]
        return mpdiag.start(sys.executable, "-c", opening, *shell, *command, stdin=terminal)

    yield controller, start
    os.close(controller)
    os.close(terminal)


@pytest.mark.parametrize("mpdiag_runs_it", [False, True], ids=["bare", "run"])
def test_interrupt_key_arrives_once(mpdiag, terminal, mpdiag_runs_it):
    controller, start = terminal
    prefix = mpdiag.command("run", "--quiet") if mpdiag_runs_it else [sys.executable]
    started = start(*prefix, COUNTING, "5")
    ready = started.read_until("ready")[0]

    os.write(controller, b"\x03")
    started.read_until("SIGINT")
    os.write(controller, b"\x1c")
    started.read_until("SIGQUIT")
    os.kill(int(ready.split()[1]), signal.SIGTERM)

    assert started.read_until("ended")[1:] == ["SIGINT", "SIGQUIT", "ended with 5"]


@pytest.mark.parametrize("mpdiag_runs_it", [False, True], ids=["bare", "run"])
def test_interrupt_key_kills(mpdiag, terminal, mpdiag_runs_it):
    controller, start = terminal
    prefix = mpdiag.command("run", "--quiet") if mpdiag_runs_it else [sys.executable]
    started = start(*prefix, "-c", "import signal; print('ready', flush=True); signal.pause()")
    started.read_until("ready")

    os.write(controller, b"\x03")

    assert started.read_until("ended")[-1] == f"ended with {-signal.SIGINT}"


@pytest.mark.parametrize("mpdiag_runs_it", [False, True], ids=["bare", "run"])
def test_suspend_key_stops_the_job_each_time(mpdiag, terminal, mpdiag_runs_it):
    controller, start = terminal
    prefix = mpdiag.command("run", "--quiet") if mpdiag_runs_it else [sys.executable]
    program = "print('ready', flush=True)\nfor _ in range(3): print('read', input(), flush=True)"
    started = start(*prefix, "-c", program)
    started.read_until("ready")

    for round_number in ("first", "second", "third"):
        os.write(controller, b"\x1a")
        started.read_until("stopped by SIGTSTP")
        started.lines.clear()
        os.write(controller, round_number.encode() + b"\n")
        started.read_until(f"read {round_number}")

    assert started.read_until("ended")[-1] == "ended with 0"


def test_program_that_refuses_to_be_suspended_goes_on(mpdiag, terminal):
    controller, start = terminal
    program = (
        "import signal; signal.signal(signal.SIGTSTP, lambda *_: print('no', flush=True)); print('ready', flush=True)"
    )
    started = start(*mpdiag.command("run", "--quiet"), "-c", f"{program}; print('read', input())")
    started.read_until("ready")

    os.write(controller, b"\x1a")
    started.read_until("no")
    os.write(controller, b"on\n")

    assert started.read_until("ended")[-2:] == ["read on", "ended with 0"]


def test_program_that_was_stopped_from_outside_can_be_continued_there(mpdiag):
    started = mpdiag.start(*mpdiag.command("run", "--quiet", COUNTING, "0"))
    pid = int(started.read_until("ready")[0].split()[1])

    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)
    started.read_until("SIGCONT")
    os.kill(pid, signal.SIGTERM)

    assert started.end() == 0
