"""``multiprocessing.managers``: every call of a proxy, and what the server did for it.

Both are overlays on the one connection that a thread has with a manager: the frames of ``_callmethod`` and
``serve_client``, and what a method raises at the other end, stay the program's. They hold the connection weakly, which
must close when its owner lets it go.
"""

from __future__ import annotations

import sys
import weakref
from time import perf_counter_ns

from mpdiag.probe import piping
from mpdiag.probe.patch import genuine
from mpdiag.probe.uses import BLOCKED, BUSY, BYTES, MOST, NOWHERE, TIMED, Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType, ModuleType
    from typing import Any

    from mpdiag.probe.session import Session
    from mpdiag.probe.uses import Last

    Line = tuple[memoryview, int, Counter, Last, str, int]
    """What a line counts calls of one method into; the proxy's id; how far above ``send`` the line's frame is."""
    Service = tuple[memoryview, int, type | None]
    """What calls of one method of objects of a type count into."""

REMEMBERED = 1000
"""Calling lines and served methods kept for one connection."""
HERE = ("", "0.0.0.0", "localhost", "127.0.0.1")  # noqa: S104 - to be recognised, not bound
"""What this machine calls itself: a server by one of these names, and its clients by another."""
PRIME = (1 << 64) - 59
NAME: Any = vars(type)["__name__"]
RECEIVED, SENT = 2, 3
"""Words of a ``served``, after the number of calls and their time."""


def install(module: ModuleType, session: Session) -> None:
    """Patch ``multiprocessing.managers``."""
    Managers(module, session)


class Managers:
    """The managers that this process calls or serves."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        """Patch ``module``."""
        self.module: Any = module
        self.session = session
        self.counters: dict[tuple[str, str, int], Counter] = {}
        self.callmethod: CodeType = vars(self.module.BaseProxy)["_callmethod"].__code__
        self.served: dict[tuple[str, str, int, int], tuple[memoryview, int]] = {}
        session.targets.append((vars(self.module.BaseManager)["_run_server"].__func__, self._begins_to_serve))
        replace = session.patches.replace
        replace(self.module.BaseProxy, "_connect", self._connect)
        replace(self.module.Server, "serve_client", self._serve_client)

    def _begins_to_serve(self, process: Any) -> None:
        """Take off a server's pipe what counts the program's own: whose it is could not be told when it was sent."""
        for argument in process._args:
            if type(argument) is self.module.connection.Connection:
                piping.plain(argument)

    def _connect(self, original: Callable[..., None]) -> Callable[..., None]:
        def _connect(proxy: Any, *args: Any, **kwds: Any) -> None:
            began = perf_counter_ns()
            original(proxy, *args, **kwds)
            taken = perf_counter_ns() - began
            try:
                link = proxy._tls.connection
                if self._fits(link):
                    identity = number(proxy._token.address)
                    self._connected(proxy, identity, taken, sys._getframe(1))
                    link.send, link.recv = _client(self, link, identity)
            except Exception as error:
                self.session.fail("manager connection", error)

        return _connect

    def _serve_client(self, original: Callable[..., None]) -> Callable[..., None]:
        def serve_client(server: Any, link: Any, *args: Any, **kwds: Any) -> None:
            try:
                if self._fits(link):
                    link.recv, link._send_bytes = _server(self, server, link)
            except Exception as error:
                self.session.fail("manager server", error)
            original(server, link, *args, **kwds)

        return serve_client

    def _fits(self, link: Any) -> bool:
        """Whether to look into this connection: one whose stages we know."""
        if self.session.recorder is None:
            return False
        connection = self.module.connection
        if (
            type(link) is connection.Connection
            and genuine(link.send, connection)
            and genuine(link.recv, connection)
            and genuine(link._send_bytes, connection)
        ):
            return True
        self.session.fail("manager with its own kind of connection", TypeError(type(link).__qualname__))
        return False

    def _connected(self, proxy: Any, identity: int, taken: int, frame: FrameType | None) -> None:
        """Count a connection: every thread of every process makes one to every manager that it calls."""
        last = self.counter(proxy, "connect", identity).find(self.outside(frame))
        words, first = last[3], last[4]
        words[first] += 1
        words[first + BLOCKED] += taken

    def counter(self, proxy: Any, method: str, identity: int) -> Counter:
        """Count by the proxy's type: a program may have thousands of proxies."""
        key = (NAME.__get__(type(proxy)), method, identity)
        counter = self.counters.get(key)
        if counter is None:
            if len(self.counters) >= MOST:
                self.counters.clear()
            counter = self.counters[key] = Counter(self.session, *key)
        return counter

    def is_inner(self, frame: FrameType) -> bool:
        """Whether this is a frame of the module or of one of the methods that it makes of strings."""
        names = frame.f_globals
        if names is vars(self.module):
            return True
        code = frame.f_code
        return code.co_filename == "<string>" and code.co_names == ("_callmethod",) and "__name__" not in names

    def outside(self, frame: FrameType | None) -> FrameType | None:
        """The first frame that is none of those."""
        while frame is not None and self.is_inner(frame):
            frame = frame.f_back
        return frame

    def service(self, kind: type | None, method: str, identity: int) -> Service:
        """Where calls of a method of objects of a type count into."""
        recorder, epoch = self.session.recorder, self.session.epoch
        name = "" if kind is None else NAME.__get__(kind)
        key = (name, method, identity, epoch)
        found = self.served.get(key)
        if found is None and len(self.served) >= MOST:  # somebody makes up methods
            key = ("", "", identity, epoch)
            found = self.served.get(key)
        if found is None:
            if recorder is None:
                return NOWHERE, 0, kind
            told = (identity, recorder.text(key[1]), recorder.text(key[0]))
            found = self.served.setdefault(key, recorder.live("served", 0, 0, 0, 0, *told) or (NOWHERE, 0))
        return (*found, kind)


