"""Prints what a program can see of its own processes. The first argument says what; others see there."""

from __future__ import annotations

import concurrent.futures.process
import gc
import hashlib
import inspect
import json
import multiprocessing
import multiprocessing.connection
import multiprocessing.pool
import multiprocessing.queues
import multiprocessing.reduction
import multiprocessing.spawn
import multiprocessing.util
import os
import random
import signal
import sys
import tempfile
import threading
import time
import weakref
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

DEADLINE_S = 30
MODULES = (
    concurrent.futures.process,
    multiprocessing.connection,
    multiprocessing.pool,
    multiprocessing.process,
    multiprocessing.queues,
    multiprocessing.reduction,
    multiprocessing.spawn,
    multiprocessing.util,
)


def double(item):
    return item * 2


def refuse(item):
    raise ValueError(item)


def eventually(condition):
    """Wait until the condition holds; does it?"""
    deadline = time.monotonic() + DEADLINE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


# Functions: how they are described and pickled


def described(function):
    try:
        pickled = bytes(multiprocessing.reduction.ForkingPickler.dumps(function))
        same = multiprocessing.reduction.ForkingPickler.loads(pickled) is function
        way = hashlib.sha256(pickled).hexdigest()[:12] + (" same" if same else " other")
    except Exception as error:
        way = type(error).__name__
    try:
        signature = str(inspect.signature(function))
    except (TypeError, ValueError):
        signature = "-"
    names = (function.__module__, function.__qualname__, function.__name__)
    return way, signature, *names, hashlib.sha256(str(function.__doc__).encode()).hexdigest()[:8]


def functions():
    for module in MODULES:
        for name, value in sorted(vars(module).items()):
            if inspect.isfunction(value):
                print(module.__name__, name, *described(value))
            elif inspect.isclass(value) and value.__module__ == module.__name__:
                for inner, raw in sorted(vars(value).items()):
                    found = getattr(value, inner)
                    if callable(found) and hasattr(found, "__qualname__"):
                        kind = type(raw).__name__ if hasattr(raw, "__func__") else "method"
                        print(module.__name__, name, inner, kind, *described(found))


# Objects: how often they are pickled and how long they live


class Counted:
    pickled = 0
    unpickled = 0

    def __init__(self, size):
        self.data = os.urandom(size)

    def __getstate__(self):
        Counted.pickled += 1
        return self.__dict__

    def __setstate__(self, state):
        Counted.unpickled += 1
        self.__dict__.update(state)


def counts_in_worker(item):
    return Counted.pickled, Counted.unpickled, item


def pickling():
    with multiprocessing.Pool(1) as pool:
        for size in (10, 100_000):
            print(*pool.apply(counts_in_worker, (Counted(size),))[:2], Counted.pickled, Counted.unpickled)
            print([result[:2] for result in pool.map(counts_in_worker, [Counted(size), Counted(size)], 1)])
            print(pool.apply(partial(counts_in_worker, Counted(size)))[:2], Counted.pickled, Counted.unpickled)
        pool.close()
        pool.join()
    with ProcessPoolExecutor(1) as executor:
        for size in (10, 100_000):
            print(*executor.submit(counts_in_worker, Counted(size)).result()[:2], Counted.pickled, Counted.unpickled)


class Held:
    """Can be referred to weakly; a function that takes it keeps nothing."""

    last = None

    def __init__(self, size=0):
        self.data = b"x" * size


def previous_is_gone(item):
    gone = Held.last is None or Held.last() is None
    Held.last = weakref.ref(item)
    return gone


def make(size):
    return Held(size)


