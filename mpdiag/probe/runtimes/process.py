"""``multiprocessing.process``: the life of a child, seen from inside, under fork, spawn and forkserver alike."""

from __future__ import annotations

import os
from time import perf_counter_ns, process_time_ns

from mpdiag.probe.function import METHOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from mpdiag.probe.session import Session

PROGRAM, WORKER, MANAGER = 0, 1, 4
"""Indices in ``wire.format.ROLES``."""


def install(module: ModuleType, session: Session) -> None:
    """Patch ``BaseProcess._bootstrap``, which every child runs; tracebacks are printed inside it and stay the same."""

    def make(original: Callable[..., int]) -> Callable[..., int]:
        def _bootstrap(process: Any, *args: Any, **kwargs: Any) -> int:
            try:
                _ready(process, session)
            except Exception as error:  # the child must run whatever happens to its record
                session.fail("process start", error)
            code = original(process, *args, **kwargs)
            try:
                recorder = session.recorder
                if recorder is not None:
                    recorder.put("finish", perf_counter_ns(), code, process_time_ns())
            except Exception as error:
                session.fail("process end", error)
            return code

        return _bootstrap

    session.patches.replace(module.BaseProcess, "_bootstrap", make)


def _ready(process: Any, session: Session) -> None:
    now = perf_counter_ns()
    recorder = session.recorder
    if recorder is None:
        return
    began = perf_counter_ns()
    target = process._target
    if type(target) is METHOD:  # a manager's, bound to its class
        target = target.__func__
    overlay = next((overlay for known, overlay in session.targets if target is known), None)
    role = PROGRAM if overlay is None else MANAGER if target.__name__ == "_run_server" else WORKER
    recorder.put(
        "ready",
        now,
        process._identity[-1] if process._identity else 0,
        role,
        recorder.text(process.name),
        recorder.text(process._start_method or ""),
        _channel(process._args[0]) if overlay is not None else 0,
        process._parent_pid or 0,
        process_time_ns(),
    )
    watch, session.imports = session.imports, None
    if watch is not None:
        watch.stop(recorder, now)
    if overlay is not None:
        overlay(process)
    session.book(began)


def _channel(queue: Any) -> int:
    reader = getattr(queue, "_reader", None)
    return os.fstat(reader.fileno()).st_ino if reader is not None else 0
