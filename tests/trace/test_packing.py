from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from mpdiag.errors import MpdiagError
from mpdiag.trace import packing
from mpdiag.trace.packing import pack
from mpdiag.trace.reader import read_trace
from mpdiag.wire.format import HEADER_SIZE, SLOT_SIZE
from tests.trace.same import assert_same
from tests.trace.test_reader import RUN, only_segment, run_files, write_run

if TYPE_CHECKING:
    from pathlib import Path


def test_zero_tails_are_cut_and_zeros_between_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "BLOCK", 4 * SLOT_SIZE)
    files = run_files(RUN + "  skip 21\n  first t=+1.0 cpu=1\n")
    name = only_segment(files)
    whole = files[name]
    directory = write_run(tmp_path / "run", files | {name: whole + bytes(100 * SLOT_SIZE)})
    destination = tmp_path / "run.mpdiag"
    pack(directory, str(destination))
    with zipfile.ZipFile(destination) as archive:
        assert sorted(archive.namelist()) == sorted(files)
        assert archive.read(name) == whole
    assert_same(read_trace(directory), read_trace(str(destination)))


def test_a_header_alone_stays_whole(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", run_files("segment pid=1"))
    pack(directory, str(tmp_path / "run.mpdiag"))
    trace = read_trace(str(tmp_path / "run.mpdiag"))
    assert [segment.bytes for segment in trace.segments] == [HEADER_SIZE]
    assert trace.losses == ()


def test_what_is_there_is_replaced_and_nothing_else_left_behind(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", run_files() | {"segments/9.note": b"old", "segments/else": b"x"})
    destination = tmp_path / "out" / "run.mpdiag"
    destination.parent.mkdir()
    destination.write_text("a pointer")
    pack(directory, str(destination))
    assert read_trace(str(destination)).notes == ("old",)
    assert os.listdir(destination.parent) == ["run.mpdiag"]  # noqa: PTH208
    with zipfile.ZipFile(destination) as archive:
        assert "segments/else" not in archive.namelist()


def test_the_same_run_packs_to_the_same_bytes(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", run_files())
    for name in ("a", "b"):
        pack(directory, str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_destination_that_cannot_be_written(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", run_files())
    with pytest.raises(MpdiagError, match=r"cannot write .*missing/run.mpdiag: No such file or directory"):
        pack(directory, str(tmp_path / "missing" / "run.mpdiag"))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(MpdiagError, match=r"cannot write .*taken: Is a directory"):
        pack(directory, str(tmp_path / "taken"))
    assert sorted(os.listdir(tmp_path)) == ["run", "taken"]  # noqa: PTH208


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = write_run(tmp_path / "run", run_files())
    destination = tmp_path / "run.mpdiag"
    destination.write_text("before")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing, "_add", full)
    with pytest.raises(MpdiagError, match=r"cannot write .*: No space left on device"):
        pack(directory, str(destination))
    assert destination.read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["run", "run.mpdiag"]  # noqa: PTH208
