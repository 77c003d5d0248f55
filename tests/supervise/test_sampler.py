from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import count
from typing import Any

import psutil
import pytest

from mpdiag.supervise import sampler
from mpdiag.supervise.sampler import Sampler, Watched
from mpdiag.wire.format import KINDS

FIELDS = {name: [field for field, _type in fields] for _number, name, fields, _doc in KINDS}
# A process with a child and a second thread. The child says when all are there, with more CPU time than a tick of the
# kernel's clock (10 ms). They leave when stdin is closed.
FAMILY = """
import subprocess, sys, threading, time
CHILD = "import sys, time\\nwhile time.process_time() < 0.05: pass\\nprint(flush=True); sys.stdin.read()"
while time.process_time() < 0.05:
    pass
threading.Thread(target=threading.Event().wait, daemon=True).start()
child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE)
sys.stdin.read()
child.stdin.close()
child.wait()
"""


class Records:
    """Takes the place of a segment."""

    dropped = 0

    def __init__(self) -> None:
        """Begin with none."""
        self.samples: list[dict[str, Any]] = []

    def put(self, kind: str, *values: float | bytes, flags: int = 0, weight: int = 0) -> bool:
        """Take a record, as SegmentWriter does."""
        assert (kind, flags, weight) == ("sample", 0, 0)
        self.samples.append(dict(zip(FIELDS[kind], values, strict=True)))
        return True


@pytest.fixture
def family():
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


@pytest.mark.parametrize("listed", [True, False], ids=["kernel lists children", "psutil finds them"])
def test_whole_tree_is_sampled(family, listed, monkeypatch):
    monkeypatch.setattr("mpdiag.supervise.tree.lists_children", lambda: listed)
    records = Records()

    Sampler(family.pid, records).look()

    parent, child = sorted(records.samples, key=lambda sample: sample["pid"] != family.pid)
    assert parent["pid"] == family.pid
    assert parent["threads"] == 2
    assert child["pid"] == psutil.Process(family.pid).children()[0].pid
    for sample in (parent, child):
        assert sample["cpu"] > 0
        assert sample["rss"] > 1 << 20
        assert sample["voluntary"] + sample["involuntary"] > 0
        assert 0 < time.perf_counter_ns() - sample["t"] < 60e9


def test_orphans_are_watched_until_they_end(family):
    records = Records()
    watching = Sampler(family.pid, records)
    watching.look()
    child = psutil.Process(family.pid).children()[0]

    family.kill()
    family.wait()
    records.samples.clear()
    watching.look()
    # The orphan's stdin was closed by its parent's death, so it may have ended already.
    assert {sample["pid"] for sample in records.samples} <= {child.pid}

    psutil.wait_procs([child], timeout=20)
    records.samples.clear()
    watching.look()
    assert records.samples == []


def test_process_that_has_gone_is_no_error():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    records = Records()

    Sampler(process.pid, records).look()

    assert records.samples == []


def test_refusal_is_remembered(monkeypatch):
    def refuse(_process: psutil.Process) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "num_ctx_switches", refuse)
    records = Records()
    watching = Sampler(os.getpid(), records)

    watching.look()

    assert os.getpid() in watching.refused
    assert records.samples == []


def test_intervals_grow_to_their_longest(monkeypatch):
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    watching = Sampler(os.getpid(), Records(), clock=lambda: 0)

    intervals = [watching.look() for _ in range(40)]

    assert intervals[0] == pytest.approx(sampler.FIRST_LOOK_S * sampler.GROWTH)
    assert intervals == sorted(intervals)
    assert intervals[-1] == sampler.LONGEST_S


def test_intervals_grow_with_the_cost_of_a_look(monkeypatch):
    seconds = count(step=0.01)
    monkeypatch.setattr(time, "thread_time", lambda: next(seconds))

    assert Sampler(os.getpid(), Records(), clock=lambda: 0).look() == pytest.approx(0.01 / sampler.CPU_SHARE)


def test_intervals_grow_with_the_length_of_the_run(monkeypatch):
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    hours = iter([0, 0, 24 * 3600 * 10**9, 24 * 3600 * 10**9])

    assert Sampler(os.getpid(), Records(), clock=lambda: next(hours, 24 * 3600 * 10**9)).look() > 40


def test_waits_of_ended_threads_are_kept():
    watched = Watched(psutil.Process())

    assert watched.waited({"1": 10, "2": 5}) == 15
    assert watched.waited({"1": 11}) == 16
    assert watched.waited({"1": 11, "3": 1}) == 17
