"""Much of everything, and a sudden end; arguments: the part, the start method."""

import multiprocessing
import os
import signal
import sys
import time


def produce(messages, ready):
    for number in range(1000):
        messages.put(number)  # put
    messages.close()
    messages.join_thread()
    ready.send("all is out")
    time.sleep(60)


def killed(context):
    """Kill a producer that has put everything: what it did must be known."""
    messages = context.Queue()
    here, there = context.Pipe()
    process = context.Process(target=produce, args=(messages, there))
    process.start()
    print(here.recv())
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    print(process.exitcode, sum(messages.get() for _ in range(1000)))  # get


def use(tables):
    for table in tables:
        table["x"] = 1  # call


def proxies(context):
    """Use many proxies: they must not make many records."""
    with context.Manager() as manager:
        tables = [manager.dict() for _ in range(400)]
        process = context.Process(target=use, args=(tables,))
        process.start()
        process.join()
        print(sum(table["x"] for table in tables))


def take(messages, count):
    print(sum(messages.get() for _ in range(count)))


def items(context):
    """Pass many items on: they must not make a long trace."""
    messages, count = context.Queue(1000), 60_000
    process = context.Process(target=take, args=(messages, count))
    process.start()
    for number in range(count):
        messages.put(number)  # items
    process.join()


if __name__ == "__main__":
    {"killed": killed, "proxies": proxies, "items": items}[sys.argv[1]](multiprocessing.get_context(sys.argv[2]))
