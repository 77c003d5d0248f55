from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mpdiag.cli import main


@pytest.fixture
def recorded(mpdiag, tmp_path, monkeypatch):
    assert mpdiag("run", "--quiet", "-o", "r.mpdiag", "-c", "print()").returncode == 0
    monkeypatch.chdir(tmp_path)
    return "r.mpdiag"


def test_report_to_stdout(recorded, capsys):
    assert main(["report", recorded]) == 0
    assert "No" in capsys.readouterr().out


def test_report_to_a_file(recorded, tmp_path, capsys):
    assert main(["report", recorded, "--format", "json", "-o", "report.json"]) == 0

    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "report.json").read_text())["schema"] == "mpdiag/1"


def test_report_overwrites_only_by_force(recorded, tmp_path, capsys):
    (tmp_path / "there").write_text("old")

    assert main(["report", recorded, "-o", "there"]) == 2
    assert (tmp_path / "there").read_text() == "old"
    assert "--force" in capsys.readouterr().err

    assert main(["report", recorded, "-o", "there", "--force"]) == 0
    assert (tmp_path / "there").read_text() != "old"


@pytest.mark.parametrize("name", ["missing", "empty", "text", ".", "truncated"])
def test_what_is_no_run_is_one_line(recorded, tmp_path, capsys, name):
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("text")
    (tmp_path / "truncated").write_bytes((tmp_path / recorded).read_bytes()[:100])

    for command in ("report", "dump"):
        assert main([command, name]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("mpdiag: ")
        assert captured.err.count("\n") == 1


def test_report_whose_reader_has_gone(mpdiag, recorded):
    for command in ("report", "dump"):
        reader, writer = os.pipe()
        os.close(reader)
        finished = mpdiag(command, recorded, capture_output=False, stdout=writer, stderr=mpdiag.PIPE)
        os.close(writer)
        assert (finished.returncode, finished.stderr) == (141, "")


def test_report_to_a_full_disk_is_one_line(mpdiag, recorded):
    with Path("/dev/full").open("w") as full:
        finished = mpdiag("report", recorded, capture_output=False, stdout=full, stderr=mpdiag.PIPE)

    assert finished.returncode == 2
    assert finished.stderr.startswith("mpdiag: No space left on device")
    assert finished.stderr.count("\n") == 1


def test_dump_prints_every_record(recorded, capsys):
    assert main(["dump", recorded]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert any("supervisor" in line for line in lines)
    assert any("exit" in line for line in lines)


def test_names_that_the_encoding_lacks_are_escaped(mpdiag, tmp_path):
    odd = os.fsdecode(b"caf\xc3\xa9-\xff.py")
    (tmp_path / odd).write_text("")
    assert mpdiag("run", "--quiet", "-o", "r.mpdiag", odd).returncode == 0

    for command in ("report", "dump"):
        finished = mpdiag(command, "r.mpdiag", env={**mpdiag.environment, "PYTHONIOENCODING": "ascii"})
        assert (finished.returncode, finished.stderr) == (0, "")
        assert "caf" in finished.stdout
