"""Can the probe get into the target's interpreter? What a command line tells beforehand, and what was seen at the end.

The probe comes in through PYTHONPATH and ``sitecustomize``, so options that ignore either keep it out. Everything here
is a pure function of its arguments.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON_NAME = re.compile(r"(python|pypy)[0-9.]*[a-z]?$")
OPTIONS_WITH_VALUE = "cmWX"
"""Of Python's own options those that take a value; the value of ``-c`` and ``-m`` is the program."""
OBSTACLES = {
    "I": "ignores PYTHONPATH",
    "E": "ignores PYTHONPATH",
    "S": "does not import sitecustomize",
}
"""Python's options that keep the probe out, and how."""
ENV_WITH_VALUE = {"-u", "--unset", "-C", "--chdir"}
"""Options of env(1) whose value is the next word."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the run directory shows at the end: did the target itself, did any process, leave a record or a note?"""

    target: bool
    anyone: bool
    notes: bool


def with_shebang(command: Sequence[str], first_line: bytes) -> list[str]:
    """The command that the kernel runs for a script starting with ``first_line``; ``command`` itself otherwise."""
    if not first_line.startswith(b"#!"):
        return list(command)
    words = os.fsdecode(first_line[2:]).strip().split(maxsplit=1)
    return [*words, *command] if words else list(command)


def obstacle(command: Sequence[str]) -> str:
    """Why this command's interpreter cannot be instrumented, as a sentence; empty when nothing speaks against it."""
    words, cleared = _without_env(list(command))
    if not words or not PYTHON_NAME.match(PurePath(words[0]).name):
        return ""
    name = PurePath(words[0]).name
    if cleared:
        return f"{name} was started by env {cleared}, which takes mpdiag's settings away; run it without {cleared}"
    for letter in _flags(words[1:]):
        if letter in OBSTACLES:
            return f"{name} -{letter} {OBSTACLES[letter]}, so this process was not recorded; run it without -{letter}"
    return ""


def uninstrumented(command: Sequence[str], seen: Seen) -> list[str]:
    """Sentences on what could not be looked into, once the run is over.

    Interpreters that are too old say so themselves, in a note, so nothing is repeated here.
    """
    if seen.target:
        return []
    expected = obstacle(command)
    if expected:
        return [expected]
    if seen.anyone or seen.notes:
        return []
    words, _cleared = _without_env(list(command))
    name = PurePath(words[0]).name if words else ""
    if PYTHON_NAME.match(name):
        return [f"{name} left no record: older than Python 3.9, or its sitecustomize does not run"]
    return [f"{name} is not a Python program, nor did it start one that mpdiag could record"]


def _flags(words: Sequence[str]) -> str:
    """The option letters of a Python command line, up to its program."""
    letters = ""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-") or word in {"-", "--"}:
            break
        if word.startswith("--"):
            # --check-hash-based-pycs is the only long option that does not print and leave.
            position += word == "--check-hash-based-pycs"
            continue
        for index, letter in enumerate(word[1:], start=2):
            letters += letter
            if letter in OPTIONS_WITH_VALUE:
                position += index == len(word)
                break
        if letters[-1:] in {"c", "m"}:
            break
    return letters


def _without_env(words: list[str]) -> tuple[list[str], str]:
    """Strip a leading ``env``: what it runs, and the option of it that loses the probe's settings."""
    if not words or PurePath(words[0]).name != "env":
        return words, ""
    cleared = ""
    position = 1
    while position < len(words):
        word = words[position]
        if word in {"-", "-i", "--ignore-environment"}:
            cleared = "-i"
        elif word in {"-S", "--split-string"} and position + 1 < len(words):
            words[position : position + 2] = _split(words[position + 1])
            continue
        elif word.startswith(("-S", "--split-string=")):
            words[position : position + 1] = _split(word.removeprefix("--split-string=").removeprefix("-S"))
            continue
        elif word in ENV_WITH_VALUE:
            position += 1
            if words[position : position + 1] == ["PYTHONPATH"]:
                cleared = "-u PYTHONPATH"
        elif word.startswith("PYTHONPATH="):
            cleared = "PYTHONPATH=..."
        elif not word.startswith("-") and "=" not in word:
            break
        position += 1
    return words[position:], cleared


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
