"""Whatever a name holds, it only shows as characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.reporters.escape import MARKS, visible
from tests.reporters.hostile import NAMES

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(sorted(NAMES.values()))
ENCODINGS = st.sampled_from(
    ["utf-8", "ascii", "latin-1", "cp437", "cp1252", "koi8-r", "shift_jis", "utf-16", "gb18030"]
)


@given(ANY_TEXT, ENCODINGS)
def test_visible_text_is_one_printable_line_that_can_be_encoded(text, encoding):
    shown = visible(text, encoding)
    assert shown.isprintable()
    shown.encode(encoding)
    assert visible(shown, encoding) == shown


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text):
    assert visible(text, "ascii") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b1m", "\\x9b1m"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("na\u00efve \u00b5s", "na\u00efve \u00b5s"),
        ("\u540d\u524d.py", "\u540d\u524d.py"),
        ("C:\\new\\table.py", "C:\\new\\table.py"),
    ],
)
def test_what_does_not_print_becomes_an_escape(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("18 \u00b5s", "18 us"), ("1\u20132 \u00d7", "1-2 x"), ("\u2026", "..."), ("\u00e9\u540d", "\\xe9\\u540d")],
)
def test_what_the_encoding_lacks_is_put_plainly(text, shown):
    assert visible(text, "ascii") == shown


def test_marks_are_kept_on_a_character_and_not_piled_up():
    assert visible("e\u0301") == "e\u0301"
    assert visible("e" + "\u0301" * 5) == "e" + "\u0301" * MARKS + "\\u0301" * (5 - MARKS)
    assert visible("\u0301e") == "\\u0301e"
