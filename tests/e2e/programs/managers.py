"""Calls managers in many ways. Arguments: what, start method."""

from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.managers import BaseManager, SyncManager


class Account:
    def __init__(self, owner):
        self.owner = owner
        self.balance = 0
        self.lock = threading.Lock()

    def deposit(self, amount):
        with self.lock:
            self.balance += amount
        return self.owner

    def total(self):
        return self.balance

    def unpicklable(self):
        return lambda: self.balance

    def refuse(self, why):
        raise ValueError(why)


class Office(SyncManager):
    pass


class Remote(BaseManager):
    pass


Office.register("Account", Account)
Remote.register("Account", Account)


class Stubborn:
    """Cannot be unpickled by the server."""

    def __reduce__(self):
        return refuse, ()


def refuse():
    if multiprocessing.parent_process() is not None:
        raise LookupError("not here")
    return "here"


def visit(number, table, names, state, tally, queue, lock, account, remote):
    for index in range(40):
        table[number, index] = index  # visit-set
    for _ in range(15):
        with lock:  # visit-lock
            tally.value += 1  # visit-value
    names.append(number)  # visit-append
    for index in range(25):
        queue.put(index)  # visit-put
    state.last = "visited"  # visit-state
    account.deposit(5)  # visit-deposit
    for _ in range(10):
        remote.deposit(2)  # visit-remote


def serve(context):
    manager = Office(ctx=context)
    manager.start()
    return manager


def calls(context):
    table_of_tables(context)
    with serve(context) as manager, Remote(address=("127.0.0.1", 0), authkey=b"remote", ctx=context) as host:
        remote = Remote(address=("localhost", host.address[1]), authkey=b"remote")
        remote.connect()
        far = remote.Account("far")
        far._authkey = multiprocessing.process.AuthenticationString(b"remote")
        table, names, state = manager.dict(), manager.list(), manager.Namespace(last="nobody")
        tally, queue, lock, done = manager.Value("i", 0), manager.Queue(), manager.Lock(), manager.Event()
        account = manager.Account("near")
        shared = (table, names, state, tally, queue, lock, account, far)
        visitors = [context.Process(target=visit, args=(number, *shared)) for number in range(2)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        taken = sorted(queue.get() for _ in range(50))  # get
        print(len(taken), queue.empty())  # empty
        threads = [threading.Thread(target=deposit, args=(account,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()  # event-set
        print(done.wait(1), done.is_set())  # event-wait
        names += [5, 6]  # extend
        print(sorted(names), len(names), copy.deepcopy(names)[2:])  # names
        print(tally.value, state.last, account.total(), far.total())  # totals
        print(sum(table.values()), len([key for key in table]))  # noqa: C416  # table
        try:
            account.refuse("no")  # refuse
        except ValueError as error:
            print(repr(error))
        try:
            table["missing"]  # missing
        except KeyError:
            print(traceback.format_exc())
        try:
            account.unpicklable()  # unpicklable
        except Exception as error:
            print(error)


def deposit(account):
    for _ in range(20):
        account.deposit(1)  # thread-deposit


def table_of_tables(context):
    with serve(context) as manager:
        outer = manager.dict()
        outer["inner"] = manager.dict()  # nest
        for index in range(10):
            outer["inner"][index] = manager.list([index])  # nested-set
        print(sum(outer["inner"][index][0] for index in range(10)))  # nested-get


def errors(context):
    """Things that go wrong while pickling, which take the probe's way."""
    with serve(context) as manager:
        table, account = manager.dict(), manager.Account("near")
        for call in (lambda: table.update(x=Stubborn()), lambda: table.update(x=lambda: 1), account.unpicklable):
            try:
                print(call())
            except Exception:
                traceback.print_exc(file=sys.stdout)
        print(len(table), account.total())


def attempt(call, *args):
    try:
        print("no error", call(*args))
    except Exception as error:
        print(type(error).__name__, error)


def killed(context):
    manager = serve(context)
    table, queue = manager.dict({1: 2}), manager.Queue()
    print(table[1])
    waiter = threading.Thread(target=attempt, args=(queue.get,))
    waiter.start()
    time.sleep(0.5)  # its request has come to the server
    os.kill(manager._process.pid, signal.SIGKILL)
    waiter.join()
    manager._process.join()
    for _ in range(2):
        attempt(table.get, 1)
    newcomer = threading.Thread(target=attempt, args=(table.get, 1))
    newcomer.start()
    newcomer.join()
    print("end", manager._process.exitcode)


if __name__ == "__main__":
    globals()[sys.argv[1]](multiprocessing.get_context(sys.argv[2]))
