from __future__ import annotations

import sys
import zipfile

import pytest

from mpdiag.errors import MpdiagError
from mpdiag.supervise.target import resolve


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch) -> None:
    """A directory with one of everything, and a command `tool` on PATH."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name, mode in (("bin/tool", 0o755), ("mine", 0o755), ("data", 0o644), ("slow.py", 0o644), ("own.py", 0o755)):
        file = tmp_path / name
        file.write_text("#!/usr/bin/env -S python3 -I\n")
        file.chmod(mode)
    for name in ("package", "tool", "empty"):
        (tmp_path / name).mkdir()
    for name in ("package", "tool"):
        (tmp_path / name / "__main__.py").touch()
    for name in ("app.pyz", "app"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("__main__.py", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(binaries))


@pytest.mark.parametrize(
    "words",
    [
        ("slow.py", "-x"),
        ("own.py",),
        ("./slow.py",),
        ("-m", "module", "--quiet"),
        ("-mmodule",),
        ("-c", "pass", "-m"),
        ("-", "x"),
        ("package", "y"),
        ("./tool",),
        ("app.pyz",),
        ("app",),
    ],
)
def test_what_python_runs(words):
    target = resolve(words, sys.executable)

    assert target.executable == sys.executable
    assert target.arguments == (sys.executable, *words)
    assert target.typed == words
    assert target.interpreted() == [sys.executable, *words]


@pytest.mark.parametrize(("words", "executable"), [(("tool", "-m"), "bin/tool"), (("./mine",), "./mine")])
def test_what_runs_by_itself(words, executable, tmp_path):
    target = resolve(words, sys.executable)

    assert target.executable in {executable, str(tmp_path / executable)}
    assert target.arguments == target.typed == words
    assert target.interpreted() == ["/usr/bin/env", "-S python3 -I", *words]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no program given"),
        (("-m",), "needs a module's name"),
        (("-c",), "needs the program's text"),
        (("missing.py",), "no file 'missing.py'"),
        (("empty",), "without __main__.py"),
        (("./empty",), "without __main__.py"),
        (("missing",), "no file or command 'missing'"),
        (("./missing",), "no file or command './missing'"),
        (("data",), "not executable"),
        (("./data",), "not executable"),
        (("mine",), "./mine"),
        (("",), "no file or command ''"),
    ],
)
def test_what_cannot_run(words, message):
    with pytest.raises(MpdiagError, match=r"^[^\n]+$") as raised:
        resolve(words, sys.executable)
    assert message in str(raised.value)


@pytest.mark.parametrize("python", ["", "python-that-is-missing", "./data"])
def test_interpreter_that_is_none(python):
    with pytest.raises(MpdiagError, match="--python"):
        resolve(["slow.py"], python)
