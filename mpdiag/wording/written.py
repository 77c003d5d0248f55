"""The program's own text at a call: found in the source file by line and name, to be changed and written out again.

A recording knows names and lines; only the source knows what else a call is given. There is none where the file cannot
be read or parsed, or where the line holds no such call, or several: then a snippet says ``...`` instead.
"""

from __future__ import annotations

import ast
import builtins
import copy
import stat
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mpdiag.model.run import Site

LARGEST = 1 << 17
"""Bytes of a source file that is read: a path from a recording may lead anywhere, and the parser of CPython 3.10 does
not survive expressions of much more than 64,000 links (measured), of two characters at least."""
LONGEST = 300
"""Characters of a statement that is shown: a snippet is to be read at a glance."""
LONGEST_NAME = 40
"""Characters of an object's text in a snippet."""
SUBSCRIPTING = frozenset({"__getitem__", "__setitem__", "__delitem__"})
COMPOUND = (ast.With, ast.AsyncWith, ast.For, ast.AsyncFor, ast.While, ast.If)
SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Written:
    """A call, the innermost statement around it and the module around that: a copy, free to be changed."""

    module: ast.Module
    statement: ast.stmt
    call: ast.Call

    def put(self, expression: ast.expr, instead: ast.expr | None = None) -> None:
        """Put an expression in place of the call, or of one around it."""
        _Swap(instead or self.call, expression).visit(self.statement)

    def text(self) -> str:
        """The statement; of one that has a body, what is before it."""
        text = ast.unparse(self.statement)
        return text.rpartition("\n")[0] if isinstance(self.statement, COMPOUND) else text

    def known_everywhere(self, expression: ast.expr, *but: str) -> bool:
        """Whether an expression needs no names but ``but`` and what means the same in every process.

        That is what the module imports and defines, and its constants, unless the function around has its own.
        """
        own = self.names_of_function() - set(but)
        names_of_all = {*_defined(self.module.body), *dir(builtins)} - own
        return names(expression) <= names_of_all | set(but)

    def module_names(self) -> frozenset[str]:
        """The names that the module binds in every process."""
        return frozenset(_bound(self.module.body))

    def names_of_function(self) -> frozenset[str]:
        """The names that the function around the call binds; none at the top level."""
        scope = self._scope()
        return frozenset(_stored(scope)) if scope is not self.module else frozenset()

    def names_before(self) -> frozenset[str]:
        """The names that are bound before the call, in the function around it or in the module."""
        return frozenset(_stored(self._scope(), self.call.lineno)) | self.module_names() | frozenset(dir(builtins))

    def beside(self, other: Written) -> bool:
        """Whether both calls are in one function, or both at the top level of one module."""
        return self._scope() is other._scope()

    def _scope(self) -> ast.AST:
        around = [node for node in _at(self.module, self.call.lineno) if isinstance(node, SCOPES)]
        return max(around, key=lambda node: node.lineno, default=self.module)

    def parameters(self, function: str) -> list[str]:
        """The positional parameters of a function of this module; none where it does not define it."""
        for node in self.module.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
                return [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        return []


def call_at(site: Site, name: str) -> Written | None:
    """Find the call of ``name``, a method, function or class, at a site; None unless there is one and only one."""
    module = _module(site.file)
    try:
        return None if module is None else _found(module, site, name)
    except RecursionError:  # a statement of a thousand terms
        return None


def object_at(site: Site, names_of: frozenset[str]) -> str | None:
    """The name, dotted perhaps, of the object that a line uses: the one receiver of its methods of these names.

    What the line subscripts counts where ``__getitem__`` or another such method is among them. None where the line has
    no such object, or several, or one with a long name or none.
    """
    module = _module(site.file)
    if module is None:
        return None
    texts = set()
    for node in ast.walk(module):
        if getattr(node, "lineno", 0) != site.line:
            continue
        if isinstance(node, ast.Attribute) and node.attr in names_of:
            texts.add(_dotted(node.value))
        elif isinstance(node, ast.Subscript) and names_of & SUBSCRIPTING:
            texts |= {_dotted(node.value)} - {""}  # of a part of what another subscript gave, that one tells
    text = texts.pop() if len(texts) == 1 else ""
    return text if 0 < len(text) <= LONGEST_NAME else None


def _dotted(expression: ast.expr) -> str:
    """The text of a name or of an attribute of one; empty for anything else."""
    parts = []
    while isinstance(expression, ast.Attribute):
        parts.append(expression.attr)
        expression = expression.value
    return ".".join((expression.id, *reversed(parts))) if isinstance(expression, ast.Name) else ""


def _found(module: ast.Module, site: Site, name: str) -> Written | None:
    calls = [node for node in _at(module, site.line) if isinstance(node, ast.Call) and called(node) == name]
    # Before a function of the same name, as the builtin map, comes the method of some object.
    found = [call for call in calls if isinstance(call.func, ast.Attribute)] or calls
    if len(found) != 1:
        return None
    if any(found[0] in ast.walk(node) for node in _at(module, site.line) if isinstance(node, ast.JoinedStr)):
        return None  # a format string may say "=" after it, and shows its own text
    around = (node for node in _at(module, site.line) if isinstance(node, ast.stmt))
    statement = min((node for node in around if found[0] in ast.walk(node)), key=_length)
    if isinstance(statement, SCOPES):
        return None
    written = Written(module, *copy.deepcopy((_header(statement), found[0])))
    return written if len(written.text()) <= LONGEST else None


def _header(statement: ast.stmt) -> ast.stmt:
    """A statement without its body, which may be the whole program."""
    if not isinstance(statement, COMPOUND):
        return statement
    header = copy.copy(statement)
    header.body = [ast.Pass()]
    if not isinstance(header, ast.With | ast.AsyncWith):
        header.orelse = []
    return header


def names(expression: ast.AST) -> frozenset[str]:
    """The names that an expression needs, its own variables among them."""
    return frozenset(node.id for node in ast.walk(expression) if isinstance(node, ast.Name))


def called(call: ast.Call) -> str:
    """The last name of what is called; empty where it has none."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _length(node: ast.stmt) -> tuple[int, int]:
    """Lines, and characters of the last; of statements around one call the innermost has the least."""
    return (node.end_lineno or node.lineno) - node.lineno, (node.end_col_offset or 0) - node.col_offset


def _at(module: ast.Module, line: int) -> Iterator[ast.stmt | ast.expr]:
    """The calls, format strings and statements that span a line."""
    return (node for node in _spanning(module) if node.lineno <= line <= (node.end_lineno or node.lineno))


@lru_cache(maxsize=32)
def _spanning(module: ast.Module) -> tuple[ast.stmt | ast.expr, ...]:
    return tuple(node for node in ast.walk(module) if isinstance(node, ast.stmt | ast.Call | ast.JoinedStr))


def _module(file: str) -> ast.Module | None:
    """Parse a source file; None where that is not possible."""
    try:
        what = Path(file).stat()
        if not stat.S_ISREG(what.st_mode) or what.st_size > LARGEST:
            return None
        return _parsed(file, what.st_mtime_ns, what.st_size)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=32)
def _parsed(file: str, _changed: int, _size: int) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a doubtful escape is the program's own affair
        return ast.parse(Path(file).read_bytes())


def _bound(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """The names that a module's statements bind, but those under ``if __name__``, which a spawned worker skips."""
    for statement in statements:
        if isinstance(statement, SCOPES):
            yield statement.name
        elif isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test):
            yield from _bound(statement.orelse)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
        else:
            stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
            yield from (node.id for node in stored if isinstance(node.ctx, ast.Store))


def _defined(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Of the names that a module binds, those that do not change while it runs, as far as one can see."""
    for statement in statements:
        if isinstance(statement, SCOPES | ast.Import | ast.ImportFrom):
            yield from _bound([statement])
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from (name for name in _bound([statement]) if name.isupper())
        elif isinstance(statement, ast.If | ast.Try):
            inner = [*statement.body, *statement.orelse]
            yield from _defined(inner) if "__name__" not in ast.dump(statement) else ()


def _stored(scope: ast.AST, before: float = float("inf")) -> Iterator[str]:
    """The names that a function, or a module, binds on lines before one."""
    for node in ast.walk(scope):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno < before:
            yield node.id


class _Swap(ast.NodeTransformer):
    """Puts one node in place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        """Give what stands in this node's place."""
        return self._new if node is self._old else self.generic_visit(node)
