"""A worker's loop: what it takes and gives is counted, the sampled tasks are timed, and its queues behave as ever."""

import multiprocessing
from concurrent.futures import process as futures
from multiprocessing import synchronize
from typing import Any

import pytest

from mpdiag.probe import working
from mpdiag.probe.working import EXECUTOR, POOL, Loop

from .conftest import STEP

CONTEXT: Any = multiprocessing.get_context("fork")


class Worker:
    """The two queues of a worker, overlaid, and their other ends."""

    def __init__(self, books, dialect):
        self.tasks = CONTEXT.SimpleQueue() if dialect is POOL else CONTEXT.Queue(10)
        self.results = CONTEXT.SimpleQueue()
        self.loop = Loop(books.session, books.recorder, books.recorder.live("worked", 0, 0, 0, 0, 7), clock=books.clock)
        self.loop.plan = books.ledger.plan
        send, self.receive = self.tasks._writer.send, self.results._reader.recv
        sem = getattr(self.tasks, "_sem", None)
        self.give = lambda task: (sem.acquire() if sem else None, send(task))
        self.get = self.loop.getter(self.tasks, dialect)
        self.put = self.loop.putter(self.results, dialect)


@pytest.fixture
def worker(books):
    return Worker(books, POOL)


def test_tasks_and_results_are_counted(books, worker):
    books.untimed()
    for index in range(3):
        worker.give((1, index, len, ("abc",), {}))
        assert worker.get()[:2] == (1, index)
        worker.put((1, index, (True, 3)))
        assert worker.receive() == (1, index, (True, 3))
    (counted,) = books.records("worked")
    assert (counted["received"], counted["done"]) == (3, 3)
    assert min(counted["received_bytes"], counted["result_bytes"]) > 3 * 10
    assert not books.records("work")


def test_a_timed_task_has_its_stages(books, worker):
    worker.give((1, 4, len, ("abc",), {}))
    worker.get()
    worker.put((1, 4, (True, 3)))
    (work,) = books.records("work")
    assert [work[stage] for stage in ("read", "load", "run", "dump", "write")] == [STEP] * 5
    assert (work["job"], work["index"], work["flags"], len(books.records("first"))) == (1, 4, 0, 1)


def test_a_failed_task_is_marked(books, worker):
    worker.give((1, 0, len, (3,), {}))
    worker.get()
    worker.put((1, 0, (False, ValueError("no"))))
    assert [work["flags"] for work in books.records("work")] == [working.FAILED]


def test_a_result_that_cannot_be_pickled_is_timed_once_and_raises_as_ever(books, worker):
    worker.give((1, 0, len, (3,), {}))
    worker.get()
    with pytest.raises(Exception, match="pickle"):
        worker.put((1, 0, (True, lambda: 0)))
    worker.put((1, 0, (False, ValueError("cannot pickle"))))
    (work,) = books.records("work")
    assert (work["run"], books.records("worked")[0]["done"]) == (STEP, 1)


def test_a_large_result_is_looked_into(books, worker):
    worker.give((1, 0, len, (3,), {}))
    worker.get()
    worker.put((1, 0, (True, b"x" * 20_000)))
    (part,) = books.records("part")
    assert (books.text(part["role"]), part["bytes"] >= 20_000) == ("result", True)
    assert worker.receive()[1] == 0


def test_the_end_is_no_task(books, worker):
    worker.give(None)
    assert worker.get() is None
    assert books.records("worked")[0]["received"] == 0


def test_a_hook_that_fails_leaves_the_task_alone(worker):
    worker.give("no task of a Pool's")
    worker.give((1, 1, len, (), {}))
    assert worker.get() == "no task of a Pool's"
    assert worker.get()[:2] == (1, 1)
    worker.put((1, 1, (True, 0)))
    assert worker.receive() == (1, 1, (True, 0))


def test_an_executors_worker_is_counted_and_says_goodbye(books):
    worker = Worker(books, EXECUTOR)
    worker.give(futures._CallItem(5, len, ("abc",), {}))
    assert worker.get(block=True).work_id == 5
    worker.put(futures._ResultItem(5, result=3))
    worker.put(4711)
    assert worker.receive().result == 3
    assert worker.receive() == 4711
    (work,), (counted,) = books.records("work"), books.records("worked")
    assert (work["job"], work["index"], counted["received"], counted["done"]) == (0, 5, 1, 1)
    assert worker.tasks._sem.acquire(block=False)  # its place in the queue is free again


def test_a_wait_with_an_end_is_the_queues_own(books):
    worker = Worker(books, EXECUTOR)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - queue.Empty, whatever it is called
        worker.get(block=False)
    assert type(caught.value).__name__ == "Empty"


def test_only_the_standard_librarys_lock_is_taken_apart(monkeypatch):
    lock = CONTEXT.Lock()
    assert working._inner(lock) is lock._semlock
    assert working._inner(None) is None
    monkeypatch.setattr(synchronize.SemLock, "__enter__", lambda self: self._semlock.__enter__())
    assert working._inner(lock) is lock


def test_a_queue_of_the_programs_own_is_left_alone(books):
    class Own(multiprocessing.queues.SimpleQueue):
        def get(self):
            return None

    queue = Own(ctx=CONTEXT)
    working.overlay(books.session, queue, CONTEXT.SimpleQueue(), POOL)
    assert "get" not in vars(queue)
    assert books.records("loss")
