"""Recorded calls as the program writes them, changed for a snippet; None where the source does not tell."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mpdiag.wording.written import call_at, called

if TYPE_CHECKING:
    from mpdiag.model.run import Origin, Pool
    from mpdiag.wording.written import Written

LISTS = frozenset({"map", "starmap"})
"""Methods of a Pool that return a list."""
ITERATORS = frozenset({"imap", "imap_unordered"})
PAIR = 2
"""Arguments of a call: the function, and what it is called with."""
CLASSES = {"Pool": "Pool", "ProcessPoolExecutor": "ProcessPoolExecutor"}


class Moved(NamedTuple):
    """Work that moves into the workers: ``expression`` of ``variable``, and the statement that calls the pool then."""

    variable: str
    expression: str
    statement: str


class Kept(NamedTuple):
    """Something given with every task that goes to each worker once, and the statement without it."""

    given: str
    statement: str


def with_function(origin: Origin, function: str) -> str | None:
    """The statement with another function."""
    written = _call(origin)
    if written is None:
        return None
    written.call.args[0] = _name(function)
    return written.text()


def with_chunksize(pool: Pool, origin: Origin, chunksize: int) -> str | None:
    """The statement with this chunk size."""
    written = _call(origin)
    if written is None:
        return None
    call, size = written.call, ast.Constant(chunksize)
    if pool.kind == "Pool" and len(call.args) > PAIR:
        call.args[PAIR] = size
    else:
        _give(call, "chunksize", size)
    return written.text()


def as_loop(pool: Pool, origin: Origin) -> str | None:
    """The statement without the pool."""
    written = _call(origin)
    if written is None or len(written.call.args) < PAIR:
        return None
    function, *items = written.call.args
    if pool.kind != "Pool" or origin.method in ITERATORS:
        given = items if pool.kind != "Pool" else items[:1]
        written.put(ast.Call(_name("map"), [function, *given], []))
    elif origin.method in LISTS:
        single = origin.method == "map"
        item = _name("item" if single else "arguments")
        call = ast.Call(function, [item if single else ast.Starred(item)], [])
        written.put(ast.ListComp(call, [ast.comprehension(_name(item.id), items[0], [], 0)]))
    else:
        return None
    return written.text()


def making_items(origin: Origin, function: str) -> Moved | None:
    """How the items are made from others, one by one, and the statement that sends those to ``function``."""
    written = _call(origin)
    if written is None or len(written.call.args) < PAIR or origin.method.startswith("starmap"):
        return None
    call = written.call
    items = call.args[1]
    if isinstance(items, ast.Call) and called(items) == "map" and len(items.args) == PAIR:
        variable, source = "item", items.args[1]
        made: ast.expr = ast.Call(items.args[0], [_name(variable)], [])
    elif isinstance(items, ast.GeneratorExp | ast.ListComp) and (single := _single(items)):
        variable, source, made = single[0], single[1], items.elt
    else:
        return None
    if not written.known_everywhere(made, variable):
        return None
    call.args[0], call.args[1] = _name(function), source
    return Moved(variable, ast.unparse(made), written.text())


def using_results(origin: Origin, function: str) -> Moved | None:
    """What the parent makes of each result, and the statement when ``function`` does that in the worker."""
    written = _call(origin)
    if written is None:
        return None
    for node in ast.walk(written.statement):
        if isinstance(node, ast.GeneratorExp | ast.ListComp) and (single := _single(node)):
            variable, source = single
            if source is written.call and written.known_everywhere(node.elt, variable):
                written.call.args[0] = _name(function)
                lists = isinstance(node, ast.GeneratorExp) or origin.method in LISTS
                written.put(source if lists else ast.Call(_name("list"), [source], []), node)
                return Moved(variable, ast.unparse(node.elt), written.text())
    return None


def without_argument(origin: Origin, parameter: str, function: str) -> Kept | None:
    """A parameter's argument in a single call, and the statement that calls ``function`` without it."""
    written = _call(origin)
    if written is None:
        return None
    call = written.call
    names = written.parameters(called(ast.Call(call.args[0], [], [])))
    for keyword in call.keywords:
        if origin.method == "submit" and keyword.arg == parameter:
            call.keywords.remove(keyword)
            call.args[0] = _name(function)
            return Kept(ast.unparse(keyword.value), written.text())
    given = call.args[1:] if origin.method == "submit" else _elements(call)
    place = names.index(parameter) if parameter in names else len(given)
    if place >= len(given):
        return None
    argument = given.pop(place)
    call.args[0] = _name(function)
    call.args[1:] = given if origin.method == "submit" else [ast.Tuple(given, ast.Load()), *call.args[2:]]
    return Kept(ast.unparse(argument), written.text())


def plain_call(origin: Origin) -> str | None:
    """The call alone, as it is."""
    written = _call(origin)
    return ast.unparse(written.call) if written else None


def function_given(origin: Origin) -> str | None:
    """The function as the call names it, where a worker knows that name, too."""
    written = _call(origin)
    if written is None:
        return None
    function = written.call.args[0]
    named = isinstance(function, ast.Name | ast.Attribute) and written.known_everywhere(function)
    return ast.unparse(function) if named else None


def callable_given(origin: Origin) -> str | None:
    """The object whose method is given as the function, or else the function as it is given."""
    written = _call(origin)
    if written is None:
        return None
    function = written.call.args[0]
    return ast.unparse(function.value if isinstance(function, ast.Attribute) else function)


def creation(pool: Pool, keywords: dict[str, str]) -> str | None:
    """The statement that makes the pool, with these keyword arguments; values are source text."""
    written = call_at(pool.site, CLASSES.get(pool.kind, pool.kind))
    if written is None:
        return None
    for name, value in keywords.items():
        _give(written.call, name, ast.parse(value, mode="eval").body)
    return written.text()


def _call(origin: Origin) -> Written | None:
    """The recorded call, where it is given its function first and nothing is unpacked into it."""
    written = call_at(origin.site, origin.method)
    if written is None or not written.call.args or any(isinstance(one, ast.Starred) for one in written.call.args):
        return None
    return written


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _give(call: ast.Call, name: str, value: ast.expr) -> None:
    for keyword in call.keywords:
        if keyword.arg == name:
            keyword.value = value
            return
    call.keywords.append(ast.keyword(name, value))


def _single(node: ast.GeneratorExp | ast.ListComp) -> tuple[str, ast.expr] | None:
    """The variable and the iterable of a comprehension that has one of each and leaves nothing out."""
    (first, *more) = node.generators
    if more or first.ifs or first.is_async or not isinstance(first.target, ast.Name):
        return None
    return first.target.id, first.iter


def _elements(call: ast.Call) -> list[ast.expr]:
    """The arguments of an ``apply`` or ``apply_async``, given as a tuple."""
    given = call.args[1] if len(call.args) > 1 else None
    return list(given.elts) if isinstance(given, ast.Tuple) else []
