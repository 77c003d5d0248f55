from __future__ import annotations

import numpy as np

from mpdiag.model.run import Site
from tests.model.written import ENDED, parent, pool, run_of, worker


def test_a_process_id_that_is_used_again_is_told_apart_by_time() -> None:
    text = (
        ENDED
        # The first process 50 has a child number 1, and so has the second.
        + 'segment pid=50 uid=01 perf_ns=+1.0\nstart t=+1.5 identity=1 site="early.py:1 (f)"\nfinish t=+2.0\n'
        + 'segment pid=50 uid=02 perf_ns=+3.0\nstart t=+3.5 identity=1 site="late.py:1 (f)"\nfinish t=+4.0\n'
        + "segment pid=60 uid=03 perf_ns=+1.6\nready t=+1.7 identity=1 logical_ppid=50\nfinish t=+1.8\n"
        + "segment pid=60 uid=04 perf_ns=+3.6\nready t=+3.7 identity=1 logical_ppid=50\nfinish t=+3.8\n"
        + "segment pid=9 cause=supervisor\nsample t=+1.65 pid=60 cpu=1000000000\nsample t=+3.65 pid=60 cpu=2000000000\n"
    )
    run = run_of(text)
    children = [process for process in run.processes if process.pid == 60]
    assert [process.launched for process in children] == [1.5, 3.5]
    assert [process.site for process in children] == [Site("early.py", 1, "f"), Site("late.py", 1, "f")]
    assert [process.cpu_s for process in children] == [1.0, 2.0]
    assert run.losses == ()


def test_the_parent_that_a_child_remembers_wins_over_a_later_one_with_its_number() -> None:
    text = (
        ENDED
        + "segment pid=50 uid=0100000000000000 perf_ns=+1.0\nstart t=+1.1 identity=1\n"
        + "segment pid=50 uid=0200000000000000 perf_ns=+1.2 cause=exec\n"
        + "segment pid=60 parent_uid=0100000000000000 perf_ns=+1.3\nready t=+1.4 identity=1 logical_ppid=50\n"
    )
    child = run_of(text).processes[2]
    assert child.launched == 1.1


def test_a_child_of_the_forkserver_belongs_to_the_process_that_asked_for_it() -> None:
    server = "python -B -c from multiprocessing.forkserver import main; main(11, 12)"
    text = (
        ENDED
        + parent(pool(), "start t=+1.0 identity=1 method=forkserver\n")
        + f'segment pid=70 ppid=100 uid=0700000000000000 cause=exec perf_ns=+0.5 argv="{server}"\n'
        + 'segment pid=71 cause=exec argv="python -c from multiprocessing.resource_tracker import main;main(5)"\n'
        + f'segment pid=101 ppid=70 parent_uid=0700000000000000 cause=fork perf_ns=+1.1 argv="{server}"\n'
        + "ready t=+1.2 identity=1 role=worker channel=1 logical_ppid=100\n"
    )
    run = run_of(text)
    child = next(process for process in run.processes if process.pid == 101)
    assert (child.ppid, child.launched, child.role, child.method) == (100, 1.0, "worker", "forkserver")
    roles = {process.pid: process.role for process in run.processes}
    assert roles == {100: "program", 70: "forkserver", 71: "resource tracker", 101: "worker"}


def test_the_program_is_the_last_image_of_its_process() -> None:
    text = (
        ENDED
        + "segment pid=100 uid=01 cause=exec perf_ns=+0.1 python=3.10.1\n"
        + "segment pid=100 uid=02 cause=exec perf_ns=+0.5 python=3.12.1\n"
    )
    run = run_of(text)
    assert run.meta.python == "3.12.1"
    assert [process.exit_code for process in run.processes] == [None, 0]
    assert run.processes[1].end == 10


def test_how_a_worker_ended() -> None:
    samples = "".join(
        f"sample t=+{second / 10} pid={pid} cpu=1\n"
        for second in range(5, 80)
        for pid in (100, 101, 102)
        if second < 30 or pid != 102
    )
    text = (
        ENDED
        + parent(pool(1), pool(2, at=2.0, end=None))
        + worker(101)
        + worker(102)
        + worker(103, finish=8.5)
        + worker(104, channel=2, at=2.05)
        + "segment pid=99 cause=supervisor\n"
        + samples
    )
    run = run_of(text)
    assert [entry.ended for entry in run.workers] == ["terminated", "killed", "returned", "terminated"]
    assert [entry.end for entry in run.workers] == [9.0, 2.9, 8.5, 10.0]


def test_a_worker_whose_parent_was_never_seen_to_end() -> None:
    text = (
        'meta {"pid": 5, "end": {"perf_ns": 1010000000000}}\n'
        + parent(pool(end=None))
        + worker(101)
        + "work t=+3.0 run=1s\n"
    )
    run = run_of(text)
    assert run.pools[0].ended == 1.1
    assert (run.workers[0].ended, run.workers[0].end) == ("unknown", 4.0)


def test_a_worker_whose_program_was_killed() -> None:
    run = run_of(ENDED.replace('"status": 0', '"status": -9') + parent(pool(end=None)) + worker(101))
    assert run.meta.exit_status == run.processes[0].exit_code == -9
    assert (run.workers[0].ended, run.workers[0].end) == ("unknown", 1.07)


def test_a_worker_that_never_asked_for_a_task() -> None:
    text = (
        ENDED
        + parent(pool())
        + "segment pid=101 ppid=100 cause=fork perf_ns=+1.1\n"
        + "ready t=+1.2 identity=1 role=worker channel=1 logical_ppid=100\n"
    )
    (entry,) = run_of(text).workers
    assert np.isnan(entry.first)
    assert (entry.launched, entry.ready, entry.done) == (1.1, 1.2, 0)
