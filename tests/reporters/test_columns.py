"""Columns of a terminal are not characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.reporters.columns import columns, pad, shorten, wrap
from mpdiag.reporters.escape import visible

WIDE = "\u540d\u524d"
TEXT = st.text(st.sampled_from("ab /\u00e9\u540d\u0301\u20dd\ufe0f\U0001f600")).map(visible)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("\u00e9", 1),
        ("e\u0301", 1),
        (WIDE, 4),
        ("\U0001f600", 2),
        ("\uff21", 2),
        ("\u2764\ufe0f", 2),
    ],
)
def test_columns(text, width):
    assert columns(text) == width


def test_pad_counts_columns():
    assert pad(WIDE, 6) == WIDE + "  "
    assert pad("long", 2) == "long"


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("short", 5, "short"),
        ("/home/ann/project/main.py", 13, "/home/\u2026ain.py"),
        ("abcdef", 1, "a"),
        ("abcdef", 0, ""),
        (WIDE * 3, 6, "\u540d\u2026\u524d"),
        ("abce\u0301e\u0301e\u0301", 5, "ab\u2026e\u0301e\u0301"),
    ],
)
def test_shorten_keeps_both_ends(text, width, short):
    assert shorten(text, width) == short


@given(TEXT, st.integers(0, 30), st.sampled_from(["\u2026", "..."]))
def test_shortened_text_fits(text, width, ellipsis):
    assert columns(shorten(text, width, ellipsis)) <= width


@given(TEXT, st.integers(12, 40), st.sampled_from(["", "  ", "  - "]))
def test_wrapped_lines_fit_and_lose_no_word_that_fits(text, width, first):
    lines = wrap(text, width, first, "    ")
    assert all(columns(line) <= width for line in lines)
    if all(columns(word) <= width - 4 for word in text.split()):
        assert " ".join(lines).removeprefix(first.rstrip()).split() == text.split()


def test_wrap_indents_and_shortens_what_is_too_long_for_a_line():
    assert wrap("one two three", 7, "- ", "  ") == ["- one", "  two", "  three"]
    assert wrap("abcdefghij", 7, "- ", "  ") == ["- ab\u2026ij"]
    assert wrap("", 10, "  ") == [""]


def test_wrap_keeps_a_unit_with_its_number():
    assert wrap("it took 12 s, then 3 %.", 10) == ["it took", "12 s, then", "3 %."]
    assert wrap("there was s", 9) == ["there was", "s"]
