"""Files that mpdiag writes for the user: checked before the program runs, complete or not there at all."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from mpdiag.errors import MpdiagError


def check_writable(path: str, *, force: bool) -> str:
    """The absolute path of a file that may be written; MpdiagError when it may not, or is there and not ``force``."""
    file = Path(path).absolute()
    parent = file.parent
    if file.is_dir():
        message = f"{path!r} is a directory; name a file in it"
    elif file.exists() and not file.is_file():
        message = f"{path!r} is not a regular file; name another one"
    elif os.path.lexists(file) and not force:
        message = f"{path!r} already exists; name another file, or overwrite it with --force"
    elif not parent.is_dir():
        message = f"there is no directory {str(parent)!r}; create it first"
    else:
        return _tried(file)
    raise MpdiagError(message)


def _tried(file: Path) -> str:
    try:
        _neighbour(file, "").unlink()
    except OSError as error:
        raise _unwritable(str(file), error) from error
    return str(file)


def same_file(one: str, other: str) -> bool:
    """Do two paths name the same file, be it there or not?"""
    try:
        return os.path.realpath(one) == os.path.realpath(other) or Path(one).samefile(other)
    except (OSError, ValueError):
        # One is not there; or no path at all, but a word that was taken for one.
        return False


def write_file(path: str, text: str) -> None:
    """Write a whole file or none: into a temporary neighbour, then renamed. MpdiagError when that fails."""
    try:
        _neighbour(Path(path), text).replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


class RunFile:
    """The run file of ``-o``: while the program runs a one-line pointer to the run directory, afterwards the run."""

    def __init__(self, path: str, directory: str, *, force: bool) -> None:
        """Write the pointer beside ``path``, without touching ``path`` yet; MpdiagError when that is impossible."""
        self.path = check_writable(path, force=force)
        pointer = json.dumps({"mpdiag": "live", "directory": directory}) + "\n"
        try:
            self._pointer = _neighbour(Path(self.path), pointer)
        except OSError as error:
            raise _unwritable(path, error) from error

    def publish(self) -> None:
        """The program runs: let ``path`` be the pointer."""
        self._pointer.replace(self.path)

    def withdraw(self) -> None:
        """Leave ``path`` as it was: the program could not be started, or its run not be described."""
        with suppress(OSError):
            self._pointer.unlink()


def _unwritable(path: str, error: OSError) -> MpdiagError:
    return MpdiagError(f"cannot write {path!r}: {error.strerror}; make room, or name a file elsewhere")


def _neighbour(path: Path, text: str) -> Path:
    """A temporary file in the directory of ``path`` with this text and the usual permissions; OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
    except OSError:
        temporary.unlink()
        raise
    return temporary
