"""``mpdiag explain``: the rules and what they say; a rule's documentation is its docstring."""

from __future__ import annotations

import difflib
import inspect
import sys
import textwrap
from typing import TYPE_CHECKING

from mpdiag.errors import MpdiagError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from mpdiag.diagnosis import Rule

HELP = "list the rules, or explain one"
WIDTH = 80
"""Columns of the list; the rules' own documentation is written for as many."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("rule", metavar="RULE", nargs="?", help="a rule's name; without it all are listed")


def run(args: argparse.Namespace) -> int:
    """Print the list of rules, or one rule's documentation."""
    from mpdiag.engine import all_rules  # noqa: PLC0415 - numpy, which mpdiag --help does without

    rules = {rule.id: rule for rule in all_rules()}
    sys.stdout.write(_listing(rules) if args.rule is None else _explanation(rules, args.rule))
    return 0


def _listing(rules: Mapping[str, Rule]) -> str:
    indent = max(map(len, rules), default=0) + 2
    lines = (f"{name:<{indent}}{_documentation(rules[name]).partition(chr(10))[0]}" for name in sorted(rules))
    return "".join(f"{textwrap.fill(line, WIDTH, subsequent_indent=' ' * indent)}\n" for line in lines)


def _explanation(rules: Mapping[str, Rule], name: str) -> str:
    if name not in rules:
        close = difflib.get_close_matches(name, rules, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "mpdiag explain lists them"
        message = f"there is no rule {name!r}; {hint}"
        raise MpdiagError(message)
    return f"{name}\n\n{_documentation(rules[name])}\n"


def _documentation(rule: Rule) -> str:
    return inspect.getdoc(type(rule)) or ""
