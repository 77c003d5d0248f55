from __future__ import annotations

import numpy as np
import pytest

from tests.model.written import ENDED, parent, pool, run_of, worker

TWO_ORIGINS = 'origin id=2001 pool=1 site="slow.py:20 (main)" function=other method=map\n'


def work(job: int, index: int, more: str = "") -> str:
    return f"work t=+2.0 read=1ms run=10ms job={job} index={index} bytes=10 result=5 {more}\n"


def send(job: int, index: int, origin: int = 1001, more: str = "") -> str:
    return f"send t=+2.0 dump=10us job={job} index={index} bytes=10 callable=3 items=4 origin={origin} {more}\n"


def collect(job: int, index: int, origin: int = 1001, more: str = "") -> str:
    return f"collect t=+3.0 load=10us job={job} index={index} bytes=6 pool=1 origin={origin} {more}\n"


def sent(tasks: int, origin: int = 1001, items: int | None = None) -> str:
    return f"sent tasks={tasks} items={items or tasks} bytes={tasks * 10} pool=1 origin={origin}\n"


def collected(tasks: int, origin: int = 1001) -> str:
    return f"collected tasks={tasks} bytes={tasks * 6} pool=1 origin={origin}\n"


def test_a_side_that_recorded_nothing_leaves_nan() -> None:
    text = (
        ENDED
        + parent(pool(), sent(3, items=12), collected(3), send(1, 0), collect(1, 1))
        + worker(101, done=3)
        + work(1, 2)
    )
    tasks = run_of(text).tasks
    assert tasks["index"].tolist() == [0, 1, 2]
    assert np.isfinite(tasks["pickled"]).tolist() == [True, False, False]
    assert np.isfinite(tasks["handled"]).tolist() == [False, True, False]
    assert np.isfinite(tasks["replied"]).tolist() == [False, False, True]
    assert np.isfinite(tasks["cpu"]).tolist() == [False, False, True]
    assert tasks["worker"].tolist() == [-1, -1, 0]
    assert tasks["origin"].tolist() == [0, 0, 0]
    assert tasks["items"].tolist() == [4, 4, 4]
    assert tasks["argument_bytes"].tolist() == [7, 0, 10]
    assert tasks["result_bytes"].tolist() == [0, 6, 5]


def test_durations_that_are_none_leave_nan_from_there_on() -> None:
    text = ENDED + parent(pool(), sent(1)) + worker(101) + "work t=+2.0 read=1ms load=nan run=1s cpu=inf dump=-3us\n"
    (task,) = run_of(text).tasks
    assert task["received"] == 2.001
    assert np.isnan([task["begin"], task["end"], task["replied"], task["cpu"]]).all()


def test_failed_tasks_are_marked_by_either_side() -> None:
    text = (
        ENDED
        + parent(pool(), sent(3), collect(1, 1, more="flags=failed"), collect(1, 2))
        + worker(101)
        + work(1, 0, "flags=failed")
        + work(1, 2)
    )
    assert run_of(text).tasks["failed"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("records", "origins"),
    [
        # the job's submission tells
        ("job t=+1.0 job=7 origin=2001 length=9 chunksize=1\n", [1, 1, 1]),
        # another task of the job tells
        (send(7, 0, origin=2001), [1, 1, 1]),
        (collect(7, 2, origin=2001), [1, 1, 1]),
        # nothing tells
        (send(6, 0, origin=2001), [1, -1, -1, -1]),
    ],
)
def test_the_origin_of_tasks_that_only_their_worker_timed(records: str, origins: list[int]) -> None:
    text = (
        ENDED
        + parent(pool(), TWO_ORIGINS, sent(9), sent(9, origin=2001), records)
        + worker(101)
        + work(7, 0)
        + work(7, 1)
        + work(7, 2)
    )
    assert run_of(text).tasks["origin"].tolist() == origins


def test_in_an_executor_both_neighbours_must_agree() -> None:
    text = (
        ENDED
        + parent(
            pool(more="flags=executor"),
            TWO_ORIGINS,
            sent(9),
            sent(9, origin=2001),
            send(0, 1),
            send(0, 3),
            send(0, 5, origin=2001),
        )
        + worker(101)
        + "".join(work(0, index) for index in range(7))
    )
    assert run_of(text).tasks["origin"].tolist() == [-1, 0, 0, 0, -1, 1, -1]


def test_records_of_unknown_pools_are_lost_not_mixed_up() -> None:
    text = ENDED + parent(pool(), send(1, 0, origin=5555), sent(1)) + worker(101, channel=99) + work(1, 0)
    run = run_of(text)
    assert len(run.tasks) == 0
    assert sum(loss.count for loss in run.losses if loss.what == "a timed task") == 2


def test_large_numbers_of_jobs_and_indices_are_told_apart() -> None:
    largest = 2**32 - 1
    text = (
        ENDED
        + parent(pool(1), pool(2), sent(2), send(largest, largest), send(largest, 0), send(0, largest, origin=1002))
        + worker(101)
        + work(largest, largest)
        + worker(102, channel=2)
        + work(0, largest)
    )
    tasks = run_of(text).tasks
    assert list(zip(tasks["pool"].tolist(), tasks["job"].tolist(), tasks["index"].tolist(), strict=True)) == [
        (0, largest, 0),
        (0, largest, largest),
        (1, 0, largest),
    ]
    assert tasks["worker"].tolist() == [-1, 0, 1]
