import os
import resource
import signal
import struct
import threading
from pathlib import Path

import pytest

from mpdiag.wire import segment
from mpdiag.wire.format import FORMATS, HEADER_SIZE, KINDS, NUMBER, SLOT_SIZE, TEXT_LIMIT, struct_format
from mpdiag.wire.segment import SegmentWriter


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "segments").mkdir()
    return tmp_path


def records(directory, kind):
    """All records of a kind in a run directory, as tuples of their fields, flags, weight and kind."""
    found = []
    for path in sorted((directory / "segments").iterdir(), key=lambda path: int(path.name.split(".")[1])):
        data = path.read_bytes()
        for offset in range(HEADER_SIZE, len(data) - SLOT_SIZE + 1, SLOT_SIZE):
            slot = data[offset : offset + SLOT_SIZE]
            if struct.unpack_from("<H", slot, SLOT_SIZE - 2)[0] == NUMBER[kind]:
                found.append(struct.unpack(FORMATS[kind], slot))
    return found


@pytest.mark.parametrize("name", [name for _, name, _, _ in KINDS])
def test_every_kind_fits_one_slot(name):
    assert struct.calcsize(FORMATS[name]) == SLOT_SIZE


def test_fields_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        struct_format(tuple((f"field{number}", "u8") for number in range(8)))


def test_what_is_put_is_in_the_file_at_once(directory):
    writer = SegmentWriter(str(directory), 1)
    assert writer.put("first", 5, 6)
    assert records(directory, "first") == [(5, 6, 0, 0, NUMBER["first"])]


def test_a_live_record_is_updated_in_place(directory):
    writer = SegmentWriter(str(directory), 1)
    live = writer.live("worked", 0, 0, 0, 0, 99)
    assert live is not None
    words, first = live
    words[first] += 3
    words[first + 3] = 1 << 40
    assert records(directory, "worked")[0][:5] == (3, 0, 0, 1 << 40, 99)


def test_strings_and_sites_are_written_once(directory):
    writer = SegmentWriter(str(directory), 1)
    assert writer.text("") == 0
    assert writer.text("a") == writer.text("a") != writer.text("b")
    assert writer.site("f.py", 3, "main") == writer.site("f.py", 3, "main")
    assert len(records(directory, "site")) == 1


def test_a_hostile_name_is_cut(directory):
    writer = SegmentWriter(str(directory), 1)
    writer.text("\ud800" + "x" * 100_000)
    assert sum(record[2] for record in records(directory, "text")) == TEXT_LIMIT


def test_it_grows_by_further_files(directory):
    writer = SegmentWriter(str(directory), 1)
    count = 3 * writer.chunk.capacity
    for number in range(count):
        assert writer.put("first", number, 0)
    assert [record[0] for record in records(directory, "first")] == list(range(count))
    assert len(list((directory / "segments").iterdir())) > 1


def test_a_limit_drops_and_counts(directory, monkeypatch):
    monkeypatch.setattr(segment, "LIMIT", segment.FIRST_CHUNK)
    writer = SegmentWriter(str(directory), 1)
    capacity = writer.chunk.capacity
    kept = [writer.put("first", number, 0) for number in range(capacity + 5)]
    assert kept == [True] * capacity + [False] * 5
    assert writer.dropped == 5
    assert writer.live("worked", 0, 0, 0, 0, 1) is None


def test_a_vanished_directory_drops_and_counts(directory):
    writer = SegmentWriter(str(directory), 1)
    for path in (directory / "segments").iterdir():
        path.unlink()
    (directory / "segments").rmdir()
    kept = [writer.put("first", number, 0) for number in range(writer.chunk.capacity + 2)]
    assert kept[-2:] == [False, False]


def test_threads_share_a_segment(directory):
    writer = SegmentWriter(str(directory), 1)

    def work(begin):
        for number in range(begin, begin + 2000):
            writer.put("first", number, 0)

    threads = [threading.Thread(target=work, args=(2000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record[0] for record in records(directory, "first")) == list(range(8000))


def in_a_child(work):
    """Run ``work`` in a forked child and give its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def test_what_was_put_survives_sigkill(directory):
    def work():
        writer = SegmentWriter(str(directory), 1)
        for number in range(1000):
            writer.put("first", number, 0)
        os.kill(os.getpid(), signal.SIGKILL)

    assert os.WTERMSIG(in_a_child(work)) == signal.SIGKILL
    assert len(records(directory, "first")) == 1000


def descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_it_holds_no_file_descriptor(directory):
    def work():
        before = descriptors()
        writer = SegmentWriter(str(directory), 1)
        for number in range(3 * writer.chunk.capacity):
            writer.put("first", number, 0)
        if descriptors() == before:
            os._exit(0)

    assert in_a_child(work) == 0


def test_no_descriptor_to_be_had_is_an_oserror(directory):
    def work():
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        try:
            SegmentWriter(str(directory), 1)
        except OSError:
            os._exit(0)

    assert in_a_child(work) == 0


def test_a_file_too_large_is_an_oserror_and_no_signal(directory):
    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as every Python does
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            SegmentWriter(str(directory), 1)
        except OSError:
            os._exit(0)

    assert in_a_child(work) == 0
