"""Lints the rules: their names, their documentation, their thresholds, and that each has its pair of programs."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

import mpdiag.rules
from mpdiag.diagnosis import Rule
from mpdiag.engine import LACKS, all_rules
from mpdiag.model.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parent.parent
MODULES = sorted(path.stem for path in Path(mpdiag.rules.__path__[0]).glob("*.py") if path.stem != "__init__")
SECTIONS = ("What it means:", "Why it costs:", "Bad:", "Good:")
WIDTH = 80
"""Columns of a terminal: ``mpdiag explain`` prints the documentation as it is."""

each_rule = pytest.mark.parametrize("module", MODULES)


def rule_of(module: str) -> Rule:
    loaded = importlib.import_module(f"mpdiag.rules.{module}")
    kinds = [
        kind
        for _, kind in inspect.getmembers(loaded, inspect.isclass)
        if issubclass(kind, Rule) and kind.__module__ == loaded.__name__
    ]
    assert len(kinds) == 1, "one file, one rule"
    rule: Rule = kinds[0]()
    return rule


def documentation(module: str) -> str:
    return inspect.getdoc(type(rule_of(module))) or ""


def sections(module: str) -> dict[str, str]:
    """Split the documentation: {"Bad:": its text, ...}, and the first line under ""."""
    pieces = re.split(rf"^({'|'.join(SECTIONS)})", documentation(module), flags=re.MULTILINE)
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


@each_rule
def test_name_is_that_of_the_file(module):
    name = rule_of(module).id
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", name)
    assert name == module.replace("_", "-")


def test_every_file_is_discovered():
    assert [rule.id for rule in all_rules()] == [module.replace("_", "-") for module in MODULES]


@each_rule
def test_needs_are_collections_of_the_run_and_skipping_has_a_reason(module):
    collections = {field.name for field in dataclasses.fields(Run)}
    assert rule_of(module).needs
    assert rule_of(module).needs <= collections
    assert rule_of(module).needs <= set(LACKS)


@each_rule
def test_documentation_has_its_sections_in_order(module):
    assert list(sections(module)) == ["", *SECTIONS]
    assert all(text.strip() for text in sections(module).values())


@each_rule
def test_documentation_begins_with_one_line_that_says_it_all(module):
    first, _, rest = documentation(module).partition("\n")
    assert first.endswith(".")
    assert len(first) < WIDTH
    assert rest.startswith("\n")


@each_rule
def test_documentation_fits_a_terminal(module):
    assert [line for line in documentation(module).splitlines() if len(line) > WIDTH] == []


@each_rule
def test_bad_and_good_code_are_python_and_differ(module):
    bad, good = (dedent(sections(module)[name].strip("\n")) for name in ("Bad:", "Good:"))
    assert ast.dump(ast.parse(bad)) != ast.dump(ast.parse(good))


@each_rule
def test_numbers_are_named_and_say_where_they_come_from(module):
    tree = ast.parse(Path(mpdiag.rules.__path__[0], f"{module}.py").read_text(encoding="utf-8"))
    constants = [place for place, node in enumerate(tree.body) if is_number(node)]
    unexplained = [ast.unparse(tree.body[place]) for place in constants if not is_text(tree.body[place + 1])]

    assert constants or any(shared(tree)), "a rule without a threshold finds everything"
    assert unexplained == []


def shared(tree: ast.Module) -> Iterator[str]:
    """Thresholds that a rule has in common with others about the same, from the model."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mpdiag.model."):
            yield from (alias.name for alias in node.names if alias.name.isupper())


@pytest.mark.parametrize("module", ["burden"])
def test_shared_thresholds_say_where_they_come_from(module):
    path = Path(mpdiag.rules.__path__[0]).parent / "model" / f"{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [ast.unparse(n) for n, after in pairwise(tree.body) if is_number(n) and not is_text(after)] == []


def is_number(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and not isinstance(node.value.value, str)
    )


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@each_rule
def test_rule_has_a_slow_and_a_fixed_program(module):
    slow, fixed = (
        (CHECKOUT / f"fixtures/programs/{module}_{kind}.py").read_text(encoding="utf-8") for kind in ("slow", "fixed")
    )
    assert re.findall(r"# expect: (.*)", slow) == [rule_of(module).id]
    assert "# expect" not in fixed


def test_generated_documentation_is_up_to_date():
    command = [sys.executable, str(CHECKOUT / "scripts/docs"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
