from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.errors import MpdiagError
from mpdiag.trace import reader, source
from mpdiag.trace.packing import pack
from mpdiag.trace.reader import read_trace, trace_of
from mpdiag.trace.text import parse
from mpdiag.wire import header
from mpdiag.wire.format import CAUSES, HEADER_SIZE, SLOT_SIZE
from mpdiag.wire.segment import SegmentWriter
from tests.trace.same import assert_same, assert_same_records
from tests.trace.strategies import META, SLOTS, headers, segment_name

if TYPE_CHECKING:
    from pathlib import Path

    from mpdiag.trace.segment import Trace

RUN = """
segment pid=7 cause=root argv="python slow.py"
  start t=+0.25 identity=1 site="slow.py:12 (main)" method=fork
  first t=+0.5 cpu=3
"""


def write_run(directory: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(directory)


def run_files(text: str = RUN) -> dict[str, bytes]:
    return parse(text.splitlines())


def only_segment(files: dict[str, bytes]) -> str:
    (name,) = (name for name in files if name.endswith(".seg"))
    return name


def test_directory_packed_file_and_pointer_give_the_same_run(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", run_files() | {"segments/9.note": b"too old\nand more"})
    pack(directory, str(tmp_path / "run.mpdiag"))
    (tmp_path / "live.mpdiag").write_text(json.dumps({"mpdiag": "live", "directory": directory}) + "\n")
    traces = [read_trace(str(tmp_path / name)) for name in ("run", "run.mpdiag", "live.mpdiag")]
    assert [len(trace.segments) for trace in traces] == [1, 1, 1]
    assert [trace.notes for trace in traces] == [("too old",)] * 3
    assert_same(traces[0], traces[1])
    assert_same(traces[0], traces[2])
    assert all(trace.losses == () for trace in traces)


def test_a_segment_gives_its_records_with_names_resolved() -> None:
    (segment,) = trace_of(run_files()).segments
    assert (segment.header.pid, segment.header.cause, segment.header.argv) == (7, "root", "python slow.py")
    (start,) = segment.records("start")
    assert segment.site(start["site"]) == ("slow.py", 12, "main")
    assert segment.text(start["method"]) == "fork"
    assert segment.text(0) == ""
    assert segment.text(4000) == "(unknown)"
    assert segment.site(4000) == ("(unknown)", 0, "(unknown)")
    assert segment.records("first")["cpu"].tolist() == [3]
    assert segment.bytes == HEADER_SIZE + SLOT_SIZE * 6


def test_what_the_writer_writes_is_read(tmp_path: Path) -> None:
    directory = write_run(tmp_path, {"meta.json": META})
    (tmp_path / "segments").mkdir()
    writer = SegmentWriter(directory, CAUSES.index("supervisor"))
    count = 5000  # more than the first chunks hold
    for number in range(count):
        writer.put("sample", number + 1, 2, 3, 4, 5, 6, 7, 8, flags=3, weight=2)
    site = writer.site("a" * 100, 12, "")
    words = writer.live("worked", 0, 0, 0, 0, 77)
    assert words is not None
    words[0][words[1] + 2] = 99
    assert len(os.listdir(tmp_path / "segments")) > 2  # noqa: PTH208
    trace = read_trace(directory)
    (segment,) = trace.segments
    assert trace.losses == ()
    assert segment.header.cause == "supervisor"
    assert segment.header.pid == os.getpid()
    np.testing.assert_array_equal(segment.records("sample")["t"], np.arange(1, count + 1))
    assert set(segment.records("sample")["weight"]) == {2}
    assert segment.site(site) == ("a" * 100, 12, "")
    assert segment.records("worked")["done"].tolist() == [99]


def test_chunks_are_joined_in_their_order_and_missing_ones_reported() -> None:
    files = {"meta.json": META}
    for chunk in (0, 2, 10):
        fields = header.fields(3, 7, 16, b"uid") | {"chunk": chunk}
        records = parse(["segment pid=7", f"first t=+1.0 cpu={chunk}", "skip 3"])
        files[f"segments/7-10-uid.{chunk}.seg"] = header.encode(**fields) + records[only_segment(records)][HEADER_SIZE:]
    trace = trace_of(files)
    (segment,) = trace.segments
    assert segment.records("first")["cpu"].tolist() == [0, 2, 10]
    assert segment.records("first")["slot"].tolist() == [0, 1, 2]
    assert len(trace.losses) == 2
    assert all(loss.startswith("records of process 7: what comes before part ") for loss in trace.losses)


def test_chunks_under_foreign_names_are_still_put_in_order() -> None:
    files = {"meta.json": META}
    for name, pid, chunk in (("c", 8, 0), ("a", 7, 0), ("b", 8, 1), ("d", 7, 1)):
        fields = header.fields(3, pid, 16, b"uid") | {"chunk": chunk}
        records = parse(["segment pid=7", f"first t=+1.0 cpu={10 * pid + chunk}"])
        files[f"segments/{name}.seg"] = header.encode(**fields) + records[only_segment(records)][HEADER_SIZE:]
    trace = trace_of(files)
    table = trace.table("first")
    assert (np.diff(table["segment"].astype(int)) >= 0).all()
    found = {segment.header.pid: segment.records("first")["cpu"].tolist() for segment in trace.segments}
    assert found[7] == [70, 71]


def test_a_repeated_chunk_is_a_loss() -> None:
    files = run_files()
    files["segments/copy.seg"] = files[only_segment(files)]
    trace = trace_of(files)
    assert len(trace.segments) == 1
    assert len(trace.table("first")) == 1
    assert "records of process 7: part 0 of them is there twice" in trace.losses


def test_slots_of_kind_zero_are_holes_and_unknown_kinds_are_counted() -> None:
    trace = trace_of(run_files("segment pid=1\n skip 1\n first t=+1.0\n unknown kind=77\n skip 2\n first t=+2.0\n"))
    assert trace.table("first")["slot"].tolist() == [1, 5]
    assert trace.losses == ("1 records: of kinds that this version of mpdiag does not know",)


@settings(deadline=None)
@given(headers(), SLOTS, st.data())
def test_a_truncated_segment_gives_a_prefix(head: bytes, slots: bytes, data: st.DataObject) -> None:
    whole = head + slots
    cut = data.draw(st.integers(0, len(whole)))
    name = segment_name(head)
    full = trace_of({"meta.json": META, name: whole})
    part = trace_of({"meta.json": META, name: whole[:cut]})
    for kind in ("work", "text", "unknown", "sample"):
        records = full.table(kind)
        kept = records[records["slot"] < max(0, cut - HEADER_SIZE) // SLOT_SIZE]
        assert_same_records(part.table(kind), kept)
    if cut < HEADER_SIZE:
        assert part.headers == ()
        assert part.losses


def test_a_torn_last_record_is_reported() -> None:
    files = run_files()
    name = only_segment(files)
    files[name] = files[name][:-10]
    trace = trace_of(files)
    assert len(trace.table("start")) == 1
    assert len(trace.table("first")) == 0
    assert trace.losses == ("records of a process: their file was cut off in the middle of a record",)


def test_empty_blocks_between_records_count_as_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BLOCK", SLOT_SIZE * 2)
    trace = trace_of(run_files("segment pid=1\n first t=+1.0\n skip 7\n first t=+2.0\n skip 9\n"))
    assert trace.table("first")["slot"].tolist() == [0, 8]
    assert trace.segments[0].bytes == HEADER_SIZE + 9 * SLOT_SIZE


@pytest.mark.parametrize(
    ("change", "loss"),
    [
        (lambda _: b"", "a process: it left no record"),
        (lambda data: data[:100], "a process: it left no record"),
        (lambda data: bytes(len(data)), "a process: it left no record"),
        (lambda data: b"X" + data[1:], "a file of the run: it is named as if it held records"),
        (lambda data: data[:10] + b"\1\0" + data[12:], "records of a process: their file is damaged"),
        (lambda data: data[:8] + b"\0\0" + data[10:], "records of a process: their file is damaged"),
    ],
)
def test_a_damaged_header_loses_that_segment_only(change, loss: str) -> None:
    files = run_files(RUN + "segment pid=8\n first t=+1.0\n")
    damaged = next(name for name in files if name.startswith("segments/7-"))
    files[damaged] = change(files[damaged])
    trace = trace_of(files)
    assert [head.pid for head in trace.headers] == [8]
    assert trace.losses[0].startswith(loss)
    assert damaged not in trace.losses[0], "a name that says nothing to the user"


def test_a_run_that_is_packed_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = write_run(tmp_path / "run", run_files())
    run_file = tmp_path / "run.mpdiag"
    run_file.write_text(json.dumps({"mpdiag": "live", "directory": directory}))
    original = reader._read

    def end_meanwhile(opened: source.Source) -> Trace:
        trace = original(opened)
        if opened.live:
            pack(directory, str(run_file))
            shutil.rmtree(directory)
        return trace

    monkeypatch.setattr(reader, "_read", end_meanwhile)
    trace = read_trace(str(run_file))
    assert len(trace.segments) == 1
    assert not (tmp_path / "run").exists()


def test_a_pointer_whose_run_is_gone(tmp_path: Path) -> None:
    (tmp_path / "run.mpdiag").write_text('{"mpdiag": "live", "directory": "/nowhere/at/all"}')
    with pytest.raises(MpdiagError, match="is gone: its directory /nowhere/at/all holds no run any more"):
        read_trace(str(tmp_path / "run.mpdiag"))
