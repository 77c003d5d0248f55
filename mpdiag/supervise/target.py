"""From what the user typed to what is executed: a Python script or module, or any command."""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mpdiag.errors import MpdiagError
from mpdiag.supervise.interpreter import with_shebang

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON_SUFFIXES = (".py", ".pyw", ".pyc", ".pyz")
SHEBANG_LIMIT = 256
"""Bytes of a script's first line that the kernel reads (BINPRM_BUF_SIZE)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A program to run: the file to execute, its argument vector, and the words the user typed for it."""

    executable: str
    arguments: tuple[str, ...]
    typed: tuple[str, ...]

    def interpreted(self) -> list[str]:
        """The argument vector as the kernel sees it, a script's ``#!`` line included."""
        if self.arguments[0] != self.typed[0]:
            return list(self.arguments)
        try:
            with Path(self.executable).open("rb") as file:
                return with_shebang(self.arguments, file.readline(SHEBANG_LIMIT))
        except OSError:
            # Executable but not readable: it cannot be a script.
            return list(self.arguments)


def resolve(words: Sequence[str], python: str) -> Target:
    """Decide what ``mpdiag run WORDS`` executes; ``python`` runs whatever is Python.

    Raises MpdiagError, one line, when there is nothing to execute.
    """
    if not words:
        message = "no program given; write: mpdiag run script.py, or: mpdiag run -m module"
        raise MpdiagError(message)
    if _is_for_python(words):
        return Target(_interpreter(python), (python, *words), tuple(words))
    return Target(_command(words[0]), tuple(words), tuple(words))


def _is_for_python(words: Sequence[str]) -> bool:
    first = words[0]
    if first in {"-m", "-c"} and len(words) == 1:
        what = "a module's name" if first == "-m" else "the program's text"
        message = f"{first} needs {what}; write: mpdiag run {first} ..."
        raise MpdiagError(message)
    if first == "-" or first[:2] in {"-m", "-c"}:
        return True
    if first and Path(first).is_dir():
        return _is_runnable_directory(first)
    if first.endswith(PYTHON_SUFFIXES):
        _check_readable(first)
        return True
    return Path(first).is_file() and not os.access(first, os.X_OK) and _is_application(first)


def _is_runnable_directory(path: str) -> bool:
    # A bare name that is also a command means the command, as in a shell: `pytest` beside a directory of that name.
    if os.sep not in path and shutil.which(path):
        return False
    if Path(path, "__main__.py").is_file():
        return True
    message = f"{path!r} is a directory without __main__.py; name the script in it, or run a package with -m"
    raise MpdiagError(message)


def _is_application(path: str) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "__main__.py" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _check_readable(path: str) -> None:
    if not Path(path).exists():
        message = f"there is no file {path!r}; check the name and the current directory"
        raise MpdiagError(message)
    if not os.access(path, os.R_OK):
        message = f"the file {path!r} cannot be read; check its permissions"
        raise MpdiagError(message)


def _interpreter(python: str) -> str:
    found = shutil.which(python) if python else None
    if found is None:
        message = f"there is no Python interpreter {python!r}; name one with --python"
        raise MpdiagError(message)
    return found


def _command(name: str) -> str:
    found = shutil.which(name)
    if found is not None:
        return found
    if Path(name).is_file():
        # which() looks into PATH only, unless the name has a slash.
        if os.access(name, os.X_OK):
            message = f"{name!r} is not on PATH; to run the file of the current directory write ./{name}"
        else:
            message = f"{name!r} is not executable; if it is a Python script, write: mpdiag run python {name}"
        raise MpdiagError(message)
    message = f"there is no file or command {name!r}; name a script, a command, or a module with -m"
    raise MpdiagError(message)