def lifetimes():
    gc.disable()
    for size in (0, 100_000):
        with multiprocessing.Pool(1) as pool:
            argument = Held(size)
            alive = weakref.ref(argument)
            print(pool.apply(previous_is_gone, (argument,)), pool.apply(previous_is_gone, (Held(size),)))
            del argument
            print("argument", eventually(lambda: alive() is None))
            waiting = pool.apply_async(make, (size,))
            result = waiting.get()
            alive = weakref.ref(result)
            del waiting, result
            print("result", eventually(lambda: alive() is None))
            pool.close()
            pool.join()
        with ProcessPoolExecutor(1) as executor:
            argument = Held(size)
            alive = weakref.ref(argument)
            print(executor.submit(previous_is_gone, argument).result())
            print(executor.submit(previous_is_gone, Held(size)).result())
            del argument
            print("argument", eventually(lambda: alive() is None))
            result = executor.submit(make, size).result()
            alive = weakref.ref(result)
            del result
            print("result", eventually(lambda: alive() is None))
    pool = multiprocessing.Pool(1, id, (Held(),))
    initializer = pool._initializer = Held()
    gone = [weakref.ref(pool), weakref.ref(initializer), weakref.ref(pool._cache)]
    pool.terminate()
    pool.join()
    del pool, initializer
    gc.collect()
    print("pool", [one() is None for one in gone])
    executor = ProcessPoolExecutor(1, initializer=make, initargs=(1,))
    print(executor.submit(double, 1).result())
    gone = [weakref.ref(executor), weakref.ref(executor._call_queue), weakref.ref(executor._result_queue._reader)]
    executor.shutdown()
    del executor
    gc.collect()
    print("executor", [one() is None for one in gone])


# Processes: threads, signals, descriptors, randomness


def state():
    with Path("/proc/self/status").open() as status:
        lines = [line.strip() for line in status if line.startswith(("SigBlk", "SigIgn", "SigCgt", "Threads"))]
    handlers = [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())]
    return [
        lines,
        hashlib.sha256(str(handlers).encode()).hexdigest()[:8],
        threading.active_count(),
        len(os.listdir("/proc/self/fd")),
        random.random(),
        hash("text"),
        os.getcwd(),
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        gc.get_threshold(),
        sys.gettrace() is None and sys.getprofile() is None,
        len(sys.argv),
        sys.dont_write_bytecode,
        type(sys.excepthook).__name__,
        threading.current_thread().name,
        multiprocessing.current_process().name,
    ]


def seed(number):
    random.seed(number)


def processes():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        random.seed(7)
        with context.Pool(1, seed, (3,)) as pool:
            print(method, pool.apply(state))
            print(method, state())
            pool.close()
            pool.join()
        with ProcessPoolExecutor(1, mp_context=context, initializer=seed, initargs=(3,)) as executor:
            print(method, executor.submit(state).result())
    eventually(lambda: len(os.listdir("/proc/self/task")) == 1)
    print(state())
    print(tempfile.gettempdir(), sorted(os.listdir()))


# Depth


def deepest(depth=0):
    try:
        return deepest(depth + 1)
    except RecursionError:
        return depth


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def depths():
    """Recursion depths reached: in a worker's task, in a callback, in submission."""
    found = {}
    with multiprocessing.Pool(1) as pool:
        found["pool"] = pool.apply(deepest)
        found["callback"] = []
        pool.apply_async(double, (1,), callback=lambda _: found["callback"].append(deepest())).get()
        eventually(lambda: found["callback"])
        found["callback"] = found["callback"][0]
        found["submission"] = submission(pool)
        pool.close()
        pool.join()
    with ProcessPoolExecutor(1) as executor:
        found["executor"] = executor.submit(deepest).result()
    print(json.dumps(found))


def submission(pool, depth=0):
    """How deep a task can still be submitted."""
    try:
        deeper = submission(pool, depth + 1)
    except RecursionError:
        deeper = None
    if deeper is None:
        try:
            pool.apply_async(double, (1,))
            deeper = depth
        except RecursionError:
            pass
    return deeper


# The rest of the interpreter


def interpreter():
    """What may differ a little, as JSON."""
    multiprocessing.Pool(1).terminate()
    print(
        json.dumps(
            {
                "path": sys.path,
                "modules": sorted(sys.modules),
                "environment": dict(os.environ),
                "meta_path": [getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path],
                "path_hooks": len(sys.path_hooks),
                "flags": str(sys.flags),
                "site": [hasattr(sys.modules.get("sitecustomize"), "__file__")],
                "builtins": sorted(vars(__builtins__)),
                "main": sorted(globals()),
                "atexit": __import__("atexit")._ncallbacks(),
                "threads": [thread.name for thread in threading.enumerate()],
            }
        )
    )


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
