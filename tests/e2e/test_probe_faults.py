"""Whatever fails in the probe, the program goes on as bare, and the failure is named."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.faults import faulty_copy
from tests.e2e.running import DEADLINE_S, PROGRAMS, Outcome, Recorded

GUARDS = {
    "probe.awaiting:Finder.find_spec",
    "probe.awaiting:_apply",
    "probe.feeding:Buffer.__len__",
    "probe.feeding:Buffer.popleft",
    "probe.ledger:Ledger.fail",
    "probe.runtimes.futures:Executors._ended",
    "probe.runtimes.spawn:Stowaway.__reduce__",
    "probe.session:Session.fail",
    "probe.session:Session.forked",
    "probe.working:Loop._begins",
    "probe.working:Loop.fail",
}
"""Functions that stand in for the program's, or catch the failures of others: they must not fail at their start."""
OFTEN = 20
"""What is called more often than this is also made to fail later on, when it has worked for a while."""


class Faults:
    """Runs programs/faulty.py with a copy of the probe in which one function fails."""

    def __init__(self, directory: Path) -> None:
        """Make the copy."""
        self.directory = directory
        self.inject = directory / "mpdiag" / "probe" / "inject"
        self.names = faulty_copy(directory)
        self.program = [sys.executable, str(PROGRAMS / "faulty.py")]
        self.bare = self._run({}, "fork"), self._run({}, "spawn")

    def calls(self) -> Counter[str]:
        """How often each function is called when none fails."""
        outcome, recorded = self.run("none", 0)
        assert outcome == self.bare[1]
        assert recorded.faults == []
        return Counter((recorded.path / "log").read_text().split())

    def run(self, name: str, after: int) -> tuple[Outcome, Recorded]:
        """Let this function fail at every call but the first ``after``."""
        place = Path(tempfile.mkdtemp(dir=self.directory))
        (place / "segments").mkdir()
        (place / "meta.json").write_text('{"format": 1}')
        fault = {"FAULT": name, "FAULT_AFTER": str(after), "FAULT_LOG": str(place / "log")}
        outcome = self._run({"PYTHONPATH": str(self.inject), "MPDIAG_RUN": str(place), **fault}, self.method(name))
        return outcome, Recorded(place)

    @staticmethod
    def method(name: str) -> str:
        """The start method that comes across this function."""
        return "spawn" if "spawn" in name or name == "none" else "fork"

    def expected(self, name: str) -> Outcome:
        """The outcome of the bare run."""
        return self.bare[self.method(name) == "spawn"]

    def _run(self, environment: dict[str, str], method: str) -> Outcome:
        try:
            done = subprocess.run(
                [*self.program, method], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False, timeout=DEADLINE_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            return Outcome(-1, str(error.stdout), f"hangs: {error.stderr!r}")
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def faults(tmp_path_factory) -> Faults:
    return Faults(tmp_path_factory.mktemp("faults"))


@pytest.mark.timeout(300)
def test_no_failure_of_the_probe_reaches_the_program(faults):
    calls = faults.calls()
    cases = [(name, 0) for name in calls] + [(name, 3) for name, count in calls.items() if count > OFTEN]
    cases = [case for case in cases if case[0] not in GUARDS]
    assert len(cases) > 100

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(lambda case: faults.run(*case)[0], cases))

    harmed = {
        case: outcome for case, outcome in zip(cases, outcomes, strict=True) if outcome != faults.expected(case[0])
    }
    assert harmed == {}


@pytest.mark.parametrize(
    "name",
    [
        "probe.ledger:Ledger.submitted",
        "probe.ledger:Ledger.__init__",
        "probe.sending:Sender.timed",
        "probe.collecting:Collector.timed",
        "probe.working:Loop._record",
        "probe.weigh:Weigher._weigh",
        "probe.runtimes.pool:install",
        "probe.runtimes.futures:Executors.__init__",
        "probe.runtimes.process:_ready",
        "probe.runtimes.launching:_start",
    ],
)
def test_a_failure_of_the_probe_is_named(faults, name):
    _, recorded = faults.run(name, 1 if "timed" in name else 0)

    assert any("injected" in why for _what, why in recorded.faults)


def test_guards_are_functions_of_the_probe(faults):
    assert set(faults.names) >= GUARDS
