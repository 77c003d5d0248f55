"""Fixtures for all tests: the interpreters on this machine, and an environment that no outer mpdiag has a hand in."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import settings

# A property is about what is right, not how fast: two busy cores are no reason to fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")


@lru_cache(maxsize=1)
def available_interpreters() -> dict[str, str]:
    """Find one interpreter of each supported version: {"3.11": path}, the one that runs the tests among them.

    Only the latter is sure to have numpy and mpdiag installed; the probe needs neither.
    """
    found = {"{}.{}".format(*sys.version_info): sys.executable}
    for version in SUPPORTED:
        for candidate in _candidates(version):
            if version not in found and _is_python(candidate, version):
                found[version] = candidate
    return {version: found[version] for version in sorted(found, key=lambda text: tuple(map(int, text.split("."))))}


def _candidates(version: str) -> list[str]:
    """Where a Python of this version may be: on PATH, and among pyenv's."""
    name = f"python{version}"
    on_path = (shutil.which(name, path=directory) for directory in os.environ.get("PATH", "").split(os.pathsep))
    installed = [
        str(home / "bin" / name) for home in _pyenv_versions() if re.fullmatch(rf"{re.escape(version)}\.\d+", home.name)
    ]
    return [path for path in on_path if path] + installed


@lru_cache(maxsize=1)
def _pyenv_versions() -> tuple[Path, ...]:
    root = os.environ.get("PYENV_ROOT", "")
    if not root and shutil.which("pyenv"):
        asked = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=False)  # noqa: S607
        root = asked.stdout.strip()
    versions = Path(root, "versions") if root else None
    return tuple(sorted(versions.iterdir())) if versions and versions.is_dir() else ()


def _is_python(path: str, version: str) -> bool:
    """Whether this is a working Python of that version (a pyenv shim need not be), with the GIL and SemLock."""
    script = "import sys, _multiprocessing; _multiprocessing.SemLock; print('{}.{}'.format(*sys.version_info))"
    try:
        asked = subprocess.run([path, "-c", script], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.stdout.strip() == version


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``interpreter`` once for each version that is here."""
    if "interpreter" in metafunc.fixturenames:
        found = available_interpreters()
        metafunc.parametrize("interpreter", found.values(), ids=found.keys())


@pytest.fixture(scope="session")
def interpreters() -> dict[str, str]:
    """Give the interpreters on this machine by version, {"3.11": path}; the tests' own is one of them."""
    return available_interpreters()


@pytest.fixture(autouse=True)
def _no_outer_mpdiag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what another mpdiag, or the developer, left in the environment out of the tests' way."""
    for name in ("MPDIAG_RUN", "MPDIAG_BUDGET", "PYTHONPATH", "PYTHONWARNINGS", "PYTHONDEVMODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def _no_ignored_signals() -> None:
    """Undo what nohup and a shell's ``&`` leave ignored: the programs that tests start inherit it."""
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
