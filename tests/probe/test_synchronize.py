"""Locks: what is counted where, and that they work as without us."""

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import weakref
from ctypes import Structure, c_int
from multiprocessing import context, heap, sharedctypes, synchronize
from typing import Any

import pytest

from mpdiag.probe.runtimes import synchronize as runtime

CONTEXT: Any = multiprocessing.get_context("fork")
SPAWN: Any = multiprocessing.get_context("spawn")


@pytest.fixture
def locks(books):
    """The books of a session that has patched the library; undone afterwards."""
    runtime.install(synchronize, books.session)
    yield books
    books.session.patches.undo()
    assert books.session.faults == {}


def counted(books):
    """{(operation, type): (acquired, contended, timed)} of all records, in order of their lines."""
    return [
        (books.text(lock["operation"]), books.text(lock["type"]), lock["acquired"], lock["contended"], lock["timed"])
        for lock in books.records("lock")
    ]


def test_each_line_counts_for_itself(locks):
    lock = CONTEXT.Lock()
    for _ in range(3):
        with lock:
            pass
    assert lock.acquire()
    lock.release()
    assert counted(locks) == [("acquire", "Lock", 3, 0, 3), ("acquire", "Lock", 1, 0, 1)]


def test_holding_is_sampled_after_a_while(locks):
    lock = CONTEXT.Lock()
    for _ in range(1000):
        with lock:
            pass
    ((*_, acquired, _, timed),) = counted(locks)
    assert acquired == 1000
    assert runtime.PERIOD <= timed <= runtime.PERIOD + 1000 // runtime.PERIOD


def test_lines_that_take_turns_are_all_timed(locks):
    lock = CONTEXT.Lock()
    for _ in range(1000):
        with lock:
            pass
        with lock:
            pass
    assert all(timed > runtime.PERIOD for *_, timed in counted(locks))


def test_a_recursive_lock_counts_the_outermost(locks):
    lock = CONTEXT.RLock()
    for _ in range(5):
        with lock:
            with lock:
                assert lock.acquire()
                lock.release()
            time.sleep(0.001)
    ((_, kind, acquired, _, timed),) = counted(locks)
    assert (kind, acquired, timed) == ("RLock", 5, 5)
    assert locks.records("lock")[0]["held"] >= 5_000_000


def test_a_recursive_lock_of_another_thread_is_waited_for(locks):
    lock = CONTEXT.RLock()
    with lock:
        thread = threading.Thread(target=lock.acquire, args=(True, 0.05))
        thread.start()
        thread.join()
    assert sum(lock["contended"] for lock in locks.records("lock")) == 1


def test_contended(locks):
    lock = CONTEXT.Lock()
    lock.acquire()
    threading.Timer(0.05, lock.release).start()
    with lock:
        pass
    (_, waiting) = locks.records("lock")
    assert (waiting["acquired"], waiting["contended"], waiting["timed"]) == (1, 1, 1)
    assert 40e6 < waiting["waited"] < 1e9
    (event,) = locks.records("event")
    assert event["blocked"] == pytest.approx(waiting["waited"])
    assert event["busy"] == pytest.approx(waiting["held"])
    assert event["object"] == waiting["object"]


def test_not_waiting_is_no_contention(locks):
    lock = CONTEXT.Lock()
    lock.acquire()
    assert not lock.acquire(block=False)
    assert not lock.acquire(block=False, timeout=5)
    assert not lock.acquire(timeout=0)
    assert not lock.acquire(timeout=-1)
    lock.release()
    assert sum(lock["acquired"] for lock in locks.records("lock")) == 1


@pytest.mark.usefixtures("locks")
def test_arguments_are_refused_as_by_the_original():
    lock = CONTEXT.Lock()
    for arguments in ((1, 2, 3), (True, "soon"), (True, [])):
        with pytest.raises(TypeError):
            lock.acquire(*arguments)
    with pytest.raises(TypeError):
        lock.acquire(wait=True)
    with pytest.raises(TypeError):
        lock.release(1)
    assert lock.acquire(1, 10**400 / 10**399) is True
    with pytest.raises(OverflowError):
        lock.acquire(timeout=10**400)
    lock.release()
    with pytest.raises(ValueError, match="released too many times"):
        lock.release()
    with pytest.raises(AssertionError):
        CONTEXT.RLock().release()


