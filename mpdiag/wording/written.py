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

LARGEST = 1 << 20
"""Bytes of a source file that is read: a path from a recording may lead anywhere."""
LONGEST = 300
"""Characters of a statement that is shown: a snippet is to be read at a glance."""
COMPOUND = (ast.With, ast.AsyncWith, ast.For, ast.AsyncFor, ast.While, ast.If)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Written:
    """A call, the innermost statement around it and the module around that: a copy, free to be changed."""

    module: ast.Module
    statement: ast.stmt
    call: ast.Call

    def put(self, expression: ast.expr, instead: ast.expr | None = None) -> None:
        """Put an expression in place of the call, or of one around it."""
        _Swap(instead or self.call, expression).visit(self.statement)

    def around(self) -> ast.expr | ast.comprehension | None:
        """The node that the call is a part of, if it is an expression or a ``for`` of a comprehension."""
        for node in ast.walk(self.statement):
            if any(child is self.call for child in ast.iter_child_nodes(node)):
                return node if isinstance(node, ast.expr | ast.comprehension) else None
        return None

    def text(self) -> str:
        """The statement; of one that has a body, what is before it."""
        if isinstance(self.statement, COMPOUND):
            self.statement.body = [ast.Pass()]
            if not isinstance(self.statement, ast.With | ast.AsyncWith):
                self.statement.orelse = []
            return ast.unparse(self.statement).rpartition("\n")[0]
        return ast.unparse(self.statement)

    def known_everywhere(self, expression: ast.expr, *but: str) -> bool:
        """Whether an expression needs no names but those of the module, which a worker has, too, and ``but``."""
        used = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
        return used <= {*_bound(self.module.body), *dir(builtins), *but}

    def parameters(self, function: str) -> list[str]:
        """The positional parameters of a function of this module; none where it does not define it."""
        for node in self.module.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
                return [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        return []


def call_at(site: Site, name: str) -> Written | None:
    """Find the call of ``name``, a method, function or class, at a site; None unless there is one and only one."""
    module = _module(site.file)
    if module is None:
        return None
    calls = [node for node in _at(module, site.line) if isinstance(node, ast.Call) and called(node) == name]
    # Before a function of the same name, as the builtin map, comes the method of some object.
    found = [call for call in calls if isinstance(call.func, ast.Attribute)] or calls
    if len(found) != 1:
        return None
    around = (node for node in _at(module, site.line) if isinstance(node, ast.stmt))
    statement = min((node for node in around if found[0] in ast.walk(node)), key=_length)
    if isinstance(statement, SCOPES):
        return None
    written = Written(module, *copy.deepcopy((statement, found[0])))
    return written if len(written.text()) <= LONGEST else None


def called(call: ast.Call) -> str:
    """The last name of what is called; empty where it has none."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _length(node: ast.stmt) -> tuple[int, int]:
    """Lines, and characters of the last; of statements around one call the innermost has the least."""
    return (node.end_lineno or node.lineno) - node.lineno, (node.end_col_offset or 0) - node.col_offset


def _at(module: ast.Module, line: int) -> Iterator[ast.AST]:
    """The nodes that span a line."""
    for node in ast.walk(module):
        first = getattr(node, "lineno", None)
        if first is not None and first <= line <= (getattr(node, "end_lineno", None) or first):
            yield node


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


class _Swap(ast.NodeTransformer):
    """Puts one node in place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        """Give what stands in this node's place."""
        return self._new if node is self._old else self.generic_visit(node)
