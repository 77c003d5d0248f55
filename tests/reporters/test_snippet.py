"""Folded snippets still say, and do, what they did."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.reporters.columns import columns
from mpdiag.reporters.snippet import fold
from tests.reporters.hostile import NAMES

CALL = "scores = pool.imap_unordered(score, customers, chunksize=256)"
WITH = """\
with ProcessPoolExecutor(max_workers=8, mp_context=context, initializer=start, initargs=(self,)) as pool:
    pass"""
LISTS = "rows = [parse(line) for line in lines if line and line not in seen]"
CALLS = st.recursive(
    st.sampled_from(["alpha", "beta_gamma", "1234", "'a, (b'", "f'{x!r:>{width}}, ('", "lambda x, y: x"]),
    lambda parts: st.lists(parts, min_size=1, max_size=4).map(lambda some: f"function({', '.join(some)})"),
    max_leaves=12,
)


@pytest.mark.parametrize("snippet", [CALL, WITH, LISTS])
@pytest.mark.parametrize("width", [36, 44, 60, 74, 200])
def test_folded_snippet_fits_and_means_the_same(snippet, width):
    lines = fold(snippet, width)
    assert max(map(columns, lines)) <= width
    assert ast.dump(ast.parse("\n".join(lines))) == ast.dump(ast.parse(snippet))


@given(CALLS, st.integers(50, 80))
def test_calls_fold_to_the_same_calls(call, width):
    lines = fold(f"result = {call}", width)
    assert max(map(columns, lines)) <= width
    if not any("\u2026" in line for line in lines):
        assert ast.dump(ast.parse("\n".join(lines))) == ast.dump(ast.parse(f"result = {call}"))


def test_short_lines_stay_as_they_are():
    text = "def start(model):\n    global _model\n    _model = model\n\nx = 1  # one"
    assert fold(text, 40) == text.split("\n")


def test_lines_break_after_commas_and_brackets_first():
    assert fold(CALL, 50) == ["scores = pool.imap_unordered(score, customers,", "    chunksize=256)"]


def test_body_of_a_folded_statement_is_told_from_its_head():
    assert fold(WITH, 60)[1].startswith(" " * 8)


def test_indent_of_the_whole_and_blank_lines_around_go():
    assert fold("\n    if x:\n        y()\n\n", 40) == ["if x:", "    y()"]


def test_comments_are_wrapped_or_move_above_their_line():
    assert fold("# one two three four", 12) == ["# one two", "# three four"]
    assert fold("f(x)  # the reason why", 18) == ["# the reason why", "f(x)"]
    assert fold("if x:\n    y = f(1, 2)  # why", 16) == ["if x:", "    # why", "    y = f(1, 2)"]


def test_comment_after_a_string_of_several_rows_stays_out_of_the_string():
    lines = fold('x = """one\ntwo"""  # a long comment at its end', 20)
    assert all("# a" not in line for line in lines[:1])
    assert lines[0] == 'x = """one'


@pytest.mark.parametrize("name", NAMES)
def test_anything_else_fits_too(name):
    text = "".join(c if c.isprintable() else "?" for c in NAMES[name])
    for form in (text, f"f({text})", f"x = '{text}' # {text}"):
        assert all(columns(line) <= 40 for line in fold(form, 40))


def test_a_line_without_a_place_to_break_shows_that_it_is_cut():
    assert fold("x = '" + "a" * 100 + "'", 21) == ["x = 'aaaaa\u2026aaaaaaaaa'"]
