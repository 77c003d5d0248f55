"""The user's call, rewritten: Python text for a snippet, made of nothing but names that are identifiers.

What the recording does not know (the items, the pool's other arguments) is written ``...``, which is valid Python and
reads "as before". Names come from the program and may hold anything: what is no identifier is replaced by a plain word.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpdiag.model.run import Origin, Pool

LONGEST = 60
"""Characters of a name in a snippet; a longer one says nothing and only breaks lines."""
SINGLE = frozenset({"apply", "apply_async", "submit"})
"""Methods that send one call each."""
MARGIN = 44
"""Column of the comments in a snippet, where the code leaves room."""


def identifier(name: str, otherwise: str) -> str:
    """Give the last part of a dotted name if it is an identifier, else ``otherwise``."""
    last = name.rpartition(":")[2].rpartition(".")[2]
    usable = last.isidentifier() and last.isascii() and not iskeyword(last) and len(last) <= LONGEST
    return last if usable else otherwise


def constant(name: str) -> tuple[str, str]:
    """Give a name for a parameter and one for the module's global that keeps it in a worker."""
    kept = identifier(name.lower(), "state")
    return (kept, kept.upper()) if kept.upper() != kept else ("state", "STATE")


def function_name(origin: Origin) -> str:
    """Give the user's function as a snippet names it."""
    return identifier(origin.function, "function")


def class_name(origin: Origin) -> str:
    """Give the class whose method the user's function is; empty where it is no method of a named class."""
    owner, dot, _ = origin.function.rpartition(":")[2].rpartition(".")
    return identifier(owner, "") if dot else ""


def receiver(pool: Pool) -> str:
    """Give the variable that a snippet keeps this pool in."""
    return "pool" if pool.kind == "Pool" else "executor"


def call(pool: Pool, origin: Origin, function: str, chunksize: int = 0) -> str:
    """Give the recorded call with another function and, where it is not 0, this chunk size."""
    if origin.method in SINGLE:
        given = "..." if origin.method == "submit" else "(...,)"
        return f"{receiver(pool)}.{origin.method}({function}, {given})"
    sized = f", chunksize={chunksize}" if chunksize else ""
    return f"{receiver(pool)}.{identifier(origin.method, 'map')}({function}, ...{sized})"


def same_call(pool: Pool, origin: Origin, function: str) -> str:
    """Give the recorded call with another function; its chunk size where it must have been the user's."""
    chosen = origin.chunksize if "map" in origin.method and origin.chunksize > 1 else 0
    by_default = pool.kind == "Pool" and not origin.method.startswith("imap")
    return call(pool, origin, function, 0 if by_default else chosen)


def chunked(pool: Pool, origin: Origin, chunksize: int) -> str:
    """Give the recorded call sending ``chunksize`` items in a message; calls of single items become a map."""
    if origin.method not in SINGLE:
        return call(pool, origin, function_name(origin), chunksize)
    method = "imap" if pool.kind == "Pool" else "map"
    return f"{receiver(pool)}.{method}({function_name(origin)}, ..., chunksize={chunksize})"


def parameters(origin: Origin) -> str:
    """Give what a function in this call's place takes: one item, or several arguments."""
    return "*arguments" if origin.method in SINGLE or origin.method.startswith("starmap") else "item"


def creation(pool: Pool, more: str = "") -> str:
    """Give the ``with`` line that creates the pool, with ``more`` keyword arguments."""
    kind = "Pool" if pool.kind == "Pool" else "ProcessPoolExecutor"
    return f"with {kind}({', '.join(part for part in ('...', more) if part)}) as {receiver(pool)}:"


def beside(code: str, comment: str) -> str:
    """Give a line of code with a comment beside it."""
    return f"{code:<{MARGIN}}  # {comment}"
