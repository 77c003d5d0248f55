"""Does what programs do that one would rather they did not. The argument says what."""

from __future__ import annotations

import concurrent.futures.process
import gc
import multiprocessing
import multiprocessing.connection
import multiprocessing.pool
import multiprocessing.queues
import multiprocessing.util
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor


def double(item):
    return item * 2


def patched(early):
    """Replace what others replace, count the calls, and pass them on."""
    calls = {}

    def wrap(owner, name):
        original = getattr(owner, name)

        def wrapper(*args, **kwargs):
            calls[os.getpid(), name] = calls.get((os.getpid(), name), 0) + 1
            return original(*args, **kwargs)

        wrapper.__wrapped__ = original
        raw = vars(owner)[name]
        setattr(owner, name, staticmethod(wrapper) if isinstance(raw, staticmethod) else wrapper)

    pool, connection, queues = multiprocessing.pool, multiprocessing.connection, multiprocessing.queues
    if early:
        wrap(connection._ConnectionBase, "send")
        wrap(connection._ConnectionBase, "recv")
        wrap(queues.SimpleQueue, "get")
        wrap(queues.SimpleQueue, "put")
        wrap(queues.Queue, "get")
        wrap(queues.Queue, "put")
    wrap(pool.Pool, "apply_async")
    wrap(pool.Pool, "_map_async")
    wrap(pool.Pool, "_handle_tasks")
    wrap(pool.Pool, "_handle_results")
    wrap(pool.ApplyResult, "__init__")
    wrap(pool.ApplyResult, "_set")
    wrap(multiprocessing.process.BaseProcess, "_bootstrap")
    wrap(multiprocessing.process.BaseProcess, "start")
    wrap(multiprocessing.process.BaseProcess, "run")
    wrap(multiprocessing.util, "_flush_std_streams")
    wrap(concurrent.futures.process._ExecutorManagerThread, "process_result_item")
    wrap(concurrent.futures.process._ExecutorManagerThread, "run")
    wrap(ProcessPoolExecutor, "submit")

    def worker_calls(_item):
        return sorted((name, count) for (pid, name), count in calls.items() if pid == os.getpid())

    globals()["worker_calls"] = worker_calls
    worker_calls.__qualname__ = "worker_calls"
    with multiprocessing.Pool(1) as workers:
        print(sum(workers.map(double, range(10), 1)), workers.apply(double, (4,)))
        print(workers.apply(worker_calls, (0,)))
        workers.close()
        workers.join()
    with ProcessPoolExecutor(1) as executor:
        print(sum(executor.map(double, range(10))))
        print(executor.submit(worker_calls, 0).result())
    # How often a pool is told to look after its workers is a matter of luck.
    print([call for call in worker_calls(0) if call[0] != "get"])


def patched_early():
    patched(early=True)


def patched_late():
    patched(early=False)


# Others


def collected_always():
    gc.set_threshold(1)
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(double, range(50), 1)), sum(pool.imap(double, range(50))))
        pool.close()
        pool.join()
    with ProcessPoolExecutor(1) as executor:
        print(sum(executor.map(double, range(50))))
    manager = multiprocessing.Manager()
    proxies = [manager.list([number]) for number in range(5)]
    with manager.Pool(1) as pool:
        print(sum(pool.map(double, range(5))), sum(proxy[0] for proxy in proxies))
    manager.shutdown()


def forks():
    """Fork in one thread while others send, collect and start."""
    stop = threading.Event()
    totals = []

    def busy():
        with multiprocessing.Pool(1) as pool:
            total = 0
            while not stop.is_set():
                total += sum(pool.map(double, range(20), 1)) - 380
            totals.append(total)
            pool.close()
            pool.join()

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    codes = set()
    for _ in range(80):
        child = os.fork()
        if not child:
            os._exit(3)
        codes.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in threads:
        thread.join()
    print(codes, totals)


def left_open():
    """Leave everything open at the end."""
    globals()["pool"] = multiprocessing.Pool(2)
    print(sum(pool.map(double, range(10), 1)))
    globals()["executor"] = ProcessPoolExecutor(1)
    print(sum(executor.map(double, range(10))))
    globals()["queue"] = multiprocessing.Queue()
    queue.put(b"x" * 100)
    print(len(queue.get()))
    globals()["manager"] = multiprocessing.Manager()
    globals()["proxy"] = manager.list([1, 2])
    print(sum(proxy))


def left_in_use():
    globals()["pool"] = multiprocessing.Pool(2)
    # As many tasks as fit the pipe: while they are still being written, a bare pool's end hangs once in 60 times.
    globals()["results"] = pool.imap_unordered(double, range(1000))
    print(next(results) % 2)


class Lazy:
    """An argument or a callable that must not be evaluated before its time."""

    evaluated = 0

    @property
    def __class__(self):
        Lazy.evaluated += 1
        return int

    def __reduce__(self):
        return Lazy, ()

    def __call__(self, *args):
        return Lazy.evaluated


def lazy():
    with multiprocessing.Pool(1) as pool:
        print(pool.apply(Lazy(), (Lazy(), b"x" * 50_000)), pool.map(Lazy(), [1, 2]))
        pool.close()
        pool.join()
    with ProcessPoolExecutor(1) as executor:
        print(executor.submit(Lazy(), Lazy(), b"x" * 50_000).result())
    print(Lazy.evaluated)


def interrupted():
    """A signal handler that uses the pool itself, whatever the program is at."""
    alarms, results = [], []
    with multiprocessing.Pool(1) as pool:

        def handle(number, frame):
            alarms.append(number)
            if len(alarms) <= 30:
                results.append(pool.apply_async(double, (len(alarms),)))

        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        total = 0
        while len(alarms) < 30:
            total += sum(pool.map(double, range(50), 1)) - 2450
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(total, sum(result.get() for result in results))
        pool.close()
        pool.join()


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")]()
