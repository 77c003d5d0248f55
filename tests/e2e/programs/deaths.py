"""Workers and programs that die in every way. Takes who dies, and how."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

DEADLINE_S = 30


def double(item):
    return item * 2


def die(way):
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "exit":
        os._exit(7)
    elif way == "segfault":
        ctypes.string_at(0)
    elif way == "abort":
        os.abort()


def await_new_worker(pool, old):
    deadline = time.monotonic() + DEADLINE_S
    while {process.pid for process in pool._pool} == old and time.monotonic() < deadline:
        time.sleep(0.001)


def worker_of_pool(way):
    with multiprocessing.Pool(1) as pool:
        print(sum(pool.map(double, range(50), 1)))
        old = {process.pid for process in pool._pool}
        pool.apply_async(die, (way,))  # its result never comes
        await_new_worker(pool, old)
        print(sum(pool.map(double, range(40), 1)))


def worker_of_executor(way):
    with ProcessPoolExecutor(1) as executor:
        print(sum(executor.map(double, range(50))))
        try:
            executor.submit(die, way).result()
        except BrokenProcessPool as error:
            print(error)


def terminated(_way):
    pool = multiprocessing.Pool(2)
    print(sum(pool.map(double, range(200), 1)))
    pool.terminate()
    pool.join()


def program(way):
    pool = multiprocessing.Pool(2)
    print(sum(pool.map(double, range(200), 1)), flush=True)
    die(way)


def kill_after(results):
    """Kill the worker of a busy pool some time after so many results; its pool can only be given up."""
    pool = multiprocessing.Pool(1)
    answers = pool.imap(double, range(10_000))
    for _ in range(results):
        next(answers)
    os.kill(pool._pool[0].pid, signal.SIGKILL)
    os._exit(0)


def anywhere(times):
    for results in range(int(times)):
        child = os.fork()
        if not child:
            kill_after(results)
        os.waitpid(child, 0)
    print("done")


WHO = {
    "pool": worker_of_pool,
    "executor": worker_of_executor,
    "terminated": terminated,
    "program": program,
    "anywhere": anywhere,
}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    WHO[sys.argv[1]](sys.argv[2])
