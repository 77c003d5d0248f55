"""``scripts/compat_unit.py``: what it writes about tests of every kind of outcome."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "scripts" / "compat_unit.py"
MODULE = """\
import os
import unittest


class Case(unittest.TestCase):
    def test_ok(self):
        pass

    def test_fail(self):
        self.assertEqual(1, 2)

    def test_error(self):
        raise OSError("no such luck")

    @unittest.skip("not today")
    def test_skip(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)

    def test_leaves(self):
        os._exit(7)


class Unready(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise unittest.SkipTest("no such system")

    def test_ok(self):
        pass
"""


@pytest.fixture
def modules(tmp_path) -> Path:
    (tmp_path / "cases.py").write_text(MODULE, encoding="utf-8")
    return tmp_path


def unit(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(UNIT), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def run(modules: Path, *tests: str) -> list[dict[str, object]]:
    unit(modules / "outcomes", modules, *tests)
    return [json.loads(line) for line in (modules / "outcomes").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("test", "outcome", "detail"),
    [
        ("test_ok", "ok", ""),
        ("test_fail", "fail", "AssertionError: 1 != 2"),
        ("test_error", "error", "OSError: no such luck"),
        ("test_skip", "skip", "not today"),
        ("test_expected", "xfail", "AssertionError: None"),
        ("test_subtests", "fail", "AssertionError: 1 == 1"),
    ],
)
def test_every_outcome_is_written(modules, test, outcome, detail):
    name = f"cases.Case.{test}"
    assert run(modules, name) == [
        {"start": name},
        {"test": name, "outcome": outcome, "detail": detail},
        {"end": True},
    ]


def test_a_test_that_ends_the_process_has_begun_and_not_ended(modules):
    name = "cases.Case.test_leaves"
    assert run(modules, name) == [{"start": name}]


def test_a_class_that_is_not_set_up_says_so(modules):
    (skipped, _end) = run(modules, "cases.Unready")
    assert skipped == {"test": "setUpClass (cases.Unready)", "outcome": "skip", "detail": "no such system"}


def test_tests_are_listed_and_a_broken_module_does_not_hide_them(modules):
    (modules / "broken.py").write_text("import nothing_of_this_name", encoding="utf-8")
    listed = json.loads(unit("--list", modules, "cases", "broken").stdout)
    assert "cases.Unready.test_ok" in listed["tests"]
    assert list(listed["unloadable"]) == ["broken"]
