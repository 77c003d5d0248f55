"""The only place that sets an attribute of somebody else's class or module; remembers what it set and can undo it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

KEPT = ("__module__", "__name__", "__qualname__", "__doc__")
"""Pickling by reference, ``inspect`` and tracebacks must see the original's names."""


def disguise(wrapper: Any, original: Any) -> Any:
    """Give ``wrapper`` the names of ``original``, as ``functools.wraps`` would, without importing functools."""
    for name in KEPT:
        value = getattr(original, name, None)
        if value is not None:
            setattr(wrapper, name, value)
    wrapper.__wrapped__ = original
    return wrapper


def genuine(method: Any, module: Any) -> bool:
    """Whether ``module`` itself defined this function or method: what somebody put in its place must be called."""
    return getattr(getattr(method, "__func__", method), "__globals__", None) is vars(module)


class Patches:
    """The patches of one session."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Set ``owner.name`` to ``make(original)``, in place, keeping its kind (function, static or class method).

        Raises AttributeError where ``owner`` does not define ``name`` itself: a version that we do not know.
        """
        raw = vars(owner).get(name)
        if raw is None:
            message = f"{owner.__name__}.{name} does not exist in this version"
            raise AttributeError(message)
        if isinstance(raw, (staticmethod, classmethod)):
            wrapper = type(raw)(disguise(make(raw.__func__), raw.__func__))
        else:
            wrapper = disguise(make(raw), raw)
        self._made.append((owner, name, raw))
        setattr(owner, name, wrapper)

    def undo(self) -> None:
        """Put back every original on the very object that was patched, newest first."""
        while self._made:
            owner, name, raw = self._made.pop()
            setattr(owner, name, raw)
