"""Uses every kind of lock and of shared memory. The argument is the start method."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.shared_memory import ShareableList, SharedMemory

HOLD_S = 0.3


def each(lock, rlock, semaphore, bounded, value, array):
    for _ in range(100):
        with lock:  # lock-with
            pass
    for _ in range(70):
        lock.acquire()  # lock-acquire
        lock.release()
    for _ in range(30):
        with rlock:  # rlock-with
            with rlock:  # rlock-again
                rlock.acquire()  # rlock-thrice
                rlock.release()
    for _ in range(20):
        with semaphore:  # semaphore
            with bounded:  # bounded
                pass
    for _ in range(40):
        value.value += 1  # value
    for _ in range(50):
        with value.get_lock():  # get_lock
            value.value += 1  # value-inside
    for _ in range(60):
        with value:  # with-value
            value.value -= 1
    for number in range(10):
        array[number % 4] = number + array[0]  # array


def arguments(lock):
    print(lock.acquire(block=False), lock.acquire(False), lock.acquire(timeout=0), lock.acquire(True, -1))  # tries
    print(lock.acquire(timeout=0.01))  # timeout
    lock.release()
    for wrong in ((1, 2, 3), (True, "soon"), (True, [])):
        try:
            print(lock.acquire(*wrong))
        except TypeError:
            print("refused")
    print(lock.acquire(1, 5), lock)  # with-arguments
    lock.release()
    try:
        lock.release()
    except ValueError as error:
        print(error)


def hold(lock, ready):
    time.sleep(HOLD_S)
    with lock:  # hold
        ready.set()
        time.sleep(HOLD_S)


def contended(context, lock):
    ready = context.Event()
    process = context.Process(target=hold, args=(lock, ready))
    process.start()
    ready.wait()  # event-wait
    with lock:  # contended
        pass
    process.join()
    return process.exitcode


def hold_for_ever(lock, ready):
    lock.acquire()
    ready.set()
    time.sleep(60)


def killed(context):
    lock, ready = context.Lock(), context.Event()
    process = context.Process(target=hold_for_ever, args=(lock, ready))
    process.start()
    ready.wait()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    print(lock.acquire(timeout=HOLD_S), process.exitcode)  # killed


def released_elsewhere(context):
    """The parent takes, a child releases; the other way round."""
    lock = context.Lock()
    for _ in range(3):
        lock.acquire()  # taken-here
        process = context.Process(target=lock_release, args=(lock,))
        process.start()
        process.join()
    print(lock.acquire(False))
    lock.release()


def lock_release(lock):
    lock.release()


def interrupted(lock):
    lock.acquire()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, HOLD_S)
    try:
        lock.acquire()  # interrupted
    except KeyboardInterrupt:
        print("interrupted")
    lock.release()


def threads(lock):
    """A hundred of them."""
    total = 0

    def add():
        nonlocal total
        for _ in range(50):
            with lock:  # threads
                total += 1

    started = [threading.Thread(target=add) for _ in range(100)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    print(total)


def meet(arrived, condition, barrier, event, numbers):
    with condition:  # condition-with
        arrived.set()
        while not numbers[0]:
            condition.wait()  # condition-wait
    print(event.wait(0.01), barrier.wait() in (0, 1), event.wait())  # child-waits


def meetings(context):
    condition, barrier, event, numbers = context.Condition(), context.Barrier(2), context.Event(), context.Array("i", 1)
    arrived = context.Event()
    process = context.Process(target=meet, args=(arrived, condition, barrier, event, numbers))
    process.start()
    arrived.wait()
    condition.acquire()  # condition-acquire
    time.sleep(HOLD_S)
    numbers[0] = 1
    condition.notify_all()
    condition.release()
    barrier.wait()  # barrier
    time.sleep(HOLD_S)
    event.set()
    process.join()
    own = context.Condition(context.Lock())
    with own:  # condition-own
        print(own.wait(0.01), own.wait_for(lambda: False, timeout=0.01), event.is_set(), barrier.n_waiting)


def read(name, size):
    block = SharedMemory(name=name)  # attach
    print(bytes(block.buf[:3]), block.size >= size)
    block.close()  # close


def shared_memory(context):
    block = SharedMemory(create=True, size=5000)  # create
    block.buf[:3] = b"abc"
    process = context.Process(target=read, args=(block.name, 5000))
    process.start()
    process.join()
    try:
        SharedMemory(name=block.name, create=True, size=10)
    except FileExistsError:
        print(traceback.format_exc().replace(block.name, "NAME"))
    block.close()
    block.close()
    block.unlink()  # unlink
    for wrong in ({"name": block.name}, {}, {"create": True, "size": -1}):
        try:
            SharedMemory(**wrong)
        except (OSError, ValueError):
            print(traceback.format_exc().replace(block.name, "NAME"))
    listed = ShareableList([1, "two", None])  # shareable
    print(list(listed), type(listed.shm.buf))
    listed.shm.close()
    listed.shm.unlink()


def main():
    context = multiprocessing.get_context(sys.argv[1])
    lock, rlock, semaphore, bounded = context.Lock(), context.RLock(), context.Semaphore(3), context.BoundedSemaphore(2)
    value, array = context.Value("i", 0), context.Array("i", 4)
    process = context.Process(target=each, args=(lock, rlock, semaphore, bounded, value, array))
    process.start()
    process.join()
    print(value.value, array[:], lock, rlock, semaphore, bounded, process.exitcode)
    arguments(lock)
    print(contended(context, lock))
    killed(context)
    released_elsewhere(context)
    interrupted(lock)
    threads(lock)
    meetings(context)
    shared_memory(context)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
