from __future__ import annotations

import numpy as np
import pytest

from tests.model.written import ENDED, parent, pool, run_of, worker


def work(job: int, index: int, at: float = 2.0) -> str:
    return f"work t=+{at} read=1ms run=10ms job={job} index={index} bytes=10 result=5\n"


def test_several_pools_at_once_keep_their_tasks_apart() -> None:
    text = (
        ENDED
        + parent(
            pool(1),
            pool(2, at=1.5),
            "sent tasks=2 items=2 bytes=20 pool=1 origin=1001\nsent tasks=2 items=2 bytes=20 pool=2 origin=1002\n",
            "collected tasks=2 pool=1 origin=1001\ncollected tasks=2 pool=2 origin=1002\n",
            "".join(
                f"send t=+2.0 job={job} index={index} bytes=10 items=1 origin=100{job}\n"
                for job in (1, 2)
                for index in (0, 1)
            ),
        )
        + worker(101, channel=1, done=2)
        + work(1, 0)
        + work(1, 1)
        + worker(102, channel=2, at=1.55, done=2)
        + work(2, 0)
        + work(2, 1)
    )
    run = run_of(text)
    assert [entry.pool for entry in run.workers] == [0, 1]
    assert run.tasks["pool"].tolist() == run.tasks["origin"].tolist() == run.tasks["worker"].tolist() == [0, 0, 1, 1]
    assert run.tasks["weight"].tolist() == [1, 1, 1, 1]


def test_the_same_job_and_index_in_two_executors() -> None:
    lines = [
        "send t=+2.0 index=0 bytes=10 items=1 origin=1001",
        "send t=+3.0 index=0 bytes=10 items=1 origin=1002",
        "sent tasks=1 pool=1 origin=1001",
        "sent tasks=1 pool=2 origin=1002",
    ]
    text = (
        ENDED
        + parent(pool(1, more="flags=executor"), pool(2, more="flags=executor"), "\n".join(lines), "\n")
        + worker(101, channel=1)
        + work(0, 0, 2.1)
        + worker(102, channel=2)
        + work(0, 0, 3.1)
    )
    run = run_of(text)
    assert [entry.kind for entry in run.pools] == ["ProcessPoolExecutor"] * 2
    assert run.tasks["pickled_from"].tolist() == [2.0, 3.0]
    assert run.tasks["asked"].tolist() == [2.1, 3.1]
    assert run.tasks["worker"].tolist() == [0, 1]


def test_a_worker_that_has_a_pool_of_its_own() -> None:
    inner = (
        'pool created=+3.0 ready=+3.1 channel=2 id=1 site="slow.py:30 (work)" workers=1\n'
        'origin id=5 pool=1 site="slow.py:31 (work)" function=deep method=map\n'
        "sent tasks=1 items=1 bytes=10 pool=1 origin=5\ncollected tasks=1 pool=1 origin=5\n"
        "send t=+3.2 job=9 index=0 bytes=10 items=1 origin=5\ncollect t=+3.9 job=9 index=0 pool=1 origin=5\n"
        "start t=+3.0 identity=1\n"
    )
    text = (
        ENDED
        + parent(
            pool(1),
            "sent tasks=1 items=1 bytes=10 pool=1 origin=1001\ncollected tasks=1 pool=1 origin=1001\n"
            "send t=+2.0 job=9 index=0 bytes=10 items=1 origin=1001\ncollect t=+4.5 job=9 index=0 pool=1 origin=1001\n",
        )
        + worker(101, done=1)
        + "work t=+1.9 read=200ms run=2s job=9 index=0\n"
        + inner
        + "segment pid=201 ppid=101 cause=fork perf_ns=+3.05\n"
        + "ready t=+3.1 identity=1 role=worker channel=2 logical_ppid=101\nfirst t=+3.15\nworked done=1 channel=2\n"
        + "work t=+3.15 read=100ms run=100ms job=9 index=0\n"
    )
    run = run_of(text)
    assert [(entry.pool, entry.process) for entry in run.workers] == [(0, 1), (1, 2)]
    assert [entry.pid for entry in run.pools] == [100, 101]
    assert run.processes[2].launched == 3.0
    assert run.tasks["pool"].tolist() == run.tasks["worker"].tolist() == run.tasks["origin"].tolist() == [0, 1]
    assert run.tasks["weight"].tolist() == [1, 1]
    # Not closed: it ends with the process that made it.
    assert run.pools[1].ended == pytest.approx(4.1)


