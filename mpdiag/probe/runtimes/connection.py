"""``multiprocessing.connection``: the user's pipes, and what ``Listener`` and ``Client`` make.

``_ConnectionBase.__init__`` is run for every connection, and raises nothing in the ordinary course of a program. Whose
a connection is shows who makes it; of one that was sent to this process it cannot be told yet, so that the queue or
pool whose part it turns out to be takes the overlay off again.
"""

from __future__ import annotations

import sys

from mpdiag.probe import piping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType
    from typing import Any

    from mpdiag.probe.session import Session

MAKERS = frozenset({"multiprocessing.connection", "multiprocessing.context"})
"""Modules that make connections for whoever asks them to."""
OPERATIONS = ("send", "recv")
DEPTH = 2
"""From ``_send_bytes`` over ``send`` to the user's frame."""


def install(module: ModuleType, session: Session) -> None:
    """Patch ``multiprocessing.connection``."""
    standard = getattr(module, "Connection", None)

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def __init__(connection: Any, *args: Any, **kwargs: Any) -> None:
            original(connection, *args, **kwargs)
            try:
                if type(connection) is standard and _is_the_users(sys._getframe(1), session):
                    piping.overlay(session, connection, "Connection", OPERATIONS, DEPTH)
            except Exception as error:
                session.fail("connection", error)

        return __init__

    session.patches.replace(module._ConnectionBase, "__init__", make)


def _is_the_users(frame: FrameType | None, session: Session) -> bool:
    """Whether the program makes a connection here, or may have been sent one."""
    if frame is not None and frame.f_code.co_name == "rebuild_connection":
        return session.recorder is not None
    while frame is not None and frame.f_globals.get("__name__") in MAKERS:
        frame = frame.f_back
    recorder = session.recorder
    return frame is not None and recorder is not None and recorder.sites.is_users(frame)
