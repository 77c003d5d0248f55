"""Process starts, seen in the parent: when, by whom, from which line.

``util._flush_std_streams`` is what every ``Popen.__init__`` calls first. Hooked there, a start that fails (an argument
that cannot be pickled, no more processes) raises through no frame of ours.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

    from mpdiag.probe.session import Session


def install(module: ModuleType, session: Session) -> None:
    """Patch ``multiprocessing.util``."""

    def make(original: Callable[[], None]) -> Callable[[], None]:
        def _flush_std_streams() -> None:
            original()
            try:
                frame = sys._getframe(1)
                if frame.f_code.co_name == "__init__":
                    _start(frame, session)
            except Exception as error:
                session.fail("process launch", error)

        return _flush_std_streams

    session.patches.replace(module, "_flush_std_streams", make)


def _start(frame: FrameType, session: Session) -> None:
    process = frame.f_locals.get("process_obj")
    recorder = session.recorder
    if process is None or recorder is None:
        return
    method = getattr(frame.f_locals.get("self"), "method", "")
    began = perf_counter_ns()
    recorder.put(
        "start",
        began,
        process._identity[-1] if process._identity else 0,
        recorder.sites.caller(frame)[0],
        recorder.text(method),
        recorder.text(process.name),
    )
    session.book(began)
