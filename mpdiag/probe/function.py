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
GETSET = type(FUNCTION.__code__)
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
    if kind is DESCRIPTORS[0] or kind is DESCRIPTORS[1]:
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
    kind = type(owner)
    if kind is FUNCTION or issubclass(kind, type) or not is_ordinary(kind):
        return {}
    for base in kind.__mro__:
        if "__dict__" in base.__dict__:
            if type(base.__dict__["__dict__"]) is not GETSET:
                return {}  # a property of the program's, say
            found = object.__getattribute__(owner, "__dict__")
            return found if type(found) is dict else {}
    return {}


def is_ordinary(kind: type) -> bool:
    """Whether to ask, hash or compare ``kind`` runs no code of the program: it has no metaclass of the program's."""
    meta = type(kind)
    return meta is type or meta is getattr(sys.modules.get("abc"), "ABCMeta", None)


def is_bare(kind: type) -> bool:
    """Whether an instance of ``kind`` is nothing but its attributes: it has no slots and no built-in type's content."""
    if not is_ordinary(kind) or kind.__itemsize__ or kind.__basicsize__ > _Sample.__basicsize__:
        return False
    if kind.__dictoffset__ == 0:
        return False
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        if type(slots) is not tuple or slots:
            return False
    return True


def is_stateless(called: Any) -> bool:
    """Whether ``called``, no partial, goes by its name alone."""
    kind = type(called)
    if kind is BUILTIN:
        return called.__self__ is None or type(called.__self__) is type(sys)
    return kind is FUNCTION or kind is DESCRIPTORS[0] or kind is DESCRIPTORS[1] or issubclass(kind, type)
