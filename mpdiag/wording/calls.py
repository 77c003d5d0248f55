"""The user's call, rewritten: Python text for a snippet.

Where the source file is at hand, it is the user's own statement, changed (``edits``). Else what the recording does not
know (the items, the pool's other arguments) is written ``...``, which is valid Python and reads "as before". Recorded
names may hold anything: what is no identifier is replaced by a plain word.
"""

from __future__ import annotations

import ast
from keyword import iskeyword
from textwrap import indent
from typing import TYPE_CHECKING

from mpdiag.wording import edits

if TYPE_CHECKING:
    from mpdiag.model.run import Origin, Pool

LONGEST = 60
"""Characters of a name in a snippet; a longer one says nothing and only breaks lines."""
SINGLE = frozenset({"apply", "apply_async", "submit", "run_in_executor"})
"""Methods that send one call each."""
MARGIN = 44
"""Column of the comments in a snippet, where the code leaves room."""


def identifier(name: str, otherwise: str) -> str:
    """Give the last part of a dotted name if it is an identifier, else ``otherwise``."""
    last = name.rpartition(":")[2].rpartition(".")[2]
    usable = last.isidentifier() and last.isascii() and not iskeyword(last) and len(last) <= LONGEST
    return last if usable else otherwise


def text_of(node: ast.expr) -> str:
    """Give an expression's text, ``...`` where it is long."""
    text = ast.unparse(node)
    return text if len(text) <= LONGEST and "\n" not in text else "..."


def constant(name: str, taken: frozenset[str] = frozenset()) -> tuple[str, str]:
    """Give a name for a parameter and one, not ``taken``, for the module's global that keeps it in a worker."""
    kept = identifier(name.lower(), "state")
    kept = kept if kept.upper() != kept else "state"
    return kept, f"WORKER_{kept.upper()}" if kept.upper() in taken else kept.upper()


def function_name(origin: Origin) -> str:
    """Give a plain name for the user's function, to make others of."""
    return identifier(origin.function, "function")


def function_text(origin: Origin) -> str:
    """Give the user's function as a function beside it calls it."""
    return edits.function_given(origin) or function_name(origin)


def class_name(origin: Origin) -> str:
    """Give the class whose method the user's function is; empty where it is no method of a named class."""
    owner, dot, _ = origin.function.rpartition(":")[2].rpartition(".")
    return identifier(owner, "") if dot else ""


def receiver(pool: Pool) -> str:
    """Give the variable that a snippet keeps this pool in."""
    return "pool" if pool.kind == "Pool" else "executor"


def call(pool: Pool, origin: Origin, function: str, chunksize: int = 0) -> str:
    """Give the recorded call with another function and, where it is not 0, this chunk size."""
    if origin.method == "run_in_executor":
        return f"loop.run_in_executor({receiver(pool)}, {function}, ...)"
    if origin.method in SINGLE:
        given = "..." if origin.method == "submit" else "(...,)"
        return f"{receiver(pool)}.{origin.method}({function}, {given})"
    sized = f", chunksize={chunksize}" if chunksize else ""
    return f"{receiver(pool)}.{identifier(origin.method, 'map')}({function}, ...{sized})"


def same_call(pool: Pool, origin: Origin, function: str) -> str:
    """Give the recorded call with another function; its chunk size where it must have been the user's."""
    written = edits.with_function(origin, function)
    if written:
        return whole(written)
    chosen = origin.chunksize if "map" in origin.method and origin.chunksize > 1 else 0
    by_default = pool.kind == "Pool" and not origin.method.startswith("imap")
    return call(pool, origin, function, 0 if by_default else chosen)


def chunked(pool: Pool, origin: Origin, chunksize: int) -> str:
    """Give the recorded call sending ``chunksize`` items in a message; calls of single items become a map."""
    if origin.method not in SINGLE:
        written = edits.with_chunksize(pool, origin, chunksize)
        return whole(written) if written else call(pool, origin, function_name(origin), chunksize)
    method = "imap" if pool.kind == "Pool" else "map"
    return f"{receiver(pool)}.{method}({function_name(origin)}, ..., chunksize={chunksize})"


def parameters(pool: Pool, origin: Origin) -> str:
    """Give what a function in this call's place takes: one item, or several arguments."""
    # An executor's map may take an item of each of several iterables.
    several = origin.method in SINGLE or origin.method.startswith("starmap") or pool.kind != "Pool"
    return "*arguments" if several else "item"


def creation(pool: Pool, *, source: bool = True, **more: str) -> str:
    """Give the statement that creates the pool, with ``more`` keyword arguments (source text); mostly a ``with``.

    It is the user's own where ``source`` allows that and the source file is at hand.
    """
    written = edits.creation(pool, more) if source else None
    if written:
        return written
    kind = "Pool" if pool.kind == "Pool" else "ProcessPoolExecutor"
    given = ", ".join(("...", *(f"{name}={value}" for name, value in more.items())))
    return f"with {kind}({given}) as {receiver(pool)}:"


def pooled(pool: Pool, origin: Origin, body: str | None, function: str, **more: str) -> str:
    """Give the creation of the pool with ``more`` keyword arguments, and the call: ``body``, or one of ``function``.

    Both are the user's statements or neither is: one would name what the other does not.
    """
    created = edits.creation(pool, more) if body else None
    if created is None or body is None:
        return block(creation(pool, source=False, **more), call(pool, origin, function))
    if edits.apart(pool, origin):
        function = identifier(origin.site.function, "")
        return f"{whole(created)}\n\n{beside(whole(body), f'in {function}()' if function else 'elsewhere')}"
    return block(created, whole(body))


def block(header: str, body: str) -> str:
    """Give a statement and what belongs into it, or after it where it has no body."""
    return f"{header}\n{indent(body, '    ') if header.endswith(':') else body}"


def plain(pool: Pool, origin: Origin) -> str:
    """Give the recorded call alone, without the statement around it."""
    return edits.plain_call(origin) or same_call(pool, origin, function_name(origin))


def whole(statement: str) -> str:
    """Give a statement that can be run: one with a body gets one."""
    return block(statement, "...") if statement.endswith(":") else statement


def beside(code: str, comment: str) -> str:
    """Give code with a comment beside its first line."""
    first, *rest = code.split("\n")
    return "\n".join((f"{first:<{MARGIN}}  # {comment}", *rest))
