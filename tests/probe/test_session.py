"""One recorder for each process, however its threads, children and signal handlers come across each other."""

import os
import signal
import threading
from contextlib import suppress
from functools import partial

import pytest

from mpdiag.probe import loading
from mpdiag.probe import recorder as recorder_module
from mpdiag.probe import session as session_module
from mpdiag.probe.recorder import Recorder
from mpdiag.probe.session import Session
from mpdiag.wire import header


@pytest.fixture
def session(tmp_path):
    (tmp_path / "segments").mkdir()
    made = Session(str(tmp_path), 0.02)
    made.born("exec")
    return made


def headers(tmp_path):
    return [header.decode(path.read_bytes()) for path in (tmp_path / "segments").iterdir()]


def in_a_child(work):
    """Run ``work`` in a forked child; its exit status is what ``work`` returns."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_threads_that_record_at_once_share_one_recorder(session, monkeypatch):
    # GIVEN a recorder that takes its time to open
    opening = threading.Barrier(2)
    opened = []

    class Slow(Recorder):
        __slots__ = ()

        def __init__(self, *args):
            opened.append(self)
            super().__init__(*args)

    monkeypatch.setattr(recorder_module, "Recorder", Slow)
    seen = []

    def record():
        opening.wait()
        seen.append(session.recorder)

    # WHEN two threads are the first to record, THEN they get the same one
    threads = [threading.Thread(target=record) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert seen == opened * 2


def test_a_handler_in_the_middle_of_opening_records_nothing_and_does_not_hang(session, monkeypatch):
    monkeypatch.setattr(session_module, "PATIENCE_S", 3600.0)
    inside = []

    class Interrupted(Recorder):
        __slots__ = ()

        def __init__(self, *args):
            inside.append(session.recorder)
            super().__init__(*args)

    monkeypatch.setattr(recorder_module, "Recorder", Interrupted)

    assert isinstance(session.recorder, Interrupted)
    assert inside == [None]


def test_a_forked_child_has_its_own_segment_and_leaves_its_parents_alone(session, tmp_path):
    parents = session.recorder
    before = (session.uid, next(iter((tmp_path / "segments").iterdir())).read_bytes())

    def work():
        session.forked()
        own = session.recorder
        return 0 if own is not parents and own.put("first", 1, 1) and not parents.put("first", 2, 2) else 1

    assert in_a_child(work) == 0
    assert parents.put("first", 3, 3)
    child, parent = sorted(headers(tmp_path), key=lambda fields: fields["cause"], reverse=True)
    assert (child["cause"], child["parent_uid"]) == (header.CAUSES.index("fork"), before[0])
    assert parent["uid"] == before[0]


def test_a_child_that_cannot_record_is_counted_by_its_parent(session, tmp_path):
    parents = session.recorder
    words, index = parents._cost
    hidden = tmp_path / "hidden"

    def work():
        (tmp_path / "segments").rename(hidden)
        session.forked()
        return 0 if session.birth is None and session.recorder is None else 1

    assert words[index + 1] == 0
    assert in_a_child(work) == 0
    assert words[index + 1] == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (session_module, "perf_counter_ns"),
        (loading, "forked"),
        (header, "renewed"),
        (Recorder, "abandon"),
    ],
)
def test_a_child_that_is_interrupted_at_its_birth_records_nothing(session, monkeypatch, module, name, error):
    parents = session.recorder

    def interrupt(*_args):
        raise error

    def work():
        monkeypatch.setattr(module, name, interrupt)
        with suppress(error):
            session.forked()
        monkeypatch.undo()
        return 0 if session.birth is None and session.recorder is None else 1

    assert in_a_child(work) == 0
    assert session.recorder is parents


def test_no_room_is_noted_in_the_header(session, tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(28, "full")

    monkeypatch.setattr(recorder_module, "Recorder", refuse)

    assert session.recorder is None
    assert session.birth is None
    assert [fields["fault"] for fields in headers(tmp_path)] == [28]


def test_a_failing_hook_is_recorded_once(session):
    for _ in range(3):
        session.fail("hook", ValueError("reason"))
    session.fail("other", ValueError())

    assert session.faults == {"hook": "ValueError", "other": "ValueError"}
    assert set(session.recorder._texts) == {"hook", "ValueError: reason", "other", "ValueError: "}


class ExpiredError(Exception):
    pass


def expire(_number, _frame):
    raise ExpiredError


class Deadline:
    def __call__(self, *_):
        raise ExpiredError

    def method(self, *_):
        raise ExpiredError


def expire_for(_reason, number, frame):
    expire(number, frame)


HANDLERS = {
    "function": expire,
    "instance": Deadline(),
    "method": Deadline().method,
    "partial": partial(expire_for, "late"),
    "partial of a method": partial(Deadline().method, 1),
    "partial of an instance": partial(Deadline(), 1),
}


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_what_a_signal_handler_raises_in_a_hook_goes_on_to_the_program(session, handler):
    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(ExpiredError):
            hook(session, lambda: signal.raise_signal(signal.SIGALRM))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert session.faults == {}


def test_what_the_programs_data_raises_in_a_hook_does_not(session):
    class Hostile:
        def __len__(self):
            raise ExpiredError

    hook(session, lambda: len(Hostile()))

    assert session.faults == {"hook": "ExpiredError"}


def hook(session, work):
    try:
        work()
    except Exception as error:  # noqa: BLE001 - as hooks do
        session.fail("hook", error)
