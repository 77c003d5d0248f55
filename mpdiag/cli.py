"""The command line: find the command, parse its arguments, run it, and say what went wrong in one line."""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mpdiag import __version__
from mpdiag.commands.message import say
from mpdiag.errors import EXIT_USAGE, MpdiagError
from mpdiag.supervise.launch import die_by
from mpdiag.supervise.streams import reserve_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMANDS = ("run", "report", "explain", "dump")
USAGE = """usage: mpdiag COMMAND ...

Why a Python program that uses several processes is slower than it should be.

"""
EXIT_PIPE = 128 + signal.SIGPIPE
"""Exit status when the reader of our output has gone, as a shell shows it for every other tool."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are mpdiag's, and for which a REMAINDER argument is what it says.

    argparse itself takes options out of such a remainder, and cannot see that ``-m module`` begins one.
    """

    def error(self, message: str) -> NoReturn:
        """Raise the error instead of printing the usage."""
        text = f"{message}; see {self.prog} --help"
        raise MpdiagError(text)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - argparse's own types
        """Parse the options up to the remainder, if there is one, and leave the rest alone."""
        words = list(sys.argv[1:] if args is None else args)
        remainder = [action for action in self._actions if action.nargs == argparse.REMAINDER]
        if not remainder:
            return super().parse_known_args(words, namespace)
        end = self._options_end(words)
        parsed, extra = super().parse_known_args(words[:end], namespace)
        rest = words[end:]
        setattr(parsed, remainder[0].dest, rest[1:] if rest[:1] == ["--"] else rest)
        return parsed, extra

    def _options_end(self, words: Sequence[str]) -> int:
        position = 0
        while position < len(words):
            word = words[position]
            name, equals, _value = word.partition("=")
            action = self._option_string_actions.get(name)
            if action is None and len(word) > 2 and word[:1] == "-" != word[1:2]:  # noqa: PLR2004 - as in -oFILE
                action, equals = self._option_string_actions.get(word[:2]), "attached"
            if action is None:
                break
            position += 1 if equals or action.nargs == 0 else 2
        if position < len(words) and _is_unknown_option(words[position]):
            self.error(
                f"unknown option {words[position]}; options of Python itself need its name:"
                f" mpdiag run python {words[position]} ..."
            )
        return min(position, len(words))


def _is_unknown_option(word: str) -> bool:
    return word.startswith("-") and word not in {"-", "--"} and word[:2] not in {"-m", "-c"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: ``sys.argv``); the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if sys.stdout is None:
        # Closed by the caller, who wants no output; the descriptor's number must not go to another file.
        reserve_streams()
        sys.stdout = os.fdopen(1, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names may hold what the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    debug = False
    try:
        command, args = _parsed(words)
        debug = args.debug
        status = command(args)
        sys.stdout.flush()
    except MpdiagError as error:
        return _failed(str(error), error.exit_code, debug=debug)
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_PIPE
    except KeyboardInterrupt:
        _silence_stdout()
        return die_by(signal.SIGINT)
    except OSError as error:
        _silence_stdout()
        return _failed(f"{error.strerror or error}; the command could not be completed", EXIT_USAGE, debug=debug)
    except Exception as error:  # noqa: BLE001 - a defect of ours; the user gets one line all the same
        message = f"a defect of mpdiag: {type(error).__name__}: {error}; --debug shows where, please report it"
        return _failed(message, EXIT_USAGE, debug=debug)
    return status


def _parsed(words: Sequence[str]) -> tuple[Callable[[argparse.Namespace], int], argparse.Namespace]:
    if not words or words[0] in {"-h", "--help"}:
        return _show, argparse.Namespace(debug=False, text=_overview(), status=0 if words else EXIT_USAGE)
    if words[0] == "--version":
        return _show, argparse.Namespace(debug=False, text=f"mpdiag {__version__}\n", status=0)
    name, *arguments = words
    if name not in COMMANDS:
        raise MpdiagError(_unknown(name))
    command = importlib.import_module(f"mpdiag.commands.{name}")
    parser = Parser(prog=f"mpdiag {name}", description=command.HELP, allow_abbrev=False)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error of mpdiag itself")
    command.configure(parser)
    return command.run, parser.parse_args(arguments)


def _show(args: argparse.Namespace) -> int:
    sys.stdout.write(args.text)
    status: int = args.status
    return status


def _overview() -> str:
    lines = (f"  {name:<9}{importlib.import_module(f'mpdiag.commands.{name}').HELP}\n" for name in COMMANDS)
    return f"{USAGE}{''.join(lines)}\nmpdiag COMMAND --help tells more; mpdiag --version tells the version.\n"


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    if close:
        return f"there is no command {name!r}; did you mean {close[0]!r}?"
    if name.endswith(".py") or Path(name).exists():
        return f"there is no command {name!r}; to run a program write: mpdiag run {name}"
    return f"there is no command {name!r}; the commands are {', '.join(COMMANDS)}"


def _failed(message: str, status: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    say(message)
    return status


def _silence_stdout() -> None:
    """Let what is still buffered for a reader who has gone go nowhere, instead of failing again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
