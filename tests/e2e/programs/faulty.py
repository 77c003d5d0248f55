"""Goes through all that the probe hooks, in short. The argument is the start method of one last process."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial


def double(item):
    return item * 2


def refuse(item):
    raise ValueError(item)


def unpicklable(item):
    return lambda: item


def length(table, item):
    return len(table) + item


def outcome(call, *args):
    try:
        return call(*args)
    except Exception as error:
        return type(error).__name__


def pool():
    with multiprocessing.Pool(1, maxtasksperchild=40) as pool:
        print(sum(pool.map(double, range(60), 1)), sum(pool.imap_unordered(double, range(20), 3)))
        print(pool.apply(double, (1,)), pool.apply_async(length, (), {"table": b"x" * 20_000, "item": 1}).get())
        print(sum(pool.map(partial(length, list(range(10_000))), range(4), 2)))
        print(len(pool.apply(double, (b"x" * 20_000,))))
        print(outcome(pool.apply, refuse, (1,)), outcome(pool.apply, unpicklable, (1,)))
        print(outcome(pool.apply, double, (lambda: 0,)), pool.apply(double, (2,)))
        pool.close()
        pool.join()


def executor():
    with ProcessPoolExecutor(1) as executor:
        print(sum(executor.map(double, range(40))), sum(executor.map(double, range(20), chunksize=3)))
        print(executor.submit(length, table=b"x" * 20_000, item=1).result())
        print(len(executor.submit(double, b"x" * 20_000).result()))
        print(outcome(executor.submit(refuse, 1).result), outcome(executor.submit(unpicklable, 1).result))
        print(outcome(executor.submit(double, lambda: 0).result), executor.submit(double, 2).result())


def main(method):
    pool()
    executor()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os._exit(5)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    process = multiprocessing.get_context(method).Process(target=double, args=(1,))
    process.start()
    process.join()
    print(process.exitcode)


if __name__ == "__main__":
    main(sys.argv[1])
