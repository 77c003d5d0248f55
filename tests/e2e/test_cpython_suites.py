"""A taste of ``scripts/compat``: CPython's own tests of pools come out alike without and with mpdiag."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMPAT = Path(__file__).parents[2] / "scripts" / "compat"


def compat(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(COMPAT), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", autouse=True)
def _cpython_tests() -> None:
    if importlib.util.find_spec("test") is None or importlib.util.find_spec("test._test_multiprocessing") is None:
        pytest.skip("this Python was installed without its test package")


@pytest.mark.parametrize(
    ("suite", "tests"), [("fork", "WithProcessesTestPool."), ("spawn", "WithProcessesTestPoolWorkerLifetime.")]
)
def test_pool_tests_have_the_same_outcome(suite, tests):
    compared = compat("--suite", suite, "--filter", tests)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    # Not in vain: the tests ran, and mpdiag saw their processes
    (row,) = re.findall(rf"{suite} +(\d+) +(\d+) +\d+ +\d+ +0 +(\d+)$", compared.stdout, re.MULTILINE)
    tests_run, passed, processes = map(int, row)
    assert tests_run >= passed > 0
    assert processes > 10


def test_a_filter_without_tests_is_an_error():
    compared = compat("--suite", "fork", "--filter", "NoSuchTest")
    assert compared.returncode == 2
    assert "no tests to compare" in compared.stderr
