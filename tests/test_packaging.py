"""The wheel: what is in it, and that what it promises to install exists."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
DATA = {"mpdiag/py.typed", "mpdiag/reporters/schema.json", "mpdiag/probe/inject/sitecustomize.py"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling", reason="hatchling is not installed (dependency group test)")
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    built = subprocess.run(build, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = place.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_has_the_whole_package(wheel):
    modules = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "mpdiag").rglob("*.py")}
    assert (modules | DATA) - set(wheel.namelist()) == set()


def test_wheel_has_nothing_but_the_package(wheel):
    assert {name.partition("/")[0].partition("-")[0] for name in wheel.namelist()} == {"mpdiag"}


def test_console_script_exists(wheel):
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    target = wheel.read(entry_points).decode().strip().splitlines()[-1].partition(" = ")[2]
    module, _, function = target.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
