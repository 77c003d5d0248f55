"""Runs tests of CPython's own suites in this interpreter; every outcome is a JSON line in a file.

Started by ``scripts/compat`` with any supported Python, which need not have mpdiag:

    compat_unit.py --list MODULES_DIRECTORY module...         prints JSON, see list_tests
    compat_unit.py OUTCOMES MODULES_DIRECTORY test-id...      runs tests, appends to file OUTCOMES
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import unittest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

GRAVITY = ("ok", "xfail", "skip", "xpass", "fail", "error")
"""A test may report several (subtests, tearDown): the gravest, rightmost, is its outcome."""


class Outcomes(unittest.TestResult):
    """Writes what happens at once: {"start": id}, then {"test": id, "outcome": ..., "detail": last line of it}."""

    def __init__(self, path: str) -> None:
        """Append to file ``path``, opened for each line only: some tests close every descriptor."""
        super().__init__()
        self._path = path
        self._pid = os.getpid()
        self._said: dict[str, tuple[str, str]] = {}

    def write(self, **entry: object) -> None:
        """Append one line; nothing in a child that came back from ``os.fork`` by an exception."""
        if os.getpid() == self._pid:
            with open(self._path, "a", encoding="utf-8") as file:  # noqa: PTH123 - as little as possible in between
                file.write(json.dumps(entry) + "\n")

    def startTest(self, test: unittest.TestCase) -> None:
        """Say which test runs, so that one which never ends is known."""
        super().startTest(test)
        self.write(start=test.id())

    def stopTest(self, test: unittest.TestCase) -> None:
        """Say the test's outcome."""
        super().stopTest(test)
        outcome, detail = self._said.pop(test.id(), ("ok", ""))
        self.write(test=test.id(), outcome=outcome, detail=detail)

    def _note(self, test: unittest.TestCase, outcome: str, detail: str = "") -> None:
        whole = getattr(test, "test_case", test)  # a subtest's test
        if not isinstance(whole, unittest.TestCase):  # setUpModule and the like, with neither start nor stop
            self.write(test=whole.id(), outcome=outcome, detail=detail)
            return
        before = self._said.get(whole.id(), ("ok", ""))
        self._said[whole.id()] = max(before, (outcome, detail), key=lambda said: GRAVITY.index(said[0]))

    def addError(self, test: unittest.TestCase, err: ExcInfo) -> None:
        """Note an error, in a test or outside of all tests."""
        self._note(test, "error", _last_line(err))

    def addFailure(self, test: unittest.TestCase, err: ExcInfo) -> None:
        """Note a failure."""
        self._note(test, "fail", _last_line(err))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        """Note a skip."""
        self._note(test, "skip", reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: ExcInfo) -> None:
        """Note an expected failure."""
        self._note(test, "xfail", _last_line(err))

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        """Note an unexpected success."""
        self._note(test, "xpass")

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: ExcInfo | None) -> None:
        """Note a subtest's failure on its test."""
        if err is not None and err[0] is not None:
            self._note(test, "fail" if issubclass(err[0], test.failureException) else "error", _last_line(err))
        super().addSubTest(test, subtest, err)


def _last_line(err: ExcInfo) -> str:
    kind, error, _traceback = err
    return f"{kind.__name__ if kind else ''}: {error}".splitlines()[-1][:200]


def _ids(suite: unittest.TestSuite) -> Iterator[str]:
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from _ids(part)
        else:
            yield part.id()


def list_tests(modules: Iterable[str]) -> dict[str, object]:
    """Give the ids of the modules' tests, and the reasons why modules could not be loaded."""
    tests: list[str] = []
    unloadable: dict[str, str] = {}
    for name in modules:
        why = _load(name, tests)
        if why:
            unloadable[name] = why
    return {"tests": tests, "unloadable": unloadable}


def _load(module: str, tests: list[str]) -> str:
    try:
        tests += _ids(unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module)))
    except Exception as error:  # noqa: BLE001 - a module may fail in any way
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    """List or run."""
    destination, directory, *names = sys.argv[1:]
    sys.path[0] = directory
    if destination == "--list":
        print(json.dumps(list_tests(names)))
        return
    outcomes = Outcomes(destination)
    unittest.defaultTestLoader.loadTestsFromNames(names).run(outcomes)
    outcomes.write(end=True)


if __name__ == "__main__":
    main()
