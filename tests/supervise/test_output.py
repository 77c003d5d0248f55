from __future__ import annotations

import json
import os
import stat

import pytest

from mpdiag.errors import MpdiagError
from mpdiag.supervise.output import RunFile, check_writable, same_file, write_file


@pytest.fixture
def there(tmp_path):
    file = tmp_path / "there"
    file.write_text("old")
    return file


@pytest.mark.parametrize(
    ("name", "message"),
    [(".", "is a directory"), ("there", "already exists"), ("no/such", "no directory"), ("pipe", "not a regular file")],
)
def test_what_may_not_be_written(tmp_path, there, name, message):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(MpdiagError, match=message):
        check_writable(str(tmp_path / name), force=False)
    assert there.read_text() == "old"


def test_same_file_by_any_name(tmp_path, there, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("there")
    os.link("there", "other")

    assert all(same_file("there", name) for name in ("./there", str(there), "link", "other"))
    assert same_file("new", "./new")
    assert not any(same_file("there", name) for name in ("new", ".", "", "a\0b", "x" * 10_000))


@pytest.mark.parametrize("name", [".", "no/such", "pipe"])
def test_what_force_does_not_help(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(MpdiagError):
        check_writable(str(tmp_path / name), force=True)


def test_dangling_link_is_not_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(MpdiagError, match="already exists"):
        check_writable(str(tmp_path / "link"), force=False)


def test_directory_that_takes_no_files():
    with pytest.raises(MpdiagError, match=r"cannot write '/proc/new': [^\n]+$"):
        check_writable("/proc/new", force=False)


def test_relative_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert check_writable("new", force=False) == str(tmp_path / "new")


def test_file_has_the_usual_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        write_file(str(tmp_path / "new"), "text")
    finally:
        os.umask(old)

    assert (tmp_path / "new").read_text() == "text"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_file_is_complete_or_not_there(there, monkeypatch):
    monkeypatch.setattr(os, "umask", _full_disk)

    with pytest.raises(MpdiagError, match="No space left"):
        write_file(str(there), "new")
    assert there.read_text() == "old"
    assert list(there.parent.iterdir()) == [there]


def test_run_file_replaces_nothing_before_the_program_runs(there):
    run_file = RunFile(str(there), "/run", force=True)
    assert there.read_text() == "old"

    run_file.withdraw()

    assert there.read_text() == "old"
    assert list(there.parent.iterdir()) == [there]


def test_run_file_is_a_pointer_while_the_program_runs(there):
    run_file = RunFile(str(there), "/run", force=True)

    run_file.publish()
    run_file.withdraw()

    assert json.loads(there.read_text()) == {"mpdiag": "live", "directory": "/run"}
    assert list(there.parent.iterdir()) == [there]


def _full_disk(_mask: int) -> None:
    raise OSError(28, os.strerror(28))
