"""Starting programs under the clock: bare, with the probe alone, or under ``mpdiag run``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

from mpdiag.supervise.rundir import environment, initial_names

HERE = Path(__file__).resolve().parent
BUDGET = 0.02
"""Of ``mpdiag run`` by default."""


class FailedError(Exception):
    """A program of the benchmark failed; says how."""


@dataclass(frozen=True)
class Python:
    """An interpreter under test."""

    path: str
    version: str

    @classmethod
    def at(cls, path: str) -> Python:
        """Ask the interpreter ``path``, or of that name on PATH, for its version; FailedError when there is none."""
        found = os.path.abspath(shutil.which(path) or path)  # noqa: PTH100 - resolving would leave its environment
        script = "import sys; print('{}.{}.{}'.format(*sys.version_info))"
        try:
            asked = subprocess.run([found, "-c", script], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            message = f"{path} is no Python: {error}"
            raise FailedError(message) from error
        return cls(found, asked.stdout.strip())


@dataclass(frozen=True)
class Ran:
    """One execution: seconds of wall clock and of CPU (all processes waited for), and what it printed."""

    wall: float
    cpu: float
    said: str


def launch(command: list[str], variables: dict[str, str]) -> Ran:
    """Run a command as ``mpdiag run`` starts its target, by ``posix_spawn``; FailedError unless it succeeds."""
    with tempfile.TemporaryFile() as output:
        to_file = [(os.POSIX_SPAWN_DUP2, output.fileno(), 1)]
        begin = perf_counter_ns()
        pid = os.posix_spawnp(command[0], command, variables, file_actions=to_file)
        _, status, usage = os.wait4(pid, 0)
        end = perf_counter_ns()
        if status:
            message = f"{' '.join(command)} failed with {os.waitstatus_to_exitcode(status)}"
            raise FailedError(message)
        output.seek(0)
        said = output.read().decode()
    return Ran((end - begin) / 1e9, usage.ru_utime + usage.ru_stime, said)


def bare(command: list[str]) -> Ran:
    """Run a command without mpdiag."""
    return launch(command, dict(os.environ))


def probed(command: list[str], directory: Path, budget: float = BUDGET) -> Ran:
    """Run a command with the probe in its environment and nobody beside it, recording into ``directory``."""
    (directory / "segments").mkdir(parents=True)
    (directory / "meta.json").write_text('{"format": 1}', encoding="ascii")
    return launch(command, environment(os.environ, initial_names(), str(directory), budget))


def mpdiag(*arguments: str) -> Ran:
    """Run this checkout's mpdiag with the Python of this script; the checkout must be the current directory."""
    return launch([sys.executable, "-m", "mpdiag", *arguments], dict(os.environ))
