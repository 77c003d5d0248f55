"""A copy of the probe in which any one function can be made to fail; the probe itself has no such switch.

The environment of a process says which: FAULT=module:qualname, at its every call but the first FAULT_AFTER. FAULT=none
has every call noted in the file FAULT_LOG.
"""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import mpdiag

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(mpdiag.__file__).parent
FAULT = """\
import os as _os, sys as _sys
_fault = _os.environ.get("FAULT")
if _fault == {name!r}:
    _sys._calls = getattr(_sys, "_calls", 0) + 1
    if _sys._calls > int(_os.environ.get("FAULT_AFTER", "0")):
        raise RuntimeError("injected")
elif _fault == "none":
    _log = _os.open(_os.environ["FAULT_LOG"], _os.O_WRONLY | _os.O_APPEND | _os.O_CREAT)
    _os.write(_log, {name!r}.encode() + b"\\n")
    _os.close(_log)
"""


def faulty_copy(directory: Path) -> list[str]:
    """Copy the probe and the wire format into ``directory``/mpdiag; the names of what can fail: ``module:qualname``."""
    names: list[str] = []
    for part in ("probe", "wire"):
        shutil.copytree(
            PACKAGE / part, directory / "mpdiag" / part, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    for path in sorted((directory / "mpdiag").rglob("*.py")):
        if path.name == "sitecustomize.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = ".".join(path.relative_to(directory / "mpdiag").with_suffix("").parts)
        for qualname, function in functions(tree):
            name = f"{module}:{qualname}"
            function.body[:0] = ast.parse(FAULT.format(name=name)).body
            names.append(name)
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
    return names


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Give a module's functions and its classes' methods; what is nested in them wraps the program's own functions."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            yield statement.name, statement
        elif isinstance(statement, ast.ClassDef):
            for inner in statement.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{statement.name}.{inner.name}", inner
