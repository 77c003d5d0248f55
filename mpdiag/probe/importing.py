"""What the start-up of a spawned process is spent on: the imports of the program's module and of what it is given.

No frame of ours may lie in an import: a traceback of one that fails would show it. So a spec of a subclass tells when
the import system begins and ends to initialise its module, which it does by setting an attribute.
"""

from __future__ import annotations

import _thread
import sys
from time import perf_counter_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mpdiag.probe.recorder import Recorder

LEAST_NS = 2_000_000
"""Imports that take less are no cause of a slow start."""
MOST = 40
"""Imports recorded of a process, the longest ones."""


class Stopwatch:
    """Times the imports of one thread from when it is made until ``stop``."""

    def __init__(self) -> None:
        """Begin; the thread that makes it is the one that is watched."""
        self.began = perf_counter_ns()
        self.found: list[tuple[int, int, int, str]] = []
        """Of each import: its whole time, its own, when it began (ns), its name."""
        self._stack: list[list[Any]] = []
        self._thread = _thread.get_ident()
        self._spec = _timed_spec(self)
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Give the real spec, made to tell when its module is initialised."""
        finders: list[Any] = list(sys.meta_path)
        # Those before it have been asked, and may ask it.
        for finder in finders[finders.index(self) + 1 :] if self in finders else []:
            find = getattr(finder, "find_spec", None)
            spec = None if find is None else find(fullname, path, target)
            if spec is not None:
                if type(spec) is type(sys.__spec__) and _thread.get_ident() == self._thread:
                    spec.__class__ = self._spec
                return spec
        return None

    def begin(self, name: str) -> None:
        """The module of this name is being initialised from now on."""
        self._stack.append([name, perf_counter_ns(), 0])

    def end(self, name: str) -> None:
        """It has been initialised, or failed."""
        if not self._stack or self._stack[-1][0] != name:
            return
        _, began, inner = self._stack.pop()
        spent = perf_counter_ns() - began
        if self._stack:
            self._stack[-1][2] += spent
        if spent >= LEAST_NS:
            self.found.append((spent, spent - inner, began, name))

    def cancel(self) -> None:
        """Watch no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def stop(self, recorder: Recorder, now: int) -> None:
        """Record what was found; the process is ready ``now``."""
        self.cancel()
        text = recorder.text
        recorder.put("stage", self.began, now - self.began, 0, text("main"), text("stage"))
        for spent, own, began, name in sorted(self.found, reverse=True)[:MOST]:
            recorder.put("stage", began, spent, own, text(name), text("module"))


def _timed_spec(watch: Stopwatch) -> type:
    plain: Any = type(sys.__spec__)

    class TimedSpec(plain):  # type: ignore[misc]
        """A module's spec while it is being initialised; afterwards it is of its own class again."""

        @property
        def _initializing(self) -> bool:
            return bool(self.__dict__.get("_initializing", False))

        @_initializing.setter
        def _initializing(self, value: bool) -> None:
            self.__dict__["_initializing"] = value
            if value:
                watch.begin(self.name)
            else:
                self.__class__ = plain
                watch.end(self.name)

    return TimedSpec


class Mains(list):  # type: ignore[type-arg]
    """Stands for ``spawn.old_main_modules``, to which a child appends just before it imports the program's module."""

    def __init__(self, session: Any, modules: list[Any]) -> None:
        """Hold what is there already."""
        list.__init__(self, modules)
        self._session = session

    def append(self, module: Any) -> None:
        """Take the module, and begin to watch the imports."""
        list.append(self, module)
        try:
            if self._session.recorder is not None and self._session.imports is None:
                self._session.imports = Stopwatch()
        except Exception as error:
            self._session.fail("imports of a spawned process", error)
