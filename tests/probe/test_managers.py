"""Managers: calls of proxies, and what the server does for them, in one process with a server in a thread."""

import contextlib
import gc
import multiprocessing
import threading
import traceback
import weakref
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from mpdiag.probe.runtimes import managers as runtime

# Private parts of them are used here.
connection: Any = import_module("multiprocessing.connection")
managers: Any = import_module("multiprocessing.managers")
AUTHKEY = multiprocessing.current_process().authkey


class Account:
    def __init__(self):
        self.balance = 0

    def deposit(self, amount):
        self.balance += amount
        return self.balance

    def secret(self):
        return lambda: self.balance

    def refuse(self):
        raise KeyError(self.balance)


Office: Any = type("Office", (managers.SyncManager,), {})
"""A manager with a class of its own."""
Office.register("Account", Account)


class Calling:
    """Calls a proxy when it is pickled."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        """Reduce to a list as long as what the call gives."""
        return list, (tuple(range(self.call())),)


class Serving:
    """A manager whose server runs in threads of this process."""

    def __init__(self, books, address=None):
        self.books = books
        runtime.install(managers, books.session)
        self.server = Office(address=address, authkey=AUTHKEY).get_server()
        self.server.stop_event = threading.Event()
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()
        self.manager = Office(address=self.server.address, authkey=AUTHKEY)
        self.manager.connect()

    def accept(self):
        while True:
            link = self.server.listener.accept()
            if self.server.stop_event.is_set():
                return
            threading.Thread(target=self.server.handle_request, args=(link,), daemon=True).start()

    def stop(self):
        self.server.stop_event.set()
        connection.SocketClient(self.server.address).close()
        self.thread.join()
        self.server.listener.close()
        self.books.session.patches.undo()

    def text(self, number):
        return self.books.text(number) if number else ""

    def lines(self):
        """Files in which the calling lines lie."""
        sites = {use["site"] for use in self.books.records("use")}
        return {self.text(site["file"]) for site in self.books.records("site") if site["id"] in sites}

    def uses(self):
        """Calls of all lines by (type, method)."""
        found = {}
        for use in self.books.records("use"):
            key = self.text(use["type"]), self.text(use["operation"])
            found.setdefault(key, []).append(SimpleNamespace(**use))
        return found

    def counts(self, operation):
        """Each line's calls of a method."""
        return {
            kind: [use.count for use in uses] for (kind, method), uses in self.uses().items() if method == operation
        }

    def served(self):
        return {
            (self.text(one["type"]), self.text(one["method"])): SimpleNamespace(**one)
            for one in self.books.records("served")
        }


@pytest.fixture
def serving(books):
    made = Serving(books)
    yield made
    made.stop()


def test_calls_are_counted_by_type_method_and_line(serving):
    table, other = serving.manager.dict(), serving.manager.dict()
    for index in range(20):
        table[index] = index
        other[index] = index
    table.update(other)

    uses = serving.uses()
    assert serving.counts("__setitem__") == {"DictProxy": [20, 20]}
    assert serving.counts("update") == {"DictProxy": [1]}
    first, second = uses["DictProxy", "__setitem__"]
    assert first.site != second.site
    assert first.object == second.object == runtime.number(serving.server.address)
    assert first.bytes == second.bytes
    assert first.blocked > first.busy > 0
    assert first.timed == 20
    assert serving.books.session.faults == {}


def test_thousands_of_proxies_are_one_record(serving):
    tables = [serving.manager.dict() for _ in range(50)]
    for table in tables * 2:
        table["x"] = 1
    assert serving.counts("__setitem__") == {"DictProxy": [100]}
    assert len(serving.books.records("served")) == 1


def test_no_more_lines_are_remembered_than_allowed(serving, monkeypatch):
    monkeypatch.setattr(runtime, "REMEMBERED", 5)
    tables = [serving.manager.dict() for _ in range(12)]
    for table in tables * 3:
        table["x"] = len(table)
    assert serving.counts("__setitem__") == serving.counts("__len__") == {"DictProxy": [36]}


def test_what_the_client_sends_the_server_receives(serving):
    table, names, lock = serving.manager.dict(), serving.manager.list(), serving.manager.Lock()
    for index in range(10):
        with lock:
            table[index] = "x" * index
        names.append(index)
    assert [name for name in table][:2] == [0, 1]  # noqa: C416 - by the proxy of an iterator
    assert str(names) == str(list(range(10)))
    called = {}
    for (_kind, method), uses in serving.uses().items():
        if method != "connect":
            count, size = called.get(method, (0, 0))
            called[method] = count + sum(use.count for use in uses), size + sum(use.bytes for use in uses)
    served = {method: (one.calls, one.received + one.sent) for (_kind, method), one in serving.served().items()}
    assert called == served
    assert {kind for kind, _ in serving.served()} == {"dict", "list", "lock", "dict_keyiterator"}
    assert {one.object for one in serving.served().values()} == {runtime.number(serving.server.address)}
    assert all(one.busy > 0 for one in serving.served().values())


