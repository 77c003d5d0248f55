from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mpdiag.model.build import build_run
from mpdiag.model.run import Loss, Meta, Origin, Pool, Site, Worker
from mpdiag.trace.reader import trace_of
from mpdiag.trace.text import parse
from tests.model.written import ENDED, fixture, parent, pool, run_of, worker


def test_the_run_as_a_whole() -> None:
    run = fixture("pool")
    assert run.meta == Meta(
        command=("slow.py",),
        python="3.11.7",
        wall_s=1.0,
        cpus_usable=2,
        started=1.7e9,
        exit_status=0,
        complete=True,
        cpu_s=0.9,
        maxrss=50_000_000,
        budget=0.02,
        version="0.1.0",
    )
    assert run.losses == ()


def test_processes() -> None:
    program, first, second = fixture("pool").processes
    assert (program.pid, program.role, program.cause, program.argv) == (100, "program", "exec", "python slow.py")
    assert (program.start, program.end, program.exit_code, program.cpu_s) == (0.01, 1.0, 0, 0.15)
    assert program.site is None
    assert (first.pid, first.ppid, first.role, first.name, first.method) == (
        101,
        100,
        "worker",
        "ForkPoolWorker-1",
        "fork",
    )
    assert (first.launched, first.start, first.ready, first.end) == (0.2, 0.201, 0.203, 0.74)
    assert (first.exit_code, first.cpu_s, first.site) == (0, 0.3, Site("slow.py", 10, "main"))
    # Terminated with its pool: nobody saw its exit code.
    assert (second.end, second.exit_code, second.launched) == (0.75, None, 0.202)


def test_pools_and_origins_have_exact_counts() -> None:
    run = fixture("pool")
    site = Site("slow.py", 10, "main")
    assert run.pools == (
        Pool(
            index=0,
            kind="Pool",
            pid=100,
            site=site,
            workers=2,
            method="fork",
            initializer="",
            maxtasks=0,
            created=0.199,
            ready=0.205,
            ended=0.75,
            closing=0.7,
            main_cpu_s=0.01,
            tasks=4,
            items=4,
            payload_bytes=400,
            callable_bytes=100,
            result_bytes=200,
            results=4,
            failed=1,
        ),
    )
    assert run.origins == (
        Origin(
            index=0,
            pool=0,
            site=Site("slow.py", 12, "main"),
            function="__main__:work",
            method="map",
            tasks=4,
            items=4,
            payload_bytes=400,
            callable_bytes=100,
            result_bytes=200,
            results=4,
            failed=1,
            jobs=1,
            length=4,
            chunksize=1,
        ),
    )


def test_workers() -> None:
    first, second = fixture("pool").workers
    assert first == Worker(
        index=0,
        process=1,
        pool=0,
        launched=0.2,
        ready=0.203,
        first=0.204,
        end=0.74,
        ended="returned",
        received=3,
        received_bytes=300,
        done=3,
        result_bytes=150,
    )
    assert (second.ended, second.end, second.done) == ("terminated", 0.75, 1)


def test_every_stamp_of_a_task() -> None:
    tasks = fixture("pool").tasks
    assert len(tasks) == 4
    task = tasks[0]
    assert (task["pool"], task["origin"], task["worker"], task["job"], task["index"]) == (0, 0, 0, 3, 0)
    expected = {
        "submitted": 0.210,
        "pickled_from": 0.211,
        "pickled": 0.21101,
        "sent": 0.211015,
        "asked": 0.204,
        "received": 0.211,
        "begin": 0.211004,
        "end": 0.311004,
        "replied_from": 0.311007,
        "replied": 0.311009,
        "arrived": 0.320,
        "collected": 0.320008,
        "handled": 0.32001,
        "produce": 2e-6,
        "cpu": 0.09,
    }
    assert {name: float(task[name]) for name in expected} == pytest.approx(expected, abs=1e-8)
    assert (task["argument_bytes"], task["callable_bytes"], task["result_bytes"], task["items"]) == (75, 25, 50, 1)
    assert tasks["failed"].tolist() == [False, False, False, True]
    assert tasks["worker"].tolist() == [0, 0, 0, 1]
    assert tasks["weight"].tolist() == [1, 1, 1, 1]


def test_samples_and_overhead() -> None:
    run = fixture("pool")
    assert run.samples["t"].tolist() == [0.1, 0.5, 0.5]
    assert run.samples["cpu"].tolist() == [0.05, 0.09, 0.15]
    # 8 tasks counted by the parent, 4 by the workers, at 0.5 us; 8 + 4 timed at 2 us; and 1 ms for looking into some.
    assert run.overhead.counted == 12
    assert run.overhead.timed == 12
    assert run.overhead.seconds == pytest.approx(12 * 0.5e-6 + 12 * 2e-6 + 1e-3)
    assert run.overhead.trace_bytes > 0


