"""Files that are no run, or that someone made to do harm: one clear line each, or a loss; never a crash."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.engine import diagnose
from mpdiag.errors import MpdiagError
from mpdiag.model.build import build_run
from mpdiag.reporters.formats import FORMATS as REPORTS
from mpdiag.reporters.style import Style
from mpdiag.trace import reader, source
from mpdiag.trace.reader import read_trace, trace_of
from mpdiag.trace.text import dump, parse
from mpdiag.wire.format import FORMATS, HEADER_SIZE, NUMBER, TEXT_LIMIT
from tests.trace.strategies import META, runs
from tests.trace.test_reader import only_segment, run_files, write_run

POOL = Path(__file__).parents[2] / "fixtures/traces/pool.txt"
DAMAGE = (b"\0\0\0\0", b"\1\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\x80\x7f", b"\0\0\xc0\xff")
"""Nothing, one, the largest numbers, a signalling and a quiet NaN."""


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def complaint(path: Path) -> str:
    with pytest.raises(MpdiagError) as raised:
        read_trace(str(path))
    text = str(raised.value)
    assert "\n" not in text
    assert text.isprintable()
    return text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello", "is no run file; give the run file that mpdiag run -o wrote"),
        (b"{}", "is no run file"),
        (b"{" * 50000, "is no run file"),
        (b'{"mpdiag": "live"}', "is no run file"),
        (b'{"mpdiag": "live", "directory": 3}', "is no run file"),
        (b'{"mpdiag": "live", "directory": "a\\u0000b"}', "cannot read a\\x00b"),
        (b"PK\3\4" + bytes(100), "is damaged or was cut off"),
        (zipped(run_files())[:-30], "is damaged or was cut off"),
        (zipped({"a": b""}), "is a zip file but no run (no meta.json)"),
        (zipped({"meta.json": b"[]"}), "is damaged: its meta.json does not describe a run"),
        (zipped({"meta.json": b"{"}), "is damaged: its meta.json does not describe a run"),
        (zipped({"meta.json": b'{"format": 2}'}), "was written by a newer mpdiag (format 2); upgrade mpdiag"),
        (zipped({"meta.json": b'{"format": true}'}), "its meta.json does not describe a run"),
        (zipped({"meta.json": b'{"format": 1, "perf_ns": "x"}'}), "perf_ns in its meta.json has no sensible value"),
        (zipped({"meta.json": b'{"format": 1, "perf_ns": 1e400}'}), "perf_ns in its meta.json"),
        (zipped({"meta.json": b'{"format": 1, "perf_ns": -5}'}), "perf_ns in its meta.json"),
        (zipped({"meta.json": b'{"format": 1, "command": [3]}'}), "command in its meta.json"),
        (zipped({"meta.json": b'{"format": 1, "end": 7}'}), "end in its meta.json"),
        (zipped({"meta.json": b'{"format": 1, "end": {"status": null}}'}), "status in its meta.json"),
        (zipped({"meta.json": b'{"format": 1, "budget": NaN}'}), "budget in its meta.json"),
    ],
)
def test_what_is_no_run_is_said_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "run.mpdiag"
    path.write_bytes(content)
    text = complaint(path)
    assert said in text
    assert "run.mpdiag" in text


def test_a_missing_file_a_directory_a_pipe_and_a_path_that_cannot_be(tmp_path: Path) -> None:
    assert "does not exist" in complaint(tmp_path / "nothing")
    assert "is a directory that holds no run (no meta.json)" in complaint(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a directory" in complaint(tmp_path / "pipe")
    assert "cannot read" in complaint(tmp_path / "a\0b")
    assert "two\\nlines" in complaint(tmp_path / "two\nlines")


def test_a_pointer_to_itself_is_no_loop(tmp_path: Path) -> None:
    path = tmp_path / "run.mpdiag"
    path.write_text(json.dumps({"mpdiag": "live", "directory": str(path)}))
    assert "cannot read" in complaint(path)


def test_a_newer_segment_is_an_error() -> None:
    files = run_files()
    name = only_segment(files)
    files[name] = files[name][:8] + b"\2\0" + files[name][10:]
    with pytest.raises(MpdiagError, match=r"was written by a newer mpdiag \(format 2\); upgrade mpdiag"):
        trace_of(files)


def test_a_run_that_claims_to_be_huge_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.mpdiag"
    path.write_bytes(zipped(run_files() | {"segments/bomb.seg": bytes(20 << 20)}))
    assert "is no run file: it claims 20 MiB of records" in complaint(path)
    monkeypatch.setattr(source, "SIZE_LIMIT", 1 << 20)
    assert "holds 20 MiB of records, more than the 1 MiB that are read" in complaint(path)


def test_a_run_that_is_huge_without_claiming_it_is_refused() -> None:
    files = run_files("segment pid=1\n" + " first t=+1.0\n" * 100)
    huge = replace(source.memory_source(files, "the run"), limit=1000)
    with pytest.raises(MpdiagError, match="MiB of records"):
        reader._read(huge)


def test_a_member_that_is_larger_than_it_claims_is_a_loss(tmp_path: Path) -> None:
    packed = zipped(run_files("segment pid=1\n" + " first t=+1.0\n" * 100), zipfile.ZIP_STORED)
    size = struct.pack("<I", HEADER_SIZE + 6400)
    assert size in packed
    path = tmp_path / "run.mpdiag"
    path.write_bytes(packed.replace(size, struct.pack("<I", HEADER_SIZE + 64)))
    trace = read_trace(str(path))
    assert len(trace.table("first")) <= 1
    assert len(trace.losses) == 1


def test_foreign_members_are_ignored_and_reported(tmp_path: Path) -> None:
    tricks = [
        "/etc/passwd.seg",
        "../x.seg",
        "segments/../../x.seg",
        "segments/a\\b.seg",
        "x/y.seg",
        "C:\\x.note",
        "readme",
    ]
    path = tmp_path / "run.mpdiag"
    path.write_bytes(zipped(run_files() | dict.fromkeys(tricks, b"x")))
    trace = read_trace(str(path))
    assert len(trace.segments) == 1
    assert trace.losses[0].startswith(f"{len(tricks)} members of ")
    assert sorted(os.listdir(tmp_path)) == ["run.mpdiag"]  # noqa: PTH208


def test_other_compressions_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "run.mpdiag"
    path.write_bytes(zipped({"meta.json": META}, zipfile.ZIP_LZMA))
    assert "is a zip file but no run" in complaint(path)


def test_pipes_and_links_in_a_run_directory_are_not_followed(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", run_files())
    (tmp_path / "elsewhere.seg").write_bytes(b"x" * 1000)
    (tmp_path / "run" / "segments" / "link.seg").symlink_to(tmp_path / "elsewhere.seg")
    os.mkfifo(tmp_path / "run" / "segments" / "pipe.seg")
    (tmp_path / "run" / "segments" / "folder.seg").mkdir()
    trace = read_trace(directory)
    assert len(trace.segments) == 1
    assert len(trace.losses) == 3


def test_strings_in_pieces_that_are_mixed_up_doubled_or_missing() -> None:
    trace = trace_of(
        parse(
            [
                "segment pid=1",
                'text id=5 part=1 size=3 data="two"',
                'text id=5 part=0 size=3 data="one"',
                'text id=5 part=0 size=3 data="ONE"',
                'text id=6 part=2 size=1 data="z"',
                'text id=6 part=0 size=1 data="a"',
                r'text id=7 part=0 size=60000 data="\xff\x1b[31m"',
                r'text id=8 part=0 size=3 data="a"',
                *(f'text id=9 part={part} size=48 data="{"x" * 48}"' for part in range(60)),
                "site id=10 file=#10 function=#10 line=1",
            ]
        )
    )
    (segment,) = trace.segments
    assert segment.text(5) == "onetwo"
    assert segment.text(6) == "a…z"
    assert segment.text(7).startswith("\\xff\x1b[31m")
    assert segment.text(8) == "a\0\0"
    assert segment.text(9) == "x" * TEXT_LIMIT
    assert segment.site(10) == ("(unknown)", 1, "(unknown)")


def test_every_kind_of_number_at_its_largest_is_harmless() -> None:
    slots = []
    for kind, layout in FORMATS.items():
        for fill in (0xFF, 0x7F, 0x80, 0x01):
            slots.append(bytes([fill]) * 62 + struct.pack("<H", NUMBER[kind]))
            assert struct.calcsize(layout) == len(slots[-1])
    files = run_files("segment pid=1\nsegment pid=2 cause=supervisor")
    files = {name: data + b"".join(slots) if name.endswith(".seg") else data for name, data in files.items()}
    trace = trace_of(files)
    assert list(dump(trace))
    build_run(trace)


@settings(max_examples=300, deadline=None)
@given(runs())
def test_any_records_make_a_run(files: dict[str, bytes]) -> None:
    run = build_run(trace_of(files))
    assert run.meta.wall_s >= 0


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_run_file_never_crashes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    packed = bytearray(zipped(run_files(), data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(packed) - 1))
        packed[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "run.mpdiag"
    path.write_bytes(packed)
    try:
        trace = read_trace(str(path))
    except MpdiagError as error:
        assert str(error).isprintable()  # noqa: PT017 - either outcome is right
    else:
        build_run(trace)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_run_is_diagnosed_and_reported(data: st.DataObject) -> None:
    files = {name: bytearray(content) for name, content in parse(POOL.read_text("utf-8").splitlines()).items()}
    segments = sorted(name for name in files if name.endswith(".seg"))
    for _ in range(data.draw(st.integers(1, 12))):
        content = files[data.draw(st.sampled_from(segments))]
        words = (len(content) - HEADER_SIZE) // 4
        place = HEADER_SIZE + 4 * data.draw(st.integers(0, words - 1))
        content[place : place + 4] = data.draw(st.sampled_from(DAMAGE) | st.binary(min_size=4, max_size=4))
    diagnosis = diagnose(build_run(trace_of({name: bytes(content) for name, content in files.items()})))
    assert diagnosis.failed == ()
    for report in REPORTS.values():
        assert report.render(diagnosis, Style())