def test_methods_of_libraries_between_belong_to_the_users_line(serving):
    lock, names = serving.manager.Lock(), serving.manager.list()
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock)
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock)
        names += [1]
        names._callmethod("append", (2,))
    assert serving.counts("acquire") == {"AcquirerProxy": [3, 3]}
    assert serving.counts("extend") == serving.counts("append") == {"ListProxy": [3]}
    assert serving.lines() == {__file__}


def test_the_users_own_strings_are_not_taken_for_proxies_methods(serving):
    table = serving.manager.dict()
    exec("for index in range(3):\n    table[index] = 1", {"table": table})  # noqa: S102 - what a program may do
    assert serving.counts("__setitem__") == {"DictProxy": [3]}
    assert serving.lines() == {"<string>"}


def test_an_id_that_recurs_is_told_by_its_proxy(serving):
    manager = serving.manager
    table = manager.dict({1: 2})
    token = managers.Token("list", table._token.address, "".join(list(table._id)))
    other = managers.ListProxy(token, "pickle", manager=manager, authkey=AUTHKEY)
    for _ in range(3):
        assert [len(proxy) for proxy in (table, other)] == [1, 1]
    assert serving.counts("__len__") == {"DictProxy": [3], "ListProxy": [3]}


def test_methods_called_by_turns_on_one_line_are_told_apart(serving):
    table = serving.manager.dict()
    for _ in range(4):
        for method in (table.get, table.pop):
            method("nothing", 0)
    assert serving.counts("get") == serving.counts("pop") == {"DictProxy": [4]}


def test_what_a_method_raises_passes_no_frame_of_ours(serving):
    account = serving.manager.Account()
    with pytest.raises(KeyError) as raised:
        account.refuse()
    assert "mpdiag" not in "".join(traceback.format_exception(raised.value))
    assert serving.counts("refuse") == {"AutoProxy[Account]": [1]}
    assert serving.served()["Account", "refuse"].calls == 1


def test_an_answer_that_cannot_be_pickled_is_counted_once(serving):
    account = serving.manager.Account()
    with pytest.raises(managers.RemoteError) as raised:
        account.secret()
    assert "lambda" in str(raised.value)
    assert "mpdiag" not in str(raised.value)
    served = serving.served()["Account", "secret"]
    (use,) = serving.uses()["AutoProxy[Account]", "secret"]
    assert (served.calls, served.received + served.sent) == (use.count, use.bytes)
    assert account.deposit(5) == 5


def test_what_cannot_be_sent_is_not_counted(serving):
    account = serving.manager.Account()
    with pytest.raises(AttributeError):
        account.deposit(lambda: 5)
    account._tls.connection._send_bytes = refuse
    with pytest.raises(BrokenPipeError):
        account.deposit(5)
    del account._tls.connection._send_bytes
    assert account.deposit(5) == 5
    assert serving.counts("deposit") == {"AutoProxy[Account]": [0, 1]}


def refuse(_data):
    raise BrokenPipeError


def test_a_closed_connection_says_so(serving):
    table = serving.manager.dict()
    table["x"] = 1
    link = table._tls.connection
    link.close()
    for call in (lambda: table["x"], link.recv):
        with pytest.raises(OSError, match="handle is closed"):
            call()
    del table._tls.connection
    assert table["x"] == 1


def test_pickling_may_call_the_manager_itself(serving):
    table, names = serving.manager.dict(), serving.manager.list([1, 2, 3])
    table["x"] = 1
    table["y"] = Calling(names.__len__)
    assert table["y"] == [0, 1, 2]
    assert serving.counts("__setitem__") == {"DictProxy": [1, 1]}
    assert serving.counts("__len__") == {"ListProxy": [1]}
    total = sum(use.bytes for uses in serving.uses().values() for use in uses)
    assert total == sum(one.received + one.sent for one in serving.served().values())


def test_a_connection_closes_when_it_is_let_go(serving):
    table = serving.manager.dict()
    table["x"] = 1
    held = weakref.ref(table._tls.connection)
    gc.disable()
    try:
        del table
        assert held() is None
    finally:
        gc.enable()


