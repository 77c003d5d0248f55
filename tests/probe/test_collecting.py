"""The collecting side: result handler of a Pool, manager thread of an executor."""

from concurrent.futures import process as futures
from multiprocessing import connection
from multiprocessing.reduction import ForkingPickler

import pytest

from mpdiag.probe import collecting
from mpdiag.probe.collecting import Collector
from mpdiag.probe.sampling import ALL

from .conftest import STEP


def double(item):
    return 2 * item


@pytest.fixture
def cache():
    return {1: None, 2: None}


@pytest.fixture
def get(books, pipe, cache, monkeypatch):
    monkeypatch.setattr(collecting, "Collector", lambda ledger: Collector(ledger, books.clock))
    for job in cache:
        books.ledger.open(job, double)
    return collecting.counted(books.ledger, pipe[0].recv, cache)


def test_results_bytes_and_failures_are_counted(books, pipe, get):
    books.untimed()
    results = [(1, 0, (True, 5)), (2, 0, (False, ValueError("no"))), (1, 1, (True, 6))]
    size = 0
    for result in results:
        pipe[1].send(result)
        size += len(ForkingPickler.dumps(result))
        assert get()[:2] == result[:2]
    (counted,) = books.records("collected")
    assert (counted["tasks"], counted["bytes"], counted["failed"]) == (3, size, 1)
    assert not books.records("collect")


def test_a_timed_result_has_its_stages(books, pipe, get):
    for index in range(2):
        pipe[1].send((1, index, (True, 5)))
        get()
    first, second = books.records("collect")
    assert (first["load"], first["handle"], first["index"]) == (STEP, STEP, 0)
    assert (second["handle"], second["index"]) == (0, 1)
    assert second["t"] - first["t"] == 3 * STEP


def test_a_result_has_the_shift_that_it_was_chosen_by(books):
    collector = Collector(books.ledger, books.clock)
    entry = books.ledger.open(1, double)[0]
    books.untimed()
    books.ledger.plan.shift = 5
    for limit in (ALL, ALL >> 3, 1):
        collector.timed(0, 1, 0, 10, entry, limit)
    assert [result["weight"] for result in books.records("collect")] == [0, 3, 16]


def test_the_end_is_no_result(books, pipe, get):
    pipe[1].send(None)
    assert get() is None
    assert not books.ledger.broken


def test_a_job_is_forgotten_after_its_last_result(books, pipe, cache, get):
    for job in (1, 2):
        pipe[1].send((job, 0, (True, 5)))
        get()
        del cache[job]
    assert set(books.ledger.live) == {2}


def test_results_of_unknown_jobs_pass(books, pipe, get):
    pipe[1].send((9, 0, (True, 5)))
    assert get() == (9, 0, (True, 5))
    assert not books.ledger.broken


def test_a_closed_pipe_raises_as_ever(pipe, get):
    pipe[0].close()
    with pytest.raises(OSError, match="handle is closed"):
        get()


def test_an_end_of_the_pipe_raises_as_ever(pipe, get):
    pipe[1].close()
    with pytest.raises(EOFError):
        get()


def test_another_kind_of_queue_is_left_alone(books):
    listed = [1]
    assert collecting.counted(books.ledger, listed.pop, {}) == listed.pop
    assert books.ledger.broken


@pytest.fixture
def collector(books):
    for work_id in range(2):
        books.ledger.open(work_id, double)
    return Collector(books.ledger, books.clock)


def test_an_executors_results_are_counted_and_timed(books, pipe, collector):
    receive = collecting.receiver(pipe[0], collector)
    pipe[1].send(futures._ResultItem(0, result=5))
    pipe[1].send(futures._ResultItem(1, exception=ValueError("no")))
    assert receive().result == 5
    collector.handled()
    assert receive().exception.args == ("no",)
    (counted,) = books.records("collected")
    assert (counted["tasks"], counted["failed"]) == (2, 1)
    assert [(timed["index"], timed["handle"]) for timed in books.records("collect")] == [(0, STEP), (1, 0)]
    assert not books.ledger.live


@pytest.mark.parametrize("goodbye", [4711, None])
def test_a_workers_goodbye_is_no_result(books, pipe, collector, goodbye):
    pipe[1].send(goodbye)
    assert collecting.receiver(pipe[0], collector)() == goodbye
    assert not books.ledger.broken


def test_the_connection_is_not_kept_open(collector):
    reader, writer = connection.Pipe(duplex=False)
    receive = collecting.receiver(reader, collector)
    del reader
    with pytest.raises(OSError, match="Broken pipe"):
        writer.send(1)
    writer.close()
    del receive