def test_an_interrupt_goes_on_to_the_program_and_counts(locks):
    lock = CONTEXT.Lock()
    lock.acquire()

    def interrupt(*_):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(InterruptedError):
            lock.acquire()
    finally:
        signal.signal(signal.SIGALRM, before)
    waiting = locks.records("lock")[1]
    assert (waiting["acquired"], waiting["contended"]) == (0, 1)
    assert waiting["waited"] > 40e6


def test_the_librarys_own_locks_stay_as_they_are(locks):
    queue = CONTEXT.JoinableQueue()
    for lock in (queue._rlock, queue._wlock, queue._sem, queue._unfinished_tasks, queue._cond._lock):
        assert type(lock._semlock) is not runtime.Gate
        assert lock.acquire == lock._semlock.acquire
    queue.put(1)
    queue.get()
    queue.task_done()
    queue.join()
    queue.close()
    queue.join_thread()
    assert counted(locks) == []


def test_plain_takes_the_overlay_off(locks):
    lock, condition = CONTEXT.Lock(), CONTEXT.Condition()
    for each in (lock, condition, lock):
        runtime.plain(each)
    with lock, condition:
        condition.wait(0.001)
    assert counted(locks) == []
    for semaphore in (lock, condition._lock, condition._wait_semaphore):
        assert type(semaphore._semlock) is not runtime.Gate
        assert semaphore.acquire == semaphore._semlock.acquire
        assert semaphore.release == semaphore._semlock.release
    runtime.plain(threading.Lock())


@pytest.mark.parametrize("make", [CONTEXT.Value, CONTEXT.Array])
def test_synchronised_values(locks, make):
    shared = make("i", 4)
    with shared.get_lock():
        shared.acquire()
        shared.release()
    with shared:
        pass
    shared.acquire()
    shared.release()
    assert {entry[:2] for entry in counted(locks)} == {("acquire", "Value lock")}
    assert [entry[2] for entry in counted(locks)] == [1, 1, 1]


def test_a_line_that_reads_and_writes_a_value(locks):
    value = CONTEXT.Value("i", 0)
    for _ in range(100):
        value.value += 1
    for _ in range(100):
        value.value += 1
        value.value -= 1
    assert value.value == 100
    assert [entry[2] for entry in counted(locks)] == [200, 200, 200, 1]


def test_structures(locks):
    class Point(Structure):
        _fields_ = (("x", c_int),)

    point = CONTEXT.Value(Point, 3)
    point.x += 1
    assert point.x == 4
    assert [entry[1:3] for entry in counted(locks)] == [("Value lock", 2), ("Value lock", 1)]


def test_conditions_events_and_barriers_say_what_they_are(locks):
    condition, event, barrier = CONTEXT.Condition(), CONTEXT.Event(), CONTEXT.Barrier(1)
    with condition:
        condition.wait(0.001)
    assert not event.wait(0.001)
    event.set()
    barrier.wait()
    found = counted(locks)
    assert {entry[:2] for entry in found} == {
        ("acquire", "Condition"), ("wait", "Condition"), ("acquire", "Event"), ("wait", "Event"), ("acquire", "Barrier")
    }  # fmt: skip
    assert [entry[2:] for entry in found if entry[0] == "wait"] == [(0, 1, 0), (0, 1, 0)]


def test_a_lock_in_a_condition_counts_as_what_it_is_used_for(locks):
    lock = CONTEXT.Lock()
    condition = CONTEXT.Condition(lock)
    with lock:
        pass
    with condition:
        condition.notify()
    assert [entry[:3] for entry in counted(locks)] == [("acquire", "Lock", 1), ("acquire", "Condition", 1)]
    assert len({lock["object"] for lock in locks.records("lock")}) == 1