def test_pools_of_threads_are_left_alone() -> None:
    assert run_of(ENDED + parent(pool(more="flags=threads"))).pools == ()


def test_a_pool_that_is_written_twice_is_one() -> None:
    early = 'pool created=+1.0 channel=1 id=1 site="slow.py:1 (main)" workers=0\n'
    run = run_of(ENDED + parent(early, pool()) + worker(101))
    (entry,) = run.pools
    assert (entry.workers, entry.ready) == (2, 1.1)
    assert len(run.workers) == 1


def test_a_shutdown_in_several_steps_is_one() -> None:
    run = run_of(ENDED + parent(pool(), "pool_end begin=+9.05 end=+9.5 id=1\npool_end begin=+1 end=+2 id=77\n"))
    assert [run.pools[0].closing, run.pools[0].ended] == pytest.approx([8.9, 9.5])


def test_a_pool_that_was_never_closed_ends_with_its_process() -> None:
    (entry,) = run_of(ENDED + parent(pool(end=None))).pools
    assert entry.ended == entry.closing == 10
    assert np.isnan(entry.main_cpu_s)


@pytest.mark.parametrize(("begin", "end", "cpu"), [(5, 9, 4e-9), (5, 0, np.nan), (5, 3, np.nan)])
def test_cpu_of_the_creating_thread(begin: int, end: int, cpu: float) -> None:
    text = parent(pool(end=None, more=f"main_cpu={begin}"), f"pool_end begin=+8 end=+9 id=1 main_cpu={end}\n")
    assert run_of(ENDED + text).pools[0].main_cpu_s == pytest.approx(cpu, nan_ok=True)


def test_an_initialiser_and_recycled_workers() -> None:
    (entry,) = run_of(ENDED + parent(pool(more="initializer=setup maxtasks=3"))).pools
    assert (entry.initializer, entry.maxtasks) == ("setup", 3)


def test_jobs_of_an_origin() -> None:
    jobs = "job t=+1.0 job=1 origin=1001 length=100 chunksize=7\njob t=+2.0 job=2 origin=1001 length=50 chunksize=3\n"
    run = run_of(ENDED + parent(pool(), jobs, "sent tasks=32 items=150 bytes=1000 pool=1 origin=1001\n"))
    (origin,) = run.origins
    assert (origin.jobs, origin.length, origin.chunksize) == (2, 150, 7)
    run = run_of(ENDED + parent(pool(), "sent tasks=32 items=32 pool=1 origin=1001\n"))
    (origin,) = run.origins
    assert (origin.jobs, origin.length, origin.chunksize) == (32, 32, 1)


def test_the_callables_share_is_that_of_the_timed_messages_by_weight() -> None:
    sends = (
        "send t=+2.0 job=1 index=0 bytes=100 callable=10 origin=1001 weight=2\n"
        "send t=+2.1 job=1 index=1 bytes=100 callable=60 origin=1001\n"
    )
    run = run_of(ENDED + parent(pool(), sends, "sent tasks=5 items=5 bytes=500 pool=1 origin=1001\n"))
    assert run.origins[0].callable_bytes == run.pools[0].callable_bytes == 100


def test_tallies_of_several_threads_add_up() -> None:
    run = run_of(ENDED + parent(pool(), "sent tasks=5 items=6 bytes=7 pool=1 origin=1001\n" * 2))
    assert (run.pools[0].tasks, run.pools[0].items, run.pools[0].payload_bytes) == (10, 12, 14)
