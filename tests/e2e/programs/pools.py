"""Every task method of Pool, with counts that are known beforehand. The argument is the start method."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from functools import partial
from multiprocessing.pool import ThreadPool

ready = False


def prepare(value):
    global ready
    ready = value


def double(item):
    return item * 2


def add(left, right=0):
    return left + right


def refuse(item):
    raise ValueError(item)


def unpicklable(item):
    return lambda: item


def leave_a_thought(item):
    return ready, item


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def times(self, item):
        return self.factor * item

    def __call__(self, item):
        return self.factor + item


def outcome(call, *args):
    try:
        return call(*args)  # call
    except Exception as error:
        return type(error).__name__


def methods(context):
    with context.Pool(2) as pool:  # methods
        print(pool.apply(double, (3,)))  # apply
        print(pool.apply_async(add, (1,), {"right": 2}).get())  # apply_async
        print(sum(pool.map(double, range(100))))  # map
        print(sum(pool.map_async(double, range(50)).get()))  # map_async
        print(sum(pool.starmap(add, [(1, 2)] * 9)))  # starmap
        print(sum(pool.starmap_async(add, [(1, 2)] * 20).get()))  # starmap_async
        print(sum(pool.imap(double, range(30))))  # imap
        print(sum(pool.imap_unordered(double, range(40))))  # imap_unordered
        pool.close()
        pool.join()


def chunks(context):
    with context.Pool(2) as pool:  # chunks
        print(sum(pool.map(double, range(100), chunksize=7)))  # map-7
        print(sum(pool.map(double, (item for item in range(10)), chunksize=100)))  # map-one
        print(pool.map(double, []))  # map-nothing
        print(sum(pool.starmap(add, zip(range(9), range(9)), 2)))  # starmap-2
        print(sum(pool.imap(double, range(31), 10)))  # imap-10
        print(sum(pool.imap_unordered(double, iter(range(31)), chunksize=31)))  # imap_unordered-31
        pool.close()
        pool.join()


def failures(context):
    with context.Pool(2) as pool:  # failures
        print(outcome(pool.apply, refuse, (1,)))
        print(outcome(pool.map, refuse, range(6), 2))
        print([outcome(result.get) for result in [pool.apply_async(refuse, (n,)) for n in range(5)]])  # refuse-async
        print(outcome(pool.apply, unpicklable, (1,)))
        print(outcome(pool.apply, double, (lambda: 0,)))
        print(pool.apply(double, (21,)))  # after-failures
        pool.close()
        pool.join()


def callables(context):
    with context.Pool(2) as pool:  # callables
        print(sum(pool.map(partial(add, 5), range(8), 1)))  # partial
        print(sum(pool.map(Scale(3).times, range(8), 1)))  # bound
        print(sum(pool.map(Scale(3), range(8), 1)))  # instance
        print(sum(pool.map(len, ["ab"] * 8, 1)))  # builtin
        print(pool.map(str.upper, ["ab"] * 8, 1)[0])  # descriptor
        print(sum(pool.map(int, ["7"] * 8, 1)))  # class
        pool.close()
        pool.join()


def set_up(context):
    with context.Pool(2, initializer=prepare, initargs=("prepared",), maxtasksperchild=5) as pool:  # set-up
        print(sorted(pool.map(leave_a_thought, range(20), 1))[-1])  # prepared
        pool.close()
        pool.join()


def threads_only():
    with ThreadPool(2) as pool:
        print(sum(pool.map(double, range(10))))


def several(context):
    first = context.Pool(1)  # first
    second = context.Pool(1)  # second
    left = first.imap(double, range(10))  # first-map
    right = second.imap(double, range(20))  # second-map
    print(sum(next(left) + next(right) for _ in range(10)), sum(right))
    for pool in (first, second):
        pool.close()
        pool.join()


def in_thread(context, together, results):
    together.wait(30)
    with context.Pool(1) as pool:  # in-thread
        results.append(sum(pool.map(double, range(10), 2)))  # in-thread-map
        pool.close()
        pool.join()


def pools_in_threads(context):
    together, results = threading.Barrier(3), []
    threads = [threading.Thread(target=in_thread, args=(context, together, results)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(results)


def inner(count):
    with multiprocessing.Pool(1) as pool:  # nested
        print(sum(pool.map(double, range(count), 1)), flush=True)  # nested-map
        pool.close()
        pool.join()


def nested(context):
    process = context.Process(target=inner, args=(6,))  # process
    process.start()
    process.join()
    print(process.exitcode)


def main(method):
    context = multiprocessing.get_context(method)
    methods(context)
    chunks(context)
    failures(context)
    callables(context)
    set_up(context)
    threads_only()
    several(context)
    pools_in_threads(context)
    sys.stdout.flush()
    nested(context)


if __name__ == "__main__":
    main(sys.argv[1])
