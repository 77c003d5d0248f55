"""The bundled programs under ``mpdiag run``: the slow ones get their finding at its line, the fixed ones get none.

The tests' own interpreter runs all programs under all start methods, the other versions that are here under one each;
with ``MPDIAG_E2E=all`` these do all, too. ``MPDIAG_UPDATE_GOLDEN=1`` rewrites fixtures/golden.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.conftest import available_interpreters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = CHECKOUT / "fixtures/programs"
GOLDEN = CHECKOUT / "fixtures/golden"
UPDATE = bool(os.environ.get("MPDIAG_UPDATE_GOLDEN"))
METHODS = ("fork", "spawn", "forkserver")
PAIRS = sorted(path.stem.removesuffix("_slow") for path in PROGRAMS.glob("*_slow.py"))
TRIES = 3
"""Runs of a program before its test fails: others may keep the machine so busy that nothing can be told of its time."""
PATIENCE_S = 20.0
LOOK_S = 0.5
BUSY_PERCENT = 40.0
"""Below this, of all processors, the programs have the machine nearly to themselves."""
UNACCOUNTED = 0.05
"""The most of the worker-seconds that may stay unexplained."""


@dataclass(frozen=True)
class Diagnosed:
    """A program's output and its diagnosis."""

    stdout: str
    document: Mapping[str, Any]

    @property
    def problems(self) -> list[Mapping[str, Any]]:
        """The findings above info."""
        return [finding for finding in self.document["findings"] if finding["severity"] != "info"]

    @property
    def explained(self) -> bool:
        """Whether nearly all worker-seconds are accounted for."""
        return bool(self.document["accounting"]["shares"]["unaccounted"] < UNACCOUNTED)


def settings() -> Iterator[tuple[str, str]]:
    """Every version and start method to run the programs with."""
    own = "{}.{}".format(*sys.version_info)
    for place, version in enumerate(available_interpreters()):
        every = version == own or os.environ.get("MPDIAG_E2E") == "all"
        yield from ((version, method) for method in (METHODS if every else (METHODS[place % len(METHODS)],)))


each_setting = pytest.mark.parametrize(("version", "method"), list(settings()))
each_pair = pytest.mark.parametrize("pair", PAIRS)


def diagnosed(program: str, version: str, method: str, directory: Path) -> Diagnosed:
    """Run a program under mpdiag."""
    source = PROGRAMS / f"{program}.py"
    interpreter = available_interpreters()[version]
    if "import numpy" in source.read_text(encoding="utf-8") and not has_numpy(interpreter):
        pytest.skip(f"Python {version} has no numpy here")
    report = directory / "report.json"
    options = ["--quiet", "--force", "--json", str(report), "--python", interpreter]
    command = [sys.executable, "-m", "mpdiag", "run", *options, str(source), method]
    finished = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return Diagnosed(finished.stdout, json.loads(report.read_text(encoding="utf-8")))


@lru_cache
def has_numpy(interpreter: str) -> bool:
    asked = subprocess.run([interpreter, "-c", "import numpy"], capture_output=True, check=False)
    return asked.returncode == 0


def await_calm(attempt: int) -> None:
    """Wait, before another attempt, until other programs leave a processor free, or for ``PATIENCE_S``."""
    deadline = time.monotonic() + PATIENCE_S * bool(attempt)
    while time.monotonic() < deadline and psutil.cpu_percent(LOOK_S) > BUSY_PERCENT:
        pass


def give_up_where_busy(run: Diagnosed) -> None:
    """Skip where other programs still have the processors: what a change would save cannot be judged there.

    What does not depend on time is judged all the same.
    """
    assert run.document["failed"] == []
    assert run.document["losses"] == []
    assert run.document["run"]["complete"]
    if psutil.cpu_percent(LOOK_S) > BUSY_PERCENT:
        pytest.skip("other programs keep the processors busy")


@each_setting
@each_pair
def test_slow_program_gets_its_finding(pair, version, method, tmp_path):
    rule, line = expectation(pair)
    for attempt in range(TRIES):
        await_calm(attempt)
        run = diagnosed(f"{pair}_slow", version, method, tmp_path)
        if run.explained and [problem["rule"] for problem in run.problems] == [rule]:
            break
    else:
        assert (rule, line) in [(found["rule"], found["site"]["line"]) for found in run.document["findings"]]
        give_up_where_busy(run)
    (finding,) = run.problems
    assert finding["rule"] == rule
    assert finding["site"]["file"] == str(PROGRAMS / f"{pair}_slow.py")
    assert finding["site"]["line"] == line
    assert_whole(run)
    assert_golden(f"{pair}_slow", run)


@each_setting
@each_pair
def test_fixed_program_is_healthy(pair, version, method, tmp_path):
    for attempt in range(TRIES):
        await_calm(attempt)
        run = diagnosed(f"{pair}_fixed", version, method, tmp_path)
        if run.explained and not run.problems:
            break
    else:
        give_up_where_busy(run)
    assert [(problem["rule"], problem["title"]) for problem in run.problems] == []
    assert_whole(run)
    assert_golden(f"{pair}_fixed", run)


@each_pair
def test_slow_and_fixed_program_print_the_same(pair):
    outputs = [
        subprocess.run([sys.executable, PROGRAMS / f"{pair}_{kind}.py"], capture_output=True, check=True).stdout
        for kind in ("slow", "fixed")
    ]
    assert outputs[0] == outputs[1] != b""


def expectation(pair: str) -> tuple[str, int]:
    """The rule that a slow program is about, and its line."""
    lines = (PROGRAMS / f"{pair}_slow.py").read_text(encoding="utf-8").splitlines()
    ((line, rule),) = [
        (number, found[1]) for number, text in enumerate(lines, 1) if (found := re.search(r"# expect: (\S+)$", text))
    ]
    return rule, line


def assert_whole(run: Diagnosed) -> None:
    """What holds for every run: nothing failed or was lost, all time is explained, and every snippet is Python."""
    assert run.document["failed"] == []
    assert run.document["losses"] == []
    assert run.document["run"]["complete"]
    assert run.explained
    for finding in run.document["findings"]:
        ast.parse(finding["fix"]["snippet"])


def assert_golden(program: str, run: Diagnosed) -> None:
    """Compare what does not depend on the machine, the start method or the Python with the golden file."""
    scrubbed = {
        "tasks": run.document["run"]["tasks"],
        "items": run.document["run"]["items"],
        "pools": [
            {name: pool[name] for name in ("kind", "count", "workers", "tasks", "items", "round_trips")}
            | {"line": pool["site"]["line"], "function": pool["site"]["function"]}
            for pool in run.document["pools"]
        ],
        "channels": sorted(
            (channel["site"]["line"], channel["kind"], channel["operation"], channel["count"])
            for channel in run.document["channels"]
        ),
        "findings above info": [{"rule": problem["rule"], "line": problem["site"]["line"]} for problem in run.problems],
        "skipped": [skipped["rule"] for skipped in run.document["skipped"]],
    }
    path = GOLDEN / f"{program}.json"
    if UPDATE:
        path.write_text(json.dumps(scrubbed, indent=2) + "\n", encoding="utf-8")
    assert json.loads(json.dumps(scrubbed)) == json.loads(path.read_text(encoding="utf-8"))


def test_no_golden_file_is_left_over():
    programs = {path.stem for path in PROGRAMS.glob("*.py")}
    assert {path.stem for path in GOLDEN.glob("*.json")} == programs