@pytest.mark.parametrize("make", ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event"])
def test_a_lock_of_a_spawning_context_is_known_by_its_name(locks, make, monkeypatch):
    monkeypatch.setattr(context, "assert_spawning", lambda _: None)
    lock = getattr(SPAWN, make)()
    other = pickle.loads(pickle.dumps(lock))  # noqa: S301 - our own
    for each in (lock, other):
        if make == "Event":
            each.wait(0.001)
        else:
            each.acquire()
            each.release()
    # The condition's and the event's flags and counts, too, are unpickled: they are not the user's.
    assert {entry[1] for entry in counted(locks)} == {make}
    assert {entry[2] for entry in counted(locks) if entry[0] == "acquire"} == {4 if make == "Event" else 2}
    assert len({lock["object"] for lock in locks.records("lock")}) == 1


def test_an_unpickled_value_is_known_as_one(locks, monkeypatch):
    for module in (context, sharedctypes, heap):
        monkeypatch.setattr(module, "assert_spawning", lambda _: None)
    original = SPAWN.RLock()
    lock = pickle.loads(pickle.dumps(original))  # noqa: S301 - our own
    value = sharedctypes.synchronized(sharedctypes.RawValue("i"), lock, SPAWN)
    with value.get_lock():
        value.value += 1
    assert [entry[:3] for entry in counted(locks)] == [("acquire", "Value lock", 1)]


def test_a_forked_child_writes_nothing_into_its_parents_record(locks):
    lock = CONTEXT.Lock()
    lock.acquire()
    child = os.fork()
    if not child:
        status = 1
        try:
            locks.session.forked()
            lock.release()
            with lock:
                pass
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    # The parent's holding never ended in the parent; the child's did.
    assert sorted((lock["acquired"], lock["timed"]) for lock in locks.records("lock")) == [(1, 0), (1, 1)]
    assert len({lock["object"] for lock in locks.records("lock")}) == 1


def test_c_may_call_where_there_is_no_python_frame(locks):
    # A thread whose function is the lock's method itself: there is nobody's line.
    import _thread  # noqa: PLC0415 - the only test that needs it

    lock, value = CONTEXT.Lock(), CONTEXT.Value("i", 0)
    for method in (lock.acquire, lock.release, lock.__enter__, value.acquire, value.release):
        _thread.start_new_thread(method, ())
        time.sleep(0.05)
    assert not lock.acquire(block=False)
    assert sum(entry[2] for entry in counted(locks)) == 3


def test_many_threads_count_exactly(locks):
    lock = CONTEXT.Lock()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def work():
        for _ in range(200):
            with lock:
                pass

    threads = [threading.Thread(target=work) for _ in range(100)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert sum(entry[2] for entry in counted(locks)) == 20_000


@pytest.mark.usefixtures("locks")
def test_locks_live_as_long_as_without_us():
    for make in (CONTEXT.Lock, CONTEXT.Condition, CONTEXT.Event, lambda: CONTEXT.Value("i")):
        lock = make()
        with lock if hasattr(lock, "__enter__") else lock._cond:
            pass
        known = weakref.ref(lock)
        gc.disable()
        try:
            del lock
            assert known() is None
        finally:
            gc.enable()


def test_what_the_program_puts_in_place_of_a_method_is_not_asked_by_with(locks):
    lock = CONTEXT.Lock()
    lock.acquire = None
    with lock:
        pass
    assert [entry[2] for entry in counted(locks)] == [1]


def test_without_a_recorder_locks_work(locks):
    locks.session.birth = locks.session._recorder = None
    lock = CONTEXT.Lock()
    with lock:
        assert not lock.acquire(timeout=0.001)
    assert "SomeOther" not in repr(lock)


def test_a_failure_to_count_stays_with_the_probe(books, monkeypatch):
    def fail(*_):
        raise RuntimeError

    for owner, name in ((runtime.Watch, "find"), (runtime.Locks, "_made_condition")):
        monkeypatch.setattr(owner, name, fail)
    runtime.install(synchronize, books.session)
    try:
        lock, value, condition = CONTEXT.RLock(), CONTEXT.Value("i", 0), CONTEXT.Condition()
        with lock, condition:
            value.value += 1
            assert lock.acquire(block=False)
            lock.release()
            assert not condition.wait(0.001)
    finally:
        books.session.patches.undo()
    assert books.session.faults == {"counting locks": "RuntimeError", "condition creation": "RuntimeError"}
