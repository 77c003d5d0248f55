from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from mpdiag.errors import MpdiagError
from mpdiag.supervise.interpreter import Seen
from mpdiag.supervise.rundir import INJECT, RESERVE_BYTES, RunDirectory, environment, initial_names


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return RunDirectory.create()


def test_directory_is_private(directory):
    for path in (Path(directory.path), Path(directory.path, "segments")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_no_room_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))

    with pytest.raises(MpdiagError, match=r"^no room for recording[^\n]+TMPDIR[^\n]+$"):
        RunDirectory.create()


def test_end_of_the_run_needs_no_new_blocks(directory, tmp_path):
    directory.write_meta({"end": None})
    reserve = Path(directory.path, "meta.next").stat()

    directory.rewrite_meta({"end": {"status": 3}})

    path = tmp_path / directory.path / "meta.json"
    assert json.loads(path.read_text()) == {"end": {"status": 3}}
    assert path.stat().st_ino == reserve.st_ino
    assert reserve.st_blocks * 512 >= RESERVE_BYTES == reserve.st_size


def test_end_of_the_run_without_a_reserve(directory, tmp_path):
    directory.write_meta({"end": None})
    (tmp_path / directory.path / "meta.next").unlink()

    directory.rewrite_meta({"end": {}})

    assert json.loads((tmp_path / directory.path / "meta.json").read_text()) == {"end": {}}


def test_deleted_directory_comes_back(directory):
    directory.remove()
    assert not Path(directory.path).exists()

    directory.recreate()
    directory.rewrite_meta({})

    assert directory.seen(1) == Seen(target=False, anyone=False, notes=False)


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        ([], Seen(target=False, anyone=False, notes=False)),
        (["segments/{own}-1f-00.0.seg"], Seen(target=False, anyone=False, notes=False)),
        (["segments/7-1f-00.0.seg"], Seen(target=True, anyone=True, notes=False)),
        (["segments/77-1f-00.0.seg", "9.note"], Seen(target=False, anyone=True, notes=True)),
    ],
)
def test_who_left_something(directory, names, seen):
    for name in names:
        Path(directory.path, name.format(own=os.getpid())).touch()
    assert directory.seen(7) == seen


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, INJECT),
        ("", INJECT),
        ("/a:/b", f"{INJECT}:/a:/b"),
        ("/a::", f"{INJECT}:/a::"),
        (f"{INJECT}:/a", f"{INJECT}:/a"),
        (INJECT, INJECT),
    ],
)
def test_environment_chains_pythonpath(before, after):
    base = {"HOME": "/home/me"} | ({} if before is None else {"PYTHONPATH": before})

    result = environment(base, frozenset(base), "/run", 0.02)

    assert result == {"HOME": "/home/me", "PYTHONPATH": after, "MPDIAG_RUN": "/run", "MPDIAG_BUDGET": "0.02"}


def test_environment_keeps_only_the_locale_that_was_given():
    base = {"LC_CTYPE": "C.UTF-8"}

    assert "LC_CTYPE" not in environment(base, frozenset(), "/run", 0.02)
    assert environment(base, frozenset(base), "/run", 0.02)["LC_CTYPE"] == "C.UTF-8"


def test_names_in_the_initial_environment(monkeypatch):
    monkeypatch.setenv("MPDIAG_TEST_OF_INITIAL_NAMES", "1")

    assert "PATH" in initial_names()
    assert "MPDIAG_TEST_OF_INITIAL_NAMES" not in initial_names()
