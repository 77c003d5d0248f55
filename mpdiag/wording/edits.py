"""Recorded calls as the program writes them, changed for a snippet; None where the source does not tell how.

A statement is rewritten only where its shape is known: the function comes first, nothing is unpacked into the call, no
keyword goes to the user's function, and what moves elsewhere needs no name that is not known there.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mpdiag.wording.written import call_at, called, names

if TYPE_CHECKING:
    from mpdiag.model.run import Origin, Pool
    from mpdiag.wording.written import Written

MAPS = frozenset({"map", "imap", "imap_unordered", "map_async"})
"""Methods that call the function with one item (an executor's map: with one of each iterable)."""
LISTS = frozenset({"map", "starmap"})
"""Methods of a Pool that return a list."""
ITERATORS = frozenset({"imap", "imap_unordered"})
CALLS = frozenset({"apply", "apply_async"})
OWN = frozenset({"chunksize", "timeout", "callback", "error_callback"})
"""Keyword arguments of the methods themselves; others go to the user's function."""
TAKE_ANY = frozenset(
    {"all", "any", "dict", "enumerate", "list", "max", "min", "set", "sorted", "sum", "tuple", "Counter"}
)
"""What takes any iterable: a list will do in place of a generator."""
PAIR = 2
"""Arguments of a call: the function, and what it is called with."""
INITIALIZER = {"Pool": 1, "ProcessPoolExecutor": 2}
"""Where the initialiser stands among the positional arguments, by kind of pool."""


class Moved(NamedTuple):
    """Work that moves into the workers: ``expression`` of ``variable``, and the statement that calls the pool then."""

    variable: str
    expression: str
    statement: str


class Given(NamedTuple):
    """A callable as the call gives it: ``owner`` says that it is the object whose method is called."""

    text: str
    owner: bool


class Kept(NamedTuple):
    """Something given with every task that goes to each worker once, and the statement without it.

    ``parameters`` are those that are left, in order; ``place`` is where the argument was among them.
    """

    given: str
    parameters: tuple[str, ...]
    place: int
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
    if written is None or len(written.call.args) < PAIR or origin.method not in LISTS | ITERATORS:
        return None
    function, *items = written.call.args
    if pool.kind != "Pool" or origin.method in ITERATORS:
        given = items if pool.kind != "Pool" else items[:1]
        written.put(ast.Call(_name("map"), [function, *given], []))
    else:
        single = origin.method == "map"
        item = _name(_fresh("item" if single else "arguments", names(function)))
        call = ast.Call(function, [item if single else ast.Starred(item)], [])
        written.put(ast.ListComp(call, [ast.comprehension(_name(item.id), items[0], [], 0)]))
    return written.text()


def making_items(pool: Pool, origin: Origin, function: str) -> Moved | None:
    """How the items are made from others, one by one, and the statement that sends those to ``function``."""
    written = _call(origin)
    if written is None or origin.method not in MAPS or not _one_iterable(pool, written.call):
        return None
    call = written.call
    items = call.args[1]
    if isinstance(items, ast.Call) and called(items) == "map" and len(items.args) == PAIR and not items.keywords:
        variable, source = _fresh("item", names(items.args[0])), items.args[1]
        made: ast.expr = ast.Call(items.args[0], [_name(variable)], [])
    elif isinstance(items, ast.GeneratorExp | ast.ListComp) and (single := _single(items)):
        variable, source, made = single[0], single[1], items.elt
    else:
        return None
    if variable in names(call.args[0]) or not written.known_everywhere(made, variable):
        return None
    if not written.known_everywhere(call.args[0]):
        return None
    call.args[0], call.args[1] = _name(function), source
    return Moved(variable, ast.unparse(made), written.text())


def using_results(pool: Pool, origin: Origin, function: str) -> Moved | None:
    """What the parent makes of each result, and the statement when ``function`` does that in the worker."""
    written = _call(origin)
    if written is None or origin.method not in LISTS | ITERATORS or not _one_iterable(pool, written.call):
        return None
    if not written.known_everywhere(written.call.args[0]):
        return None
    for node in ast.walk(written.statement):
        if isinstance(node, ast.GeneratorExp | ast.ListComp) and (single := _single(node)):
            variable, source = single
            if source is not written.call or variable in names(written.call.args[0]):
                continue
            if isinstance(node.elt, ast.Name) or not written.known_everywhere(node.elt, variable):
                continue
            if isinstance(node, ast.GeneratorExp) and not _taken_whole(written, node):
                continue
            written.call.args[0] = _name(function)
            as_it_is = isinstance(node, ast.GeneratorExp) or (pool.kind == "Pool" and origin.method in LISTS)
            written.put(source if as_it_is else ast.Call(_name("list"), [source], []), node)
            return Moved(variable, ast.unparse(node.elt), written.text())
    return None


def without_argument(pool: Pool, origin: Origin, parameter: str, function: str) -> Kept | None:
    """A parameter's argument in a call of single tasks, and the statement that calls ``function`` without it."""
    written = _call(origin)
    if written is None or origin.method not in CALLS | {"submit"}:
        return None
    call = written.call
    if not isinstance(call.args[0], ast.Name):
        return None  # a partial's or a method's arguments are not all here
    known = written.parameters(origin.function.rpartition(":")[2])
    given = call.args[1:] if origin.method == "submit" else _elements(call)
    place = known.index(parameter) if parameter in known else len(given)
    if place >= len(given) or len(given) > len(known):
        return None
    argument = given.pop(place)
    if not _reaches(pool, written, argument):
        return None
    call.args[0] = _name(function)
    call.args[1:] = given if origin.method == "submit" else [ast.Tuple(given, ast.Load())]
    left = [name for name in known[: len(given) + 1] if name != parameter]
    return Kept(ast.unparse(argument), tuple(left), place, written.text())


def plain_call(origin: Origin) -> str | None:
    """The call alone, as it is."""
    written = _call(origin)
    return ast.unparse(written.call) if written else None


def function_given(origin: Origin) -> str | None:
    """The function as the call gives it, where a worker knows all its names, too."""
    written = _call(origin)
    if written is None:
        return None
    function = written.call.args[0]
    return ast.unparse(function) if written.known_everywhere(function) else None


def callable_given(pool: Pool, origin: Origin) -> Given | None:
    """The object whose method is given as the function, or else the function as given, if it is there with the pool."""
    written = _call(origin)
    if written is None:
        return None
    function = written.call.args[0]
    owner, dot, method = origin.function.rpartition(":")[2].rpartition(".")
    of_object = bool(dot and owner) and isinstance(function, ast.Attribute) and function.attr == method
    given = function.value if isinstance(function, ast.Attribute) and of_object else function
    return Given(ast.unparse(given), of_object) if _reaches(pool, written, given) else None


def creation(pool: Pool, keywords: dict[str, str]) -> str | None:
    """The statement that makes the pool, with these keyword arguments; values are source text.

    None where it has another initialiser already.
    """
    written = call_at(pool.site, pool.kind)
    if written is None or _unpacks(written.call):
        return None
    call = written.call
    if "initializer" in keywords:
        already = {one.arg: ast.unparse(one.value) for one in call.keywords}.get("initializer", keywords["initializer"])
        if len(call.args) > INITIALIZER.get(pool.kind, 0) or already != keywords["initializer"]:
            return None
    for name, value in keywords.items():
        _give(call, name, ast.parse(value, mode="eval").body)
    return written.text()


def taken_names(origin: Origin) -> frozenset[str]:
    """The names that the module of a call has already."""
    written = call_at(origin.site, origin.method)
    return written.module_names() if written else frozenset()


def _call(origin: Origin) -> Written | None:
    """The recorded call, where its shape is known and it still is about the recorded function."""
    written = call_at(origin.site, origin.method)
    if written is None or not written.call.args or _unpacks(written.call):
        return None
    call = written.call
    if any(keyword.arg not in OWN for keyword in call.keywords):
        return None
    if origin.method in CALLS and (len(call.args) > PAIR or not isinstance(call.args[-1], ast.Tuple)):
        return None
    if origin.method not in MAPS | LISTS | CALLS | {"starmap_async", "submit"}:
        return None
    given = names(call.args[0]) | {node.attr for node in ast.walk(call.args[0]) if isinstance(node, ast.Attribute)}
    named = origin.function.rpartition(":")[2].rpartition(".")[2]
    return written if named in given else None


def _unpacks(call: ast.Call) -> bool:
    """Whether arguments are unpacked into a call, or named in the middle of it: then nothing is known for sure."""
    if any(keyword.arg is None for keyword in call.keywords):
        return True
    return any(isinstance(one, ast.Starred) for one in call.args) or any(
        isinstance(node, ast.NamedExpr) for node in ast.walk(call)
    )


def apart(pool: Pool, origin: Origin) -> bool:
    """Whether the pool is made in another function than the call, as far as the source tells."""
    made, written = call_at(pool.site, pool.kind), call_at(origin.site, origin.method)
    return made is not None and written is not None and not made.beside(written)


def _reaches(pool: Pool, written: Written, value: ast.expr) -> bool:
    """Whether a value of a call's is there already where the pool is made: in the same function, bound before."""
    made = call_at(pool.site, pool.kind)
    return made is not None and made.beside(written) and names(value) <= made.names_before()


def _one_iterable(pool: Pool, call: ast.Call) -> bool:
    """Whether a map-like call takes its items from one iterable; what follows it is a Pool's chunk size."""
    return len(call.args) == PAIR or (pool.kind == "Pool" and len(call.args) > PAIR)


def _taken_whole(written: Written, node: ast.expr) -> bool:
    """Whether a generator goes straight into what takes any iterable."""
    around = (one for one in ast.walk(written.statement) if isinstance(one, ast.Call) and node in one.args)
    return any(called(one) in TAKE_ANY for one in around)


def _fresh(name: str, taken: frozenset[str]) -> str:
    return name if name not in taken else f"each_{name}"


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
