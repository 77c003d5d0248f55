"""Snippets pasted into the slow programs: these print what they printed, and what was wrong with them is gone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = CHECKOUT / "fixtures/programs"
PASTED = (
    "chatty_tasks",
    "not_worth_it",
    "oversized_argument",
    "oversized_callable",
    "oversized_result",
    "repeated_payload",
)
"""Pool-churn's and slow-startup's snippets leave something to the reader: where the loop is, what is prepared."""


def diagnosed(program, directory):
    """Run a program under mpdiag: what it prints, and its findings above info."""
    report = directory / f"{program.stem}.json"
    command = [sys.executable, "-m", "mpdiag", "run", "--quiet", "--json", str(report), str(program), "fork"]
    finished = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    found = json.loads(report.read_text(encoding="utf-8"))["findings"]
    return finished.stdout, {one["rule"]: one for one in found if one["severity"] != "info"}


def pasted(source, snippet, line):
    """Do what a reader does: functions go above main, statements in the place of those that they rewrite."""
    module, new = ast.parse(source), ast.parse(snippet).body
    functions = [node for node in new if isinstance(node, ast.FunctionDef)]
    (statement,) = (node for node in new if not isinstance(node, ast.FunctionDef))
    if isinstance(statement, ast.With):
        (around,) = (node for node in at(module, line, ast.With) if any(line == inner.lineno for inner in node.body))
        around.items = statement.items
        (statement,) = statement.body
    (old,) = (node for node in at(module, line, ast.stmt) if node.lineno == line)
    if isinstance(old, ast.For):
        old.target, old.iter = statement.target, statement.iter
    else:
        _Put(old, statement).visit(module)
    main = next(place for place, node in enumerate(module.body) if getattr(node, "name", "") == "main")
    module.body[main:main] = functions
    return ast.unparse(ast.fix_missing_locations(module))


def at(module, line, kind):
    return [node for node in ast.walk(module) if isinstance(node, kind) and node.lineno <= line <= node.end_lineno]


class _Put(ast.NodeTransformer):
    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


@pytest.mark.parametrize("pair", PASTED)
def test_pasted_snippet_cures_the_program(pair, tmp_path):
    if pair == "oversized_result":
        pytest.importorskip("numpy")
    slow = PROGRAMS / f"{pair}_slow.py"
    rule = pair.replace("_", "-")
    printed, findings = diagnosed(slow, tmp_path)
    finding = findings[rule]
    edited = tmp_path / f"{pair}_pasted.py"
    edited.write_text(pasted(slow.read_text("utf-8"), finding["fix"]["snippet"], finding["site"]["line"]), "utf-8")

    printed_then, left = diagnosed(edited, tmp_path)

    assert printed_then == printed
    assert rule not in left
