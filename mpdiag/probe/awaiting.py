"""Patch a module when the program imports it, never before: the probe imports nothing on its own account.

A finder at the head of ``sys.meta_path`` recognises the awaited names, lets the real finders find them, and gives the
real loader's instance an ``exec_module`` that runs the module and then installs our runtime. The finder removes itself
when nothing is awaited any more.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns

from mpdiag.probe.loading import loading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from mpdiag.probe.session import Session

RUNTIMES = {
    "multiprocessing.process": "process",
    "multiprocessing.util": "launching",
    "multiprocessing.spawn": "spawn",
    "multiprocessing.pool": "pool",
    "concurrent.futures.process": "futures",
    "multiprocessing.connection": "connection",
    "multiprocessing.queues": "queues",
    "multiprocessing.managers": "managers",
    "multiprocessing.synchronize": "synchronize",
    "multiprocessing.shared_memory": "shared_memory",
}
"""Module of the program -> module of ``mpdiag.probe.runtimes`` whose ``install(module, session)`` patches it."""


def install(session: Session) -> None:
    """Install the runtimes of what is imported already, and await the rest."""
    awaited = {}
    for name, runtime in RUNTIMES.items():
        module = sys.modules.get(name)
        if module is None:
            awaited[name] = runtime
        else:
            _apply(runtime, module, session)
    sys.meta_path.insert(0, Finder(awaited, session))


def _apply(runtime: str, module: ModuleType, session: Session) -> None:
    try:
        began = perf_counter_ns()
        with loading():
            installed = __import__("mpdiag.probe.runtimes." + runtime, fromlist=["install"])
        installed.install(module, session)
        session.book(began)
    except Exception as error:  # an unpatched module still works; the loss is reported
        session.fail("install " + runtime, error)


class Finder:
    """Finds nothing itself; sees to it that awaited modules are patched as soon as they have run."""

    def __init__(self, awaited: dict[str, str], session: Session) -> None:
        """Await the modules that are the keys of ``awaited``."""
        self._awaited = awaited
        self._session = session

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Give the real spec of an awaited module, prepared; None for all others."""
        if fullname not in self._awaited:
            return None
        finders: list[Any] = list(sys.meta_path)
        # Those before it have been asked, and may ask it.
        for finder in finders[finders.index(self) + 1 :] if self in finders else []:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                try:
                    self._prepare(spec, fullname)
                except Exception as error:  # an unusual loader: leave the module as it is
                    self._session.fail("await " + fullname, error)
                return spec
        return None

    def _prepare(self, spec: ModuleSpec, fullname: str) -> None:
        loader: Any = spec.loader
        execute = getattr(loader, "exec_module", None)
        if execute is None or isinstance(loader, type):  # built-in and frozen modules share one loader class
            return

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            execute(module)
            runtime = self._awaited.pop(fullname, None)
            if runtime is not None:
                _apply(runtime, module, self._session)
            if not self._awaited and self in sys.meta_path:
                sys.meta_path.remove(self)

        loader.exec_module = exec_module
