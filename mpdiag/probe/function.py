"""The user's function behind what a pool sends: partials and bound methods unwrapped. Runs no code of the program."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEPTH = 8
"""Layers of wrapping looked through."""


class _Sample:
    def method(self) -> None:
        """Be a bound method, for its type."""


# Types are compared with ``type(x)``: isinstance asks ``x.__class__``, and lazy objects then evaluate themselves.
FUNCTION: Any = type(_Sample.method)
METHOD: Any = type(_Sample().method)
BUILTIN = type(len)
DESCRIPTORS = (type(str.upper), type(int.__add__))
"""Methods of built-in types, not bound: ``str.upper``."""


def is_partial(called: Any) -> bool:
    """Whether this is a ``functools.partial``; without functools imported nothing is."""
    functools = sys.modules.get("functools")
    return functools is not None and issubclass(type(called), functools.partial)


def unwrap(called: Any) -> Any:
    """The innermost callable under partials and bound methods."""
    for _ in range(DEPTH):
        if is_partial(called):
            called = called.func
        elif type(called) is METHOD:
            called = called.__func__
        else:
            break
    return called


def name(called: Any) -> str:
    """``module:qualname`` of the user's function behind ``called``; for a callable instance, of its class.

    The main module, which a spawned child knows as ``__mp_main__``, has one name in all processes.
    """
    inner = unwrap(called)
    kind = type(inner)
    if kind in DESCRIPTORS:
        return f"{inner.__objclass__.__module__}:{inner.__qualname__}"
    if kind is not FUNCTION and kind is not BUILTIN and not issubclass(kind, type):
        inner = kind
    module = inner.__module__ or "?"
    return f"{'__main__' if module == '__mp_main__' else module}:{inner.__qualname__}"


def name_or_none(called: Any) -> str:
    """``name(called)``, or nothing for None."""
    return "" if called is None else name(called)


def parameters(called: Any) -> tuple[str, ...]:
    """Names of the positional parameters of the function that ``called`` ends in; empty where unknown."""
    inner = unwrap(called)
    if type(inner) is not FUNCTION:
        return ()
    code = inner.__code__
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    return names


def own_parameters(called: Any) -> tuple[str, ...]:
    """``parameters`` without the one that a bound method fills: what a partial's arguments are named after."""
    names = parameters(called)
    for _ in range(DEPTH):
        if not is_partial(called):
            break
        called = called.func
    return names[1:] if type(called) is METHOD else names


def filled(called: Any) -> int:
    """Positional parameters that are taken before an item's own: partials' arguments and ``self``."""
    count = 0
    for _ in range(DEPTH):
        if is_partial(called):
            count += len(called.args)
            called = called.func
        elif type(called) is METHOD:
            return count + 1
        else:
            break
    return count


def state(owner: Any) -> dict[str, Any]:
    """The instance attributes of ``owner`` as they lie there; empty for functions, classes and slotted objects."""
    if type(owner) is FUNCTION or issubclass(type(owner), type):
        return {}
    try:
        found = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}
