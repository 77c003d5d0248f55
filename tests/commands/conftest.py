"""``mpdiag`` as a user starts it: as a process of its own."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
DEADLINE_S = 30.0


class Started:
    """A process whose stdout is read line by line, with a deadline."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Watch over ``process``."""
        self.process = process
        self.lines: list[str] = []
        self._rest = b""

    def read_until(self, end: str) -> list[str]:
        """Read lines up to one that starts with ``end``; all lines so far."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + DEADLINE_S
        while not any(line.startswith(end) for line in self.lines):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no line {end!r} in time, but {self.lines}"
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, f"the end instead of a line {end!r}: {self.lines}"
            *whole, self._rest = (self._rest + data).split(b"\n")
            self.lines += [line.decode() for line in whole]
        return self.lines

    def end(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        return self.process.wait(DEADLINE_S)


class Mpdiag:
    """Starts ``mpdiag`` with a directory for temporary files of its own, in which it must leave nothing behind."""

    PIPE = subprocess.PIPE

    def __init__(self, directory: Path) -> None:
        """Let programs run in ``directory``."""
        self.directory = directory
        self.temporary = directory / "temporary"
        self.temporary.mkdir()
        self.started: list[Started] = []

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs, with and without mpdiag."""
        return {**os.environ, "TMPDIR": str(self.temporary), "PYTHONPATH": str(CHECKOUT)}

    def command(self, *arguments: str) -> list[str]:
        """The command line of mpdiag with these arguments."""
        return [sys.executable, "-m", "mpdiag", *arguments]

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
        """Run mpdiag to its end."""
        return self.bare(*self.command(*arguments), **options)

    def bare(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
        """Run any command to its end, under the same conditions."""
        settings = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
        return subprocess.run(  # noqa: PLW1510 - it is among the settings
            command,
            **{
                "cwd": self.directory,
                "env": self.environment,
                "capture_output": True,
                "text": True,
                "check": False,
                "timeout": DEADLINE_S,
                **settings,
                **options,
            },
        )

    def start(self, *command: str, **options: Any) -> Started:  # noqa: ANN401
        """Start a command in a process group of its own, with its stdout to be read."""
        process = subprocess.Popen(
            command,
            **{
                "cwd": self.directory,
                "env": self.environment,
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.DEVNULL,
                "start_new_session": True,
                **options,
            },
        )
        self.started.append(Started(process))
        return self.started[-1]

    def stop(self) -> None:
        """End what a failed test has left running."""
        for started in self.started:
            if started.process.poll() is None:
                os.killpg(started.process.pid, signal.SIGKILL)
            started.process.wait()
            if started.process.stdout is not None:
                started.process.stdout.close()


@pytest.fixture
def mpdiag(tmp_path: Path) -> Iterator[Mpdiag]:
    """Give mpdiag as a command."""
    command = Mpdiag(tmp_path)
    yield command
    command.stop()
