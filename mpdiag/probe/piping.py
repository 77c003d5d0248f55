"""Overlays that count what goes through one connection: the ends of a user's pipe, of a socket, of a ``SimpleQueue``.

``_send_bytes`` and ``_recv_bytes`` are set on the instance. All public methods end in them, and of what those raise in
the ordinary course of a program (an object that cannot be pickled, a wrong argument) nothing passes through here.
"""

from __future__ import annotations

import os
import sys
import weakref
from time import perf_counter_ns

from mpdiag.probe.uses import BLOCKED, BUSY, BYTES, TIMED, Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.session import Session

OVERLAID = ("_send_bytes", "_recv_bytes", "_poll")


def inode(connection: Any) -> int:
    """What a pipe or socket is known by in all processes that share it."""
    return os.fstat(connection.fileno()).st_ino


def plain(connection: Any) -> None:
    """Take the overlays off: this connection is a part of something that counts by itself."""
    for name in OVERLAID:
        vars(connection).pop(name, None)


def overlay(session: Session, connection: Any, kind: str, operations: tuple[str, str], depth: int) -> None:
    """Count what is sent and received through ``connection`` as these operations of a ``kind`` of object.

    The user's frame is ``depth`` above that of ``_send_bytes``.
    """
    end = End(session, connection, depth)
    sending, receiving = (Counter(session, kind, operation, inode(connection)) for operation in operations)
    connection._send_bytes = end.sender(sending)
    connection._recv_bytes = end.receiver(receiving)
    connection._poll = poller(session, end.poll, receiving, depth)


class End:
    """One connection in this process.

    It holds the class's functions and a weak reference: a connection must close as soon as its owner lets it go.
    """

    __slots__ = ("_asked", "_depth", "_held", "_session", "_type")

    def __init__(self, session: Session, connection: Any, depth: int) -> None:
        """Count for ``connection``; the user's frame is so far above the overlays."""
        self._session = session
        self._held = weakref.ref(connection)
        self._type = type(connection)
        self._depth = depth
        self._asked = 0
        """When what was sent last began to be, until an answer has come."""

    def poll(self, timeout: Any) -> bool:
        """Poll as the class does."""
        found: bool = self._type._poll(self._held(), timeout)
        return found

    def sender(self, counter: Counter) -> Callable[..., None]:
        """What stands for ``_send_bytes``."""
        clock, getframe, depth = perf_counter_ns, sys._getframe, self._depth
        session, held, send = self._session, self._held, self._type._send_bytes

        def _send_bytes(data: Any) -> None:
            began = clock()
            send(held(), data)
            now = clock()
            last = counter.last
            try:
                frame = getframe(depth)
                if frame.f_code is not last[0] or frame.f_lasti != last[1] or session.epoch != last[2]:
                    last = counter.find(frame)
            except ValueError:  # called by C itself, no line of the program's
                last = counter.find(None)
            words, first = last[3], last[4]
            size = len(data)
            words[first] += 1
            words[first + BYTES] += size
            words[first + BLOCKED] += now - began
            self._asked = began
            if not words[first] & counter.mask:
                counter.sample(last, now, size, now - began, 0)

        return _send_bytes

    def receiver(self, counter: Counter) -> Callable[..., Any]:
        """What stands for ``_recv_bytes``."""
        clock, getframe, depth = perf_counter_ns, sys._getframe, self._depth
        session, held, receive = self._session, self._held, self._type._recv_bytes

        def _recv_bytes(*args: Any) -> Any:
            began = clock()
            data = receive(held(), *args)
            now = clock()
            last = counter.last
            try:
                frame = getframe(depth)
                if frame.f_code is not last[0] or frame.f_lasti != last[1] or session.epoch != last[2]:
                    last = counter.find(frame)
            except ValueError:  # called by C itself, no line of the program's
                last = counter.find(None)
            words, first = last[3], last[4]
            size = data.tell() if data is not None else 0
            words[first] += 1
            words[first + BYTES] += size
            words[first + BLOCKED] += now - began
            if self._asked:  # it answers what was sent last: a round trip
                words[first + BUSY] += now - self._asked
                words[first + TIMED] += 1
                self._asked = 0
            if not words[first] & counter.mask:
                counter.sample(last, now, size, now - began, 0)
            return data

        return _recv_bytes


def poller(session: Session, poll: Callable[..., bool], counter: Counter, depth: int) -> Callable[..., bool]:
    """``poll`` whose waiting counts as that of the receiving line; the user's frame is ``depth`` above it."""
    clock, getframe = perf_counter_ns, sys._getframe

    def _poll(timeout: Any = 0.0) -> bool:
        if timeout == 0:
            return poll(timeout)
        began = clock()
        found = poll(timeout)
        last = counter.last
        try:
            frame = getframe(depth)
            if frame.f_code is not last[0] or frame.f_lasti != last[1] or session.epoch != last[2]:
                last = counter.find(frame)
        except ValueError:  # called by C itself, no line of the program's
            last = counter.find(None)
        last[3][last[4] + BLOCKED] += clock() - began
        return found

    return _poll