class Lines:
    """The user's lines from which one thread calls one manager.

    A line is known by its instruction, the method, and the very string that is the proxy's id: an id recurs, for it is
    the address of what the proxy stands for, but a string that is kept here does not.
    """

    __slots__ = ("_identity", "_known", "_managers", "recent")

    def __init__(self, managers: Managers, identity: int) -> None:
        """Know none yet."""
        self._managers = managers
        self._identity = identity
        self._known: dict[tuple[int, str, int, int, int], Line] = {}
        self.recent: dict[str, Line] = {}
        """By method: what called it last."""

    def find(self, frame: FrameType, request: tuple[str, str, Any, Any]) -> Line:
        """Where the call counts into that ``frame``, of ``_callmethod``, is about to send."""
        managers, (ident, method, _, _) = self._managers, request
        if frame.f_code is not managers.callmethod:
            raise TypeError(frame.f_code.co_name)
        caller, depth = frame.f_back, 2
        if caller is not None and managers.is_inner(caller):
            caller, depth = caller.f_back, 3
        place = (0, 0) if caller is None else (id(caller.f_code), caller.f_lasti)
        key = (id(ident), method, *place, managers.session.epoch)
        found = self._known.get(key)
        if found is None:
            counter = managers.counter(frame.f_locals["self"], method, self._identity)
            last = counter.find(managers.outside(caller))
            found = (last[3], last[4], counter, last, ident, depth)
            if caller is None or caller.f_code is not last[0] or caller.f_lasti != last[1]:
                return found  # other lines of the user's come here through the same line of a library's
            if len(self._known) >= REMEMBERED:
                self._known.clear()
                self.recent.clear()
            self._known[key] = found
        self.recent[method] = found
        return found


def number(address: Any) -> int:
    """What a manager is known by in all processes, from its address."""
    if type(address) is tuple and address[:1] and address[0] in HERE:
        address = ("", *address[1:])
    return int.from_bytes(repr(address).encode("utf-8", "backslashreplace"), "little") % PRIME or 1


