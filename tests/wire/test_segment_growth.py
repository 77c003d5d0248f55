"""A segment grows, or goes on without, whatever happens in the middle of it."""

import errno
import os
import resource
import signal
import threading

import pytest

from mpdiag.wire import segment
from mpdiag.wire.segment import Chunk, SegmentWriter


@pytest.fixture
def writer(tmp_path):
    (tmp_path / "segments").mkdir()
    return SegmentWriter(str(tmp_path), 1)


def fill(writer):
    """Use up the present chunk."""
    while next(writer.chunk.counter) < writer.chunk.capacity - 1:
        pass


def chunks(tmp_path):
    return sorted(int(path.name.split(".")[1]) for path in (tmp_path / "segments").iterdir())


def test_a_handler_that_writes_in_the_middle_of_growth_does_not_wait_for_itself(writer, tmp_path, monkeypatch):
    # GIVEN a finaliser or signal handler that records something while this very thread makes the next chunk
    inside = []

    def interrupted(*args):
        if not inside:
            inside.append(None)
            inside[0] = writer.put("first", 1, 1)
        return mapped(*args)

    mapped = segment._mapped
    monkeypatch.setattr(segment, "_mapped", interrupted)
    fill(writer)

    # WHEN the segment grows, THEN both come to an end, and what had no room is counted
    assert writer.put("first", 2, 2)
    assert inside == [False]
    assert writer.dropped == 1
    assert chunks(tmp_path) == [0, 1]


def test_growth_is_tried_again(writer, tmp_path, monkeypatch):
    # GIVEN a disk that is full for a while
    attempts = []

    class Refused(Chunk):
        def __init__(self, path, number, size, head):
            attempts.append(number)
            if len(attempts) < 4:
                raise OSError(errno.ENOSPC, "full")
            super().__init__(path, number, size, head)

    monkeypatch.setattr(segment, "Chunk", Refused)
    fill(writer)

    # WHEN much is recorded, THEN it is asked for ever more rarely, and what was left of failures is removed
    kept = [writer.put("first", number, 0) for number in range(8)]
    assert kept == [False, False, False, False, True, True, True, True]
    assert attempts == [1, 1, 1, 1]
    assert writer.dropped == 4
    assert chunks(tmp_path) == [0, 1]


def test_threads_that_grow_at_once_make_one_chunk(writer, tmp_path):
    fill(writer)
    together = threading.Barrier(8)

    def put():
        together.wait()
        assert writer.put("first", 1, 1)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.dropped == 0
    assert chunks(tmp_path) == [0, 1]


def test_an_abandoned_segment_takes_nothing_more(writer, tmp_path):
    writer.abandon()

    assert not writer.put("first", 1, 1)
    assert writer.live("worked", 0, 0, 0, 0, 1) is None
    assert chunks(tmp_path) == [0]


def test_a_program_that_wants_sigxfsz_is_not_killed_by_ours(tmp_path):
    (tmp_path / "segments").mkdir()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            SegmentWriter(str(tmp_path), 1)
        except OSError as error:
            os._exit(error.errno or 0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.EFBIG
