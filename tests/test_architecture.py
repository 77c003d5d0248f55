"""The house rules that a machine can check: layers, what the probe brings along, sizes and names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mpdiag

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "mpdiag"
INJECT = PACKAGE / "probe" / "inject"

LIGHT = {"__future__", "_struct", "binascii", "mmap", "struct", "zlib"}
"""Beyond its own modules, all that the probe may bring into a program: C modules, and two that are nearly empty."""
LONGEST_MODULE = 400


def probe_modules() -> list[str]:
    return [
        ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)
        for part in ("wire", "probe")
        for path in sorted((PACKAGE / part).rglob("*.py"))
        if path.stem != "__init__" and path.parent != INJECT
    ]


def foreign(modules: set[str]) -> set[str]:
    own = re.compile(r"mpdiag(\.(probe|wire)(\..*)?)?")
    return {name for name in modules - LIGHT if not own.fullmatch(name)}


def run(interpreter: str, script: str, **environment: str) -> str:
    finished = subprocess.run(
        [interpreter, "-c", script], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def repository_files() -> list[Path]:
    """Every text file of the repository, but what tools leave there."""
    places = ("mpdiag", "tests", "fixtures", "scripts", ".ci")
    suffixes = {"", ".json", ".md", ".py", ".pyi", ".sh", ".toml", ".txt", ".html", ".css", ".js"}
    found = [path for place in places for path in (CHECKOUT / place).rglob("*") if path.suffix in suffixes]
    found += [CHECKOUT / "pyproject.toml", CHECKOUT / "README.md"]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def test_imports_keep_the_layers():
    pytest.importorskip("importlinter", reason="import-linter is not installed (dependency group lint)")
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    finished = subprocess.run(
        [sys.executable, "-c", script, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_probe_brings_only_itself_into_a_program_with_multiprocessing(interpreter):
    # GIVEN a program that uses multiprocessing, WHEN every module of the probe is imported there
    imports = "; ".join(f"import {name}" for name in probe_modules())
    script = (
        "import multiprocessing.spawn, sys, json; before = set(sys.modules);"
        f"{imports}; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    added = set(json.loads(run(interpreter, script, PYTHONPATH=str(CHECKOUT))))
    # THEN nothing foreign has come along
    assert "mpdiag.probe.boot" in added
    assert foreign(added) == set()


def test_injected_boot_brings_only_itself_into_any_program(interpreter, tmp_path):
    script = "import sys; print(' '.join(sys.modules))"
    (tmp_path / "segments").mkdir()
    bare = set(run(interpreter, script).split())
    injected = set(run(interpreter, script, PYTHONPATH=str(INJECT), MPDIAG_RUN=str(tmp_path)).split())
    assert "mpdiag.probe.boot" in injected
    assert foreign(injected - bare) == set()
    assert bare - injected == set()


def test_working_probe_brings_only_itself_into_a_program_with_a_pool(interpreter, tmp_path):
    script = (
        "import multiprocessing, sys\n"
        "with multiprocessing.get_context('fork').Pool(1) as pool: pool.map(len, ['a'])\n"
        "print(' '.join(sys.modules))"
    )
    (tmp_path / "segments").mkdir()
    bare = set(run(interpreter, script).split())
    injected = set(run(interpreter, script, PYTHONPATH=str(INJECT), MPDIAG_RUN=str(tmp_path)).split())
    assert "mpdiag.probe.recorder" in injected
    assert foreign(injected - bare) == set()


def test_importing_mpdiag_loads_nothing_heavy():
    script = "import sys; before = set(sys.modules); import mpdiag; print(' '.join(set(sys.modules) - before))"
    assert foreign(set(run(sys.executable, script, PYTHONPATH=str(CHECKOUT)).split())) == set()


def test_public_names_exist():
    assert [name for name in mpdiag.__all__ if not hasattr(mpdiag, name)] == []


def test_modules_are_short():
    lengths = {
        str(path.relative_to(CHECKOUT)): len(path.read_text(encoding="utf-8").splitlines())
        for place in ("mpdiag", "tests", "scripts")
        for path in (CHECKOUT / place).rglob("*")
        if path.is_file() and path.suffix in {".py", ""} and "__pycache__" not in path.parts
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_module_is_a_dumping_ground():
    shunned = re.compile(r"_?(utils?|common|helpers?|misc)")
    names = [path for path in PACKAGE.rglob("*") if path.is_dir() or path.suffix == ".py"]
    assert [str(path) for path in names if shunned.fullmatch(path.stem)] == []


def test_packages_are_empty():
    inits = [path for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]
    assert [str(path) for path in inits if path.stat().st_size] == []


def test_no_names_of_the_place_where_it_was_written():
    # Machines' directories, and working papers that are not in the repository. Written so as not to match itself.
    shunned = re.compile(
        r"/(?:root|work)/|/tmp/(?:venvs)|\b(?:DE(?:SIGN)|HO(?:OKS)|AN(?:CHORS))\b|(?:MODEL|ATTACH)[.]md\b"
    )
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()}"
        for path in repository_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if shunned.search(line)
    ]
    assert found == []


def test_nothing_is_left_for_later():
    later = re.compile(r"\b(TO(?:DO)|FIX(?:ME))\b")
    found = [str(path) for path in repository_files() if path.suffix == ".py" and later.search(path.read_text("utf-8"))]
    assert found == []