def _client(  # noqa: C901, PLR0915 - flat: this is the hot path
    managers: Managers, link: Any, identity: int
) -> tuple[Callable[[Any], None], Callable[[], Any]]:
    """What stands for ``send`` and ``recv`` of the connection through which one thread calls a manager."""
    held, standard, connection = weakref.ref(link), type(link), managers.module.connection
    session, clock, getframe = managers.session, perf_counter_ns, sys._getframe
    lines = Lines(managers, identity)
    recent, find = lines.recent, lines.find
    line: Line | None = None
    began = written = size = 0

    def send(request: Any) -> None:
        nonlocal line, began, written, size
        begin = clock()
        target: Any = held()
        if target._handle is None or not target._writable:
            standard.send(target, request)
            return
        data = connection._ForkingPickler.dumps(request)
        timed, found = False, None
        try:
            found = recent.get(request[1])
            if found is not None:
                words, first, counter, last, ident, depth = found
                try:
                    user = getframe(depth)
                except ValueError:
                    found = None
            if (
                found is None
                or user.f_code is not last[0]
                or user.f_lasti != last[1]
                or request[0] is not ident
                or session.epoch != last[2]
            ):
                found = find(getframe(1), request)
                words, first, counter = found[0], found[1], found[2]
            # Before it goes: whoever sees what it does there may end this process in the same moment.
            words[first] = count = words[first] + 1
            timed = not count & counter.mask
        except Exception as error:
            found = None
            session.fail("manager call", error)
        try:
            target._send_bytes(data)
        except OSError:
            if found is not None:
                found[0][found[1]] -= 1
            raise
        # Only now: to pickle the request may have called the manager, too.
        line, began, size, written = found, begin, len(data), clock() if timed else 0

    def recv() -> Any:
        nonlocal line
        source: Any = held()
        if source._handle is None or not source._readable:
            return standard.recv(source)
        buffer = source._recv_bytes()
        data = buffer.getbuffer()
        found, begin, sent, out, line = line, began, size, written, None  # to unpickle may call the manager again
        answer = connection._ForkingPickler.loads(data)
        try:
            if found is not None:
                words, first, counter, last, _, _ = found
                now = clock()
                words[first + BYTES] += sent + len(data)
                words[first + BLOCKED] += now - begin
                if out:
                    words[first + BUSY] += out - begin
                    words[first + TIMED] += 1
                    counter.sample(last, now, sent + len(data), now - begin, out - begin)
        except Exception as error:
            session.fail("manager call", error)
        return answer

    return send, recv


def _server(managers: Managers, server: Any, link: Any) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    """What stands for ``recv`` and ``_send_bytes`` of a server's connection with one thread of a client.

    An answer that cannot be pickled does not come to ``_send_bytes``; what is sent in its stead does.
    """
    held, standard, connection = weakref.ref(link), type(link), managers.module.connection
    session, clock, identity = managers.session, perf_counter_ns, number(server.address)
    objects, stashed = server.id_to_obj, server.id_to_local_proxy_obj
    services: dict[str, Service] = {}
    words, first, since = NOWHERE, 0, 0

    def recv() -> Any:
        nonlocal words, first, since
        source: Any = held()
        if source._handle is None or not source._readable:
            return standard.recv(source)
        buffer = source._recv_bytes()
        arrived = clock()
        data = buffer.getbuffer()
        request = connection._ForkingPickler.loads(data)
        try:
            ident, method = request[0], request[1]
            known = objects.get(ident) or stashed.get(ident)
            kind = None if known is None else type(known[0])
            found = services.get(method)
            if found is None or found[2] is not kind:
                if len(services) >= REMEMBERED:
                    services.clear()
                found = services[method] = managers.service(kind, method, identity)
            words, first, _ = found
            words[first] += 1
            words[first + RECEIVED] += len(data)
            since = arrived
        except Exception as error:
            session.fail("manager service", error)
        return request

    def _send_bytes(data: Any) -> None:
        nonlocal since
        try:
            if since:  # before it goes: the client may end this process as soon as it has the answer
                words[first + 1] += clock() - since
                words[first + SENT] += len(data)
                since = 0
        except Exception as error:
            session.fail("manager service", error)
        standard._send_bytes(held(), data)

    return recv, _send_bytes
