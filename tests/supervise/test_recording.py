from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from mpdiag.supervise import recording as recording_module
from mpdiag.supervise.launch import Ended
from mpdiag.supervise.output import RunFile
from mpdiag.supervise.recording import NO_MORE_LOOKS_S, Recording
from mpdiag.supervise.rundir import RunDirectory
from mpdiag.trace.reader import read_trace

META = {"format": 1, "mpdiag": "0", "command": ["x.py"], "cwd": "/", "cpus_usable": 2, "budget": 0.02}


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # The tests' own streams are not to be let go.
    monkeypatch.setattr(recording_module, "release_streams", lambda: None)
    return RunDirectory.create()


@pytest.fixture
def ended():
    return Ended(signal.SIGKILL, time.perf_counter_ns(), 10**9, 1 << 20)


def begun(directory: RunDirectory) -> Recording:
    recording = Recording(directory, META, None)
    recording.begin(os.getpid(), time.perf_counter_ns())
    return recording


def test_run_is_described_while_it_lasts(directory):
    before = time.time_ns()

    begun(directory)

    meta = read_trace(directory.path).meta
    assert meta["pid"] == os.getpid()
    assert meta["end"] is None
    assert before <= meta["time_ns"] <= time.time_ns()
    assert 0 < meta["perf_ns"] <= time.perf_counter_ns()


def test_samples_and_end_are_recorded(directory, ended):
    recording = begun(directory)

    assert recording.look() < NO_MORE_LOOKS_S
    assert recording.look() < NO_MORE_LOOKS_S
    unwritten = recording.end(ended, ["ls"])

    trace = read_trace(directory.path)
    (supervisor,) = trace.segments
    assert unwritten == []
    assert supervisor.header.cause == "supervisor"
    assert os.getpid() in supervisor.records("sample")["pid"]
    assert supervisor.records("exit")["status"].tolist() == [signal.SIGKILL]
    assert trace.meta["end"] == {
        "perf_ns": ended.perf_ns,
        "status": -signal.SIGKILL,
        "cpu_ns": 10**9,
        "maxrss": 1 << 20,
    }
    assert trace.meta["uninstrumented"] == ["ls is not a Python program, nor did it start one that mpdiag could record"]


def test_live_pointer_leads_to_the_run(directory, tmp_path):
    run_file = RunFile(str(tmp_path / "r.mpdiag"), directory.path, force=False)
    recording = Recording(directory, META, run_file)

    recording.begin(1, 1)

    assert read_trace(str(tmp_path / "r.mpdiag")).meta["pid"] == 1


def test_failing_sampler_becomes_a_loss(directory, ended, monkeypatch):
    def fail(_pid: int, _writer: object) -> None:
        message = "out of order"
        raise RuntimeError(message)

    monkeypatch.setattr(recording_module, "Sampler", fail)
    recording = begun(directory)

    assert recording.look() == NO_MORE_LOOKS_S
    assert recording.look() == NO_MORE_LOOKS_S
    assert recording.end(ended, ["x.py"]) == []

    (supervisor,) = read_trace(directory.path).segments
    losses = supervisor.records("loss")
    assert [supervisor.text(number) for number in losses["what"]] == ["samples of the processes"]
    assert [supervisor.text(number) for number in losses["why"]] == ["RuntimeError: out of order"]


def test_full_disk_at_the_start_becomes_a_loss(directory, ended, monkeypatch):
    def fail(_directory: str, _cause: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(recording_module, "SegmentWriter", fail)
    recording = begun(directory)

    assert recording.look() == NO_MORE_LOOKS_S
    assert recording.end(ended, ["x.py"]) == [("what the supervisor sees", "No space left on device")]
    assert read_trace(directory.path).meta["end"]["status"] == -signal.SIGKILL


@pytest.mark.parametrize("step", ["RunDirectory.write_meta", "RunFile.publish"])
def test_pointer_that_was_not_published_is_withdrawn(directory, tmp_path, monkeypatch, step):
    def fail(*_arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    place = tmp_path / "place"
    place.mkdir()
    run_file = RunFile(str(place / "r.mpdiag"), directory.path, force=False)
    owner, name = step.split(".")
    monkeypatch.setattr({"RunDirectory": RunDirectory, "RunFile": RunFile}[owner], name, fail)

    Recording(directory, META, run_file).begin(os.getpid(), time.perf_counter_ns())

    assert list(place.iterdir()) == []


def test_deleted_directory_becomes_a_loss(directory, ended):
    recording = begun(directory)
    shutil.rmtree(directory.path)

    assert recording.end(ended, ["x.py"]) == []

    trace = read_trace(directory.path)
    (segment,) = trace.segments
    (loss,) = segment.records("loss")
    assert segment.text(int(loss["what"])) == "the records of all processes"
    assert "deleted" in segment.text(int(loss["why"]))
    assert trace.meta["end"] is not None
    assert trace.meta["uninstrumented"] == []


def test_directory_that_cannot_come_back_is_no_error(directory, ended):
    recording = begun(directory)
    shutil.rmtree(directory.path)
    Path(directory.path).touch()

    unwritten = recording.end(ended, ["x.py"])

    assert [what for what, _why in unwritten] == ["the records of all processes", "the end of the run"]


def test_meta_is_json_without_its_padding(directory, ended):
    recording = begun(directory)
    recording.end(ended, ["x.py"])

    text = Path(directory.path, "meta.json").read_text()
    assert json.dumps(json.loads(text)) == text
