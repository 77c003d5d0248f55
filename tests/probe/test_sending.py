"""The sending side: task handler of a Pool, feeder of an executor. Counts are exact, times are the clock's."""

from collections import deque
from concurrent.futures import process as futures
from functools import partial
from importlib import import_module
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest

from mpdiag.probe import dispatching, feeding
from mpdiag.probe.sampling import ALL
from mpdiag.probe.sending import Sender

from .conftest import STEP

pool: Any = import_module("multiprocessing.pool")
queues: Any = import_module("multiprocessing.queues")
LARGE = b"x" * 20_000


def double(item):
    return 2 * item


@pytest.fixture(autouse=True)
def clock(books, monkeypatch):
    for module in (dispatching, feeding):
        monkeypatch.setattr(module, "Sender", lambda ledger: Sender(ledger, books.clock))


@pytest.fixture
def put(books, pipe):
    return dispatching.counted(books.ledger, pool, pipe[1].send)


def task(job, index, item=1):
    return (job, index, double, (item,), {})


def test_what_is_sent_arrives_unchanged(put, pipe):
    for sent in (task(1, 0), None, (1, 1, pool.mapstar, ((double, (1, 2)),), {})):
        put(sent)
        assert pipe[0].recv() == sent


def test_tasks_items_and_bytes_are_counted(books, put, pipe):
    books.untimed()
    chunk = (2, 0, pool.mapstar, ((double, (1, 2, 3)),), {})
    size = 0
    for sent in (task(1, 0), task(1, 1), chunk, task(1, 2)):
        put(sent)
        size += len(pipe[0].recv_bytes())
    (counted,) = books.records("sent")
    assert (counted["tasks"], counted["items"], counted["bytes"]) == (4, 6, size)
    assert not books.records("send")


def test_a_timed_task_has_its_stages(books, put, pipe):
    put(task(1, 0))
    put(task(1, 1))
    size = len(pipe[0].recv_bytes())
    first, second = books.records("send")
    assert (first["dump"], first["write"], first["produce"], first["bytes"]) == (STEP, STEP, STEP, size)
    assert (second["job"], second["index"], second["items"], second["produce"]) == (1, 1, 1, 0)
    assert second["t"] - first["t"] == 4 * STEP


def test_a_task_has_the_shift_that_it_was_chosen_by(books):
    sender = Sender(books.ledger, books.clock)
    entry = books.ledger.open(1, double)[0]
    books.untimed()
    books.ledger.plan.shift = 5
    for limit in (ALL, ALL >> 3, 1):
        sender.timed(entry, 0, 1, 2, 3, 1, 0, 10, 1, limit)
    assert [sent["weight"] for sent in books.records("send")] == [0, 3, 16]


def test_time_between_two_jobs_is_nobodys(books, put, pipe):
    put(task(1, 0))
    put(task(2, 0))
    assert [sent["produce"] for sent in books.records("send")] == [0, 0]
    assert pipe[0].poll()


def test_a_large_message_is_looked_into(books, put, pipe):
    put(task(1, 0, LARGE[:10]))
    assert not books.records("part")
    put(task(1, 1, LARGE))
    (part,) = books.records("part")
    assert (books.text(part["name"]), part["index"]) == ("item", 1)
    assert pipe[0].recv()[1] == 0


def test_what_cannot_be_looked_into_is_counted(books, put, pipe, monkeypatch):
    def refuse():
        raise AttributeError

    monkeypatch.setattr(dispatching, "parts", refuse)
    put(task(1, 0, LARGE))
    put(task(1, 1, LARGE))
    assert [pipe[0].recv()[1] for _ in range(2)] == [0, 1]
    assert books.records("sent")[0]["tasks"] == 2
    assert books.records("loss")
    assert not books.ledger.broken


def test_what_cannot_be_pickled_raises_as_ever_and_is_not_counted(books, put, pipe):
    put(task(1, 0))
    with pytest.raises(Exception, match="pickle"):
        put((1, 1, double, (lambda: 0,), {}))
    put(task(1, 2))
    assert [pipe[0].recv()[1] for _ in range(2)] == [0, 2]
    assert books.records("sent")[0]["tasks"] == 2
    assert not books.ledger.broken


def test_a_closed_pipe_raises_as_ever(put, pipe):
    pipe[1].close()
    with pytest.raises(OSError, match="handle is closed"):
        put(task(1, 0))


def test_a_hook_that_fails_leaves_the_task_alone(books, put, pipe):
    put((1, 0, double))  # no task of a Pool's
    assert books.ledger.broken
    put(task(1, 1))
    assert [pipe[0].recv() for _ in range(2)] == [(1, 0, double), task(1, 1)]
    assert books.records("loss")


def test_another_kind_of_queue_is_left_alone(books):
    listed = []
    assert dispatching.counted(books.ledger, pool, listed.append) == listed.append
    assert books.ledger.broken


@pytest.fixture
def feed(books, pipe):
    """Run a feeder over items."""

    def run(*items):
        send = pipe[1].send_bytes
        buffer, counting = feeding.counted(books.ledger, futures, (deque([*items, queues._sentinel]), send))
        while len(buffer):
            item = buffer.popleft()
            if item is not queues._sentinel:
                counting(ForkingPickler.dumps(item))

    return run


def test_calls_of_an_executor_are_counted(books, feed, pipe):
    books.untimed()
    chunk = partial(futures._process_chunk, double)
    feed(futures._CallItem(0, double, (1,), {}), futures._CallItem(1, chunk, (((1,), (2,), (3,)),), {}))
    received = [pipe[0].recv_bytes() for _ in range(2)]
    (counted,) = books.records("sent")
    assert (counted["tasks"], counted["items"], counted["bytes"]) == (2, 4, sum(map(len, received)))
    assert books.text(books.records("origin")[0]["function"]) == f"{__name__}:double"
    assert set(books.ledger.live) == {0, 1}


def test_a_timed_call_has_its_stages_without_what_came_between(books, feed):
    feed(futures._CallItem(3, double, (LARGE,), {}))
    (sent,) = books.records("send")
    assert (sent["job"], sent["index"], sent["dump"], sent["write"]) == (0, 3, STEP, STEP)
    (part,) = books.records("part")
    assert part["index"] == 3


def test_the_buffer_is_empty_when_the_deque_is(books):
    buffer = feeding.Buffer(deque(), Sender(books.ledger))
    assert not buffer
    with pytest.raises(IndexError):
        buffer.popleft()
