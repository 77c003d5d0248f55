"""Importing the probe's own modules in a process that has no mpdiag."""

from __future__ import annotations

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, ClassVar


class loading:  # noqa: N801 - a context manager
    """Around every import of the probe's own, in any number of threads at once.

    The bytecode may be cached, whatever the program wants for its own: that saves a process some 5 ms. And the import
    system looks for the top-level package, which the program may not have and which must not stay.
    """

    # Reentrant, and counting before it saves and after it restores: a signal handler may come in between and load, too.
    lock: ClassVar[Any] = _thread.RLock()
    depth: ClassVar[int] = 0
    before: ClassVar[bool | None] = None
    lent: ClassVar[bool] = False
    parts: ClassVar[ModuleType | None] = None

    def __enter__(self) -> None:
        """Allow writing bytecode; lend the name."""
        with loading.lock:
            loading.depth += 1
            if loading.depth == 1:
                loading.before = sys.dont_write_bytecode
                sys.dont_write_bytecode = False
                loading.lent = "mpdiag" not in sys.modules
                if loading.lent:
                    sys.modules["mpdiag"] = type(sys)("mpdiag")

    def __exit__(self, *_: object) -> None:
        """Put both back when nobody loads any more."""
        with loading.lock:
            if loading.depth == 1:
                loading.restore()
            if loading.depth:  # else begun before a fork
                loading.depth -= 1

    @staticmethod
    def restore() -> None:
        """Put both back."""
        if loading.before is not None:
            sys.dont_write_bytecode, loading.before = loading.before, None
        if loading.lent:
            loading.lent = False
            sys.modules.pop("mpdiag", None)


def parts() -> ModuleType:
    """The module ``mpdiag.probe.parts``, which a program without large messages never needs."""
    known = loading.parts
    if known is None:
        # Not out of sys.modules, where a module is that another thread still executes: __import__ waits for it.
        with loading():
            known = __import__("mpdiag.probe.parts", fromlist=["parts"])
        loading.parts = known
    return known


def forked() -> None:
    """In a forked child, undo what other threads of the parent were loading: nobody will finish it here."""
    loading.lock = _thread.RLock()
    if not loading.depth:
        return
    loading.depth = 0
    loading.restore()
    # The import system's locks on them have gone with their threads and would be waited for without end.
    locks: Any = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", {})
    for name in [name for name in locks if name.startswith("mpdiag.")]:
        del locks[name]
    for name in [name for name in sys.modules if name.startswith("mpdiag.")]:
        if getattr(getattr(sys.modules[name], "__spec__", None), "_initializing", False):
            del sys.modules[name]
