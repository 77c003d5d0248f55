from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mpdiag
from mpdiag.cli import COMMANDS, Parser, main
from mpdiag.commands import run as run_command
from mpdiag.errors import MpdiagError

if TYPE_CHECKING:
    import argparse

CHECKOUT = Path(__file__).parent.parent


def parsed(*words: str) -> argparse.Namespace:
    parser = Parser(prog="mpdiag run", allow_abbrev=False)
    run_command.configure(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("", ""),
        ("x.py", "x.py"),
        ("x.py -o y --quiet --help", "x.py -o y --quiet --help"),
        ("-m pkg.mod --quiet x", "-m pkg.mod --quiet x"),
        ("-mpkg.mod -m y", "-mpkg.mod -m y"),
        ("-c pass -c -o", "-c pass -c -o"),
        ("- -o y", "- -o y"),
        ("-- x.py -- y", "x.py -- y"),
        ("-- -m mod -- y", "-m mod -- y"),
        ("-- --odd name", "--odd name"),
        ("x.py -- y", "x.py -- y"),
        ("python -X dev x.py", "python -X dev x.py"),
    ],
)
@pytest.mark.parametrize(
    "options", ["", "--quiet", "-o r.mpdiag", "-or.mpdiag", "--json=r.json --quiet", "--json r.json --force -o -odd"]
)
def test_everything_from_the_target_on_is_its_own(options, words, target):
    if "-odd" in options:
        options = options.replace("-o -odd", "-o=-odd")
    args = parsed(*options.split(), *words.split())

    assert args.target == target.split()
    assert args.quiet == ("--quiet" in options)
    assert args.json == ("r.json" if "--json" in options else None)


def test_options_reach_their_values():
    args = parsed("-o", "r", "--force", "--budget", "5%", "--fail-on=low", "--python", "py", "-m", "mod", "--budget")

    assert (args.output, args.force, args.budget, args.fail_on, args.python) == ("r", True, 0.05, "low", "py")
    assert args.target == ["-m", "mod", "--budget"]


@pytest.mark.parametrize("words", ["-X dev x.py", "--quie x.py", "--budget", "-o", "--debugging"])
def test_errors_are_raised_in_one_line(words):
    with pytest.raises(MpdiagError, match=r"^[^\n]+$"):
        parsed(*words.split())


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_names_every_command(words, capsys):
    assert main(words) == 0

    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])

    assert left.value.code == 0
    assert f"mpdiag {name}" in capsys.readouterr().out


def test_no_command_shows_the_help_and_fails(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mpdiag {mpdiag.__version__}\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["rum", "x.py"], "did you mean 'run'?"),
        (["slow.py"], "mpdiag run slow.py"),
        (["xyzzy"], "run, report, explain, dump"),
        (["report"], "mpdiag report --help"),
        (["report", "a", "b"], "mpdiag report --help"),
        (["report", "--colour", "a"], "--colour"),
    ],
)
def test_usage_errors_are_one_line(words, hint, capsys):
    assert main(words) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mpdiag: ")
    assert captured.err.count("\n") == 1
    assert hint in captured.err


def test_defect_is_one_line_and_debug_shows_it(monkeypatch, capsys):
    def fail(_args: argparse.Namespace) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("mpdiag.commands.dump.run", fail)

    assert main(["dump", "x"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert main(["dump", "--debug", "x"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("statement", ["import mpdiag", "from mpdiag.cli import main; main(['--help'])"])
def test_numpy_and_psutil_are_not_loaded_early(statement):
    script = f"{statement}\nimport sys; sys.exit(bool({{'numpy', 'psutil'}} & set(sys.modules)))"

    finished = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, stdout=subprocess.DEVNULL, check=False)

    assert finished.returncode == 0


def test_public_names():
    assert set(mpdiag.__all__) == {"__version__", "diagnose", "read_run"}
    assert callable(mpdiag.diagnose)
    with pytest.raises(MpdiagError):
        mpdiag.read_run("/nonexistent")
    with pytest.raises(AttributeError, match="unknown"):
        _ = mpdiag.unknown