def test_an_empty_run() -> None:
    run = run_of("")
    assert run.meta.wall_s == 0
    assert (run.processes, run.pools, run.losses, len(run.tasks), len(run.samples)) == ((), (), (), 0, 0)


def test_a_run_without_pools() -> None:
    run = run_of(ENDED + parent())
    assert run.meta.wall_s == 10
    assert [process.exit_code for process in run.processes] == [0]


def test_a_run_that_goes_on_lasts_to_the_last_sign_of_life() -> None:
    text = (
        'meta {"pid": 100}\n'
        + parent(pool(end=None), "sent tasks=3 pool=1 origin=1001\ncollected tasks=1 pool=1 origin=1001\n")
        + worker(101, done=1)
        + "work t=+2.0 read=1s run=500ms\n"
        + "segment pid=99 cause=supervisor\nsample t=+4.0 pid=101 cpu=7\n"
    )
    run = run_of(text)
    assert run.meta.wall_s == 4.0
    assert not run.meta.complete
    assert run.meta.exit_status is None
    assert (run.workers[0].ended, run.workers[0].end) == ("running", 4.0)
    assert np.isnan(run.processes[1].end)
    assert run.pools[0].ended == run.pools[0].closing == pytest.approx(1.1)
    (loss,) = run.losses
    assert loss.count == 2
    assert "under way" in loss.why


def test_losses_of_everyone_who_noticed_are_gathered() -> None:
    text = (
        ENDED.replace('"pid"', '"uninstrumented": ["/bin/sh is not Python"], "pid"')
        + 'note "python 3.8.18 is too old to be instrumented (3.9 or newer)"\n'
        + parent(
            pool(),
            "sent tasks=5 pool=1 origin=1001\ncollected tasks=3 pool=1 origin=1001\n",
            'loss t=+2.0 count=1 what="pool end" why="OSError: gone"\n' * 2,
            "cost dropped=7\n",
            "start t=+1.0 identity=1\nstart t=+1.0 identity=2\nstart t=+1.0 identity=3\n",
            "send job=1 index=1 origin=77\n",
            "origin id=88 pool=66\n",
            "unknown kind=999\n",
        )
        + worker(101, done=2)
        + worker(102, done=1)
        + worker(109, channel=4444)
    )
    losses = run_of(text).losses
    assert Loss("pool end", "OSError: gone", 2) in losses
    assert Loss("a record", "the disk was full, or its process had recorded all it may", 7) in losses
    assert Loss("a Python process", "python 3.8.18 is too old to be instrumented (3.9 or newer)") in losses
    assert Loss("the program", "/bin/sh is not Python") in losses
    assert Loss("1 records", "of kinds that this version of mpdiag does not know") in losses
    assert (
        Loss(
            "a process that was started", "it left no record: it could not be instrumented, or died while it started", 1
        )
        in losses
    )
    assert Loss("a worker process", "its pool was not recorded", 1) in losses
    assert Loss("a timed task", "what it belongs to was not recorded", 1) in losses
    assert Loss("a place that submits tasks", "what it belongs to was not recorded", 1) in losses
    assert (
        Loss(
            "answers to tasks of the Pool at slow.py:1 (main)",
            "they were waiting, or in a worker, when the pool was shut down or the worker died",
            2,
        )
        in losses
    )
    assert len(losses) == 10


def test_a_child_that_died_before_it_was_ready_left_a_record() -> None:
    run = run_of(ENDED + parent("start t=+1.0 identity=1\n") + "segment pid=101 ppid=100 cause=fork perf_ns=+1.1")
    assert run.losses == ()
    assert run.processes[1].ppid == 100


def test_the_order_of_files_does_not_matter() -> None:
    one = fixture("pool")
    again = fixture("pool")
    assert replace(one.meta) == again.meta
    np.testing.assert_array_equal(one.tasks, again.tasks)


def test_processes_that_left_no_record_are_counted_together() -> None:
    files = parse((ENDED + parent()).splitlines()) | {f"segments/{pid}-1-a.0.seg": b"" for pid in (7, 8, 9)}
    (loss,) = build_run(trace_of(files)).losses
    assert (loss.what, loss.count) == ("a process", 3)
    assert ".seg" not in loss.why


def test_mpdiags_own_python_is_not_the_programs() -> None:
    assert run_of(ENDED + "segment pid=99 cause=supervisor python=3.11.7\n").meta.python == ""
    assert run_of(ENDED + "segment pid=99 cause=supervisor python=3.11.7\n" + parent()).meta.python == "3.11.7"