def test_every_thread_connects(serving):
    table = serving.manager.dict()

    def visit():
        for index in range(30):
            table[index] = index

    threads = [threading.Thread(target=visit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert serving.counts("__setitem__") == {"DictProxy": [90]}
    assert serving.counts("connect") == {"DictProxy": [3]}
    assert serving.uses()["DictProxy", "connect"][0].blocked > 0
    assert sum(one.calls for one in serving.served().values()) == 90


def test_after_a_fork_the_parents_counters_stay_the_parents(serving):
    table, session = serving.manager.dict(), serving.books.session
    for index in range(4):
        if index == 1:
            session.epoch, session._uses = session.epoch + 1, None
        table[index] = index
    assert serving.counts("__setitem__") == {"DictProxy": [1, 3]}


def test_what_is_timed_is_recorded(serving):
    table = serving.manager.dict()
    for index in range(5):
        table[index] = index
    events = [one for one in serving.books.records("event") if serving.text(one["operation"]) == "__setitem__"]
    (use,) = serving.uses()["DictProxy", "__setitem__"]
    assert [one["sequence"] for one in events] == [1, 2, 3, 4, 5]
    assert sum(one["bytes"] for one in events) == use.bytes
    assert sum(one["blocked"] for one in events) == pytest.approx(use.blocked)
    assert sum(one["busy"] for one in events) == pytest.approx(use.busy)


def test_a_manager_with_its_own_kind_of_connection_is_left_alone(serving, monkeypatch):
    monkeypatch.setattr(connection._ConnectionBase, "send", lambda self, item: self._send_bytes(pickled(item)))
    table = serving.manager.dict()
    table["x"] = 1
    assert vars(table._tls.connection).keys() == {"_handle", "_readable", "_writable"}
    assert table["x"] == 1
    assert serving.books.session.faults == {"manager with its own kind of connection": "TypeError"}


def pickled(item):
    return connection._ForkingPickler.dumps(item)


def test_what_does_not_come_from_a_proxy_is_not_counted(serving):
    table = serving.manager.dict({1: 2})
    assert len(table) == 1
    link = table._tls.connection
    link.send((table._id, "__len__", (), {}))
    assert link.recv() == ("#RETURN", 1)
    assert serving.counts("__len__") == {"DictProxy": [1]}
    assert serving.books.session.faults == {"manager call": "TypeError"}


def test_without_a_record_nothing_is_touched(serving):
    serving.books.session.birth = serving.books.session._recorder = None
    table = serving.manager.dict()
    table["x"] = 1
    assert "send" not in vars(table._tls.connection)
    assert serving.books.records("use") == serving.books.records("served") == []


@pytest.mark.parametrize("hook", ["counter", "service"])
def test_a_hook_that_fails_does_no_harm(serving, monkeypatch, hook):
    def fail(*_arguments):
        raise RuntimeError(hook)

    table = serving.manager.dict()
    monkeypatch.setattr(runtime.Managers, hook, fail)
    for index in range(3):
        table[index] = index
    assert table.copy() == {0: 0, 1: 1, 2: 2}
    assert set(serving.books.session.faults.values()) == {"RuntimeError"}


def test_made_up_methods_are_counted_together_at_last(serving, monkeypatch):
    monkeypatch.setattr(runtime, "MOST", 3)
    table = serving.manager.dict()
    for index in range(6):
        with pytest.raises(managers.RemoteError):
            table._callmethod(f"method{index}")
    assert serving.served()["", ""].calls == 3


def test_a_manager_is_known_by_its_address_in_all_processes():
    numbers = [runtime.number(address) for address in ("/run/a", "/run/b", ("localhost", 5), ("localhost", 6), b"\0a")]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 1 << 64 for number in numbers)
    assert len({runtime.number((name, 5)) for name in ("", "localhost", "127.0.0.1", "0.0.0.0")}) == 1  # noqa: S104
    assert runtime.number(("other", 5)) != runtime.number(("localhost", 5))


def test_over_tcp(books):
    serving = Serving(books, ("127.0.0.1", 0))
    try:
        client = Office(address=("localhost", serving.server.address[1]), authkey=AUTHKEY)
        client.connect()
        account = client.Account()
        assert [account.deposit(1) for _ in range(3)] == [1, 2, 3]
        (use,) = serving.uses()["AutoProxy[Account]", "deposit"]
        served = serving.served()["Account", "deposit"]
        assert (use.count, use.object) == (served.calls, served.object) == (3, use.object)
        del account
    finally:
        serving.stop()
