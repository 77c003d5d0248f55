from __future__ import annotations

import inspect

from mpdiag.cli import main
from mpdiag.engine import all_rules


def test_rules_are_listed_with_their_first_lines(capsys):
    assert main(["explain"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == sorted(rule.id for rule in all_rules())
    assert all(len(line.split()) > 2 for line in lines if line[0] != " ")
    assert max(map(len, lines)) <= 80


def test_rule_is_explained_by_its_docstring(capsys):
    for rule in all_rules():
        assert main(["explain", rule.id]) == 0
        assert capsys.readouterr().out == f"{rule.id}\n\n{inspect.getdoc(type(rule))}\n"


def test_misspelt_rule_gets_a_hint(capsys):
    assert main(["explain", "chatty-task"]) == 2
    assert "did you mean chatty-tasks" in capsys.readouterr().err

    assert main(["explain", "xyz"]) == 2
    assert "mpdiag explain" in capsys.readouterr().err
