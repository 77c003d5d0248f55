"""Every way to give work to a ProcessPoolExecutor, with counts that are known beforehand. Takes the start method."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import sys
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

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


def inner(count):
    with multiprocessing.Pool(1) as pool:  # nested
        result = sum(pool.map(double, range(count), 1))  # nested-map
        pool.close()
        pool.join()
    return result


def outcome(call, *args):
    try:
        return call(*args)
    except (Exception, CancelledError) as error:
        return type(error).__name__


def methods(context):
    with ProcessPoolExecutor(2, mp_context=context) as executor:  # methods
        print(executor.submit(double, 3).result())  # submit
        print(executor.submit(add, 1, right=2).result())  # submit-keyword
        print(sum(executor.map(double, range(30))))  # map
        print(sum(executor.map(add, range(50), range(50), chunksize=7)))  # map-7
        print(list(executor.map(double, [])))  # map-nothing
        futures = [executor.submit(double, item) for item in range(20)]  # submit-many
        print(sum(future.result() for future in futures))


def failures(context):
    with ProcessPoolExecutor(1, mp_context=context) as executor:  # failures
        print(outcome(executor.submit(refuse, 1).result))  # refuse-submit
        print(outcome(list, executor.map(refuse, range(2), chunksize=2)))  # refuse-map
        print(outcome(executor.submit(unpicklable, 1).result))  # unpicklable-result
        print(outcome(executor.submit(double, lambda: 0).result))  # unpicklable-argument
        print(executor.submit(double, 21).result())  # after-failures


def set_up(context, method):
    options = {"initializer": prepare, "initargs": ("prepared",)}
    if method != "fork" and "max_tasks_per_child" in inspect.signature(ProcessPoolExecutor).parameters:
        options["max_tasks_per_child"] = 4
    with ProcessPoolExecutor(1, mp_context=context, **options) as executor:  # set-up
        # One by one: CPython may wait for ever when calls queue up for a worker that has served its turn (gh-115634).
        print([executor.submit(leave_a_thought, item).result() for item in range(12)][-1])  # prepared


def block(began, end):
    began.set()
    end.wait(30)


def cancelled(context):
    manager = context.Manager()
    began, end = manager.Event(), manager.Event()
    executor = ProcessPoolExecutor(1, mp_context=context)  # cancelled
    blocking = executor.submit(block, began, end)  # blocking
    began.wait(30)
    futures = [executor.submit(double, item) for item in range(20)]  # waiting
    print(futures[-1].cancel(), futures[-1].cancelled())
    executor.shutdown(wait=False, cancel_futures=True)
    end.set()
    print(blocking.result())
    # How many calls were with the worker already is a matter of luck.
    answers = [outcome(future.result) for future in futures]
    Path("not-cancelled").write_text(str(len(answers) - answers.count("CancelledError")))
    manager.shutdown()


def from_threads(context):
    with ProcessPoolExecutor(2, mp_context=context) as executor:  # from-threads
        with ThreadPoolExecutor(3) as threads:
            asked = [threads.submit(ask, executor, item) for item in range(12)]
        print(sum(future.result() for future in asked))


def ask(executor, item):
    return executor.submit(double, item).result()  # ask


async def in_loop(context):
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, mp_context=context) as executor:  # in-loop
        print(await loop.run_in_executor(executor, double, 4))  # run_in_executor
        print(sum(await asyncio.gather(*(loop.run_in_executor(executor, double, n) for n in range(5)))))  # gather


def nested(context):
    with ProcessPoolExecutor(1, mp_context=context) as executor:  # outer
        print(executor.submit(inner, 6).result())  # outer-submit


def main(method):
    context = multiprocessing.get_context(method)
    methods(context)
    failures(context)
    set_up(context, method)
    cancelled(context)
    from_threads(context)
    asyncio.run(in_loop(context))
    nested(context)


if __name__ == "__main__":
    main(sys.argv[1])
