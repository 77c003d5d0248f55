"""Starting the target: the plain program, with the signal mask and dispositions that it would have without mpdiag."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mpdiag.errors import MpdiagError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mpdiag.supervise.target import Target

IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these, and what is ignored is inherited; the target starts with their default."""
SHELL = "/bin/sh"
"""What runs an executable text file without a ``#!`` line, as in every shell and ``execvp``."""


def spawn(target: Target, environment: Mapping[str, str], mask: Iterable[int]) -> int:
    """Start the target with these blocked signals; its pid. MpdiagError when it cannot be started."""
    error = _spawn(target.executable, target.arguments, environment, mask)
    if isinstance(error, OSError) and error.errno == errno.ENOEXEC:
        error = _spawn(SHELL, (SHELL, target.executable, *target.arguments[1:]), environment, mask)
    if isinstance(error, int):
        return error
    reason = error.strerror
    if error.errno == errno.ENOENT and Path(target.executable).exists():
        reason = "the interpreter that its first line names does not exist"
    message = f"cannot run {target.executable!r}: {reason}; check that it runs without mpdiag"
    raise MpdiagError(message)


def _spawn(path: str, arguments: Iterable[str], environment: Mapping[str, str], mask: Iterable[int]) -> int | OSError:
    """Start a program: its pid, or why it cannot be started.

    Not ``os.posix_spawn``: glibc's leaves two of its internal signals ignored in the program (seen in SigIgn).
    """
    failure, report = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _become(path, arguments, environment, mask, report)
    except OSError as error:
        os.close(failure)
        return error
    finally:
        os.close(report)
    with os.fdopen(failure, "rb") as pipe:
        number = int(pipe.read() or b"0")
    if not number:
        return pid
    os.waitpid(pid, 0)
    return OSError(number, os.strerror(number))


def _become(
    path: str, arguments: Iterable[str], environment: Mapping[str, str], mask: Iterable[int], report: int
) -> NoReturn:
    """In the new process: be the program; where that fails, report the error number and end."""
    try:
        for number in IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            # Python's own handler would swallow what arrives between unblocking and the program.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execve(path, list(arguments), environment)  # noqa: S606 - without a shell, as the user's shell does it
    except OSError as error:
        os.write(report, str(error.errno).encode())
    finally:
        os._exit(127)
