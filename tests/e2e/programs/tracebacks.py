"""Lets things go wrong and shows their tracebacks. The argument is the start method."""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor, wait


def refuse(item):
    raise ValueError(item)


def deeper(item):
    try:
        refuse(item)
    except ValueError as error:
        raise RuntimeError("deeper") from error


def double(item):
    return item * 2


def leave(_item):
    sys.exit(3)


def broken_iterable():
    yield 1
    raise KeyError("iterable")


def bad_callback(_result):
    raise LookupError("callback")


def unpicklable(item):
    return lambda: item


class Stubborn(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.two = two


def stubborn(_item):
    raise Stubborn(1, 2)


def show(call, *args, **kwargs):
    try:
        print(call(*args, **kwargs))
    except BaseException:
        traceback.print_exc(file=sys.stdout)


def pools(context):
    with context.Pool(1) as pool:
        show(pool.apply, refuse, (1,))
        show(pool.map, deeper, [1, 2, 3])
        show(pool.starmap, double, [(1, 2)])
        show(list, pool.imap(refuse, [1]))
        show(list, pool.imap(double, broken_iterable()))
        show(pool.map, double, broken_iterable())
        show(pool.map, double, 3)
        show(pool.apply, "not callable")
        show(pool.map, double, [1], chunksize=-1)
        pool.close()
        show(pool.apply, double, (1,))
        pool.join()
    show(context.Pool, 0)
    show(context.Pool, 1, "not callable")


def executors(context):
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        show(executor.submit(refuse, 1).result)
        show(list, executor.map(deeper, [1, 2]))
        show(executor.submit(leave, 1).result)
        show(executor.submit(double).result)
        show(executor.map, double, broken_iterable())
        show(executor.map, double, [1], chunksize=0)
        future = executor.submit(double, 2)
        wait([future])
        future.add_done_callback(bad_callback)
        show(future.result)
    show(executor.submit, double, 1)
    show(ProcessPoolExecutor, 0)


def processes(context):
    """These write to stderr themselves."""
    for target, args in ((refuse, (1,)), (leave, (1,)), (double, ())):
        sys.stdout.flush()
        process = context.Process(target=target, args=args, name="child")
        process.start()
        process.join()
        print(process.exitcode)


def pickling(context):
    """Only here may frames of the probe stand in for the library's."""
    with context.Pool(1) as pool:
        show(pool.apply, double, (lambda: 0,))
        show(pool.apply, unpicklable, (1,))
        show(pool.map, double, [1, lambda: 0], 1)
        show(pool.apply, double, (2,))
        pool.close()
        pool.join()
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        show(executor.submit(double, lambda: 0).result)
        show(executor.submit(unpicklable, 1).result)
        show(executor.submit(double, 2).result)


if __name__ == "__main__":
    chosen = multiprocessing.get_context(sys.argv[2])
    {"pools": pools, "executors": executors, "processes": processes, "pickling": pickling}[sys.argv[1]](chosen)
