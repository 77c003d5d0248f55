"""Text measured in terminal columns: width, padding, shortening, wrapping. All of it takes text made ``visible``."""

from __future__ import annotations

import unicodedata

from mpdiag.reporters.escape import is_mark

UNITS = frozenset({"s", "ms", "µs", "us", "ns", "min", "h", "%", "B", "kB", "MB", "GB", "TB"})
"""Words that stay on the line of the number before them."""
EMOJI_PRESENTATION = "\ufe0f"


def columns(text: str) -> int:
    """Count the columns that ``text`` takes: two for a wide East Asian character or emoji, none for a combining mark.

    Widths after Unicode Standard Annex 11, ambiguous ones as narrow.
    """
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if character.isascii():
        return 1
    if is_mark(character):  # the selector of emoji presentation makes the narrow sign before it wide
        return 1 if character == EMOJI_PRESENTATION else 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int) -> str:
    """Fill ``text`` with spaces on its right to ``width`` columns."""
    return text + " " * (width - columns(text))


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """Cut the middle out of ``text`` so that it fits ``width`` columns: the two ends tell most of a path or a name."""
    if columns(text) <= width:
        return text
    room = width - len(ellipsis)
    if room <= 0:
        return _head(text, width)
    head = _head(text, room - room // 2)
    return head + ellipsis + _tail(text, room - columns(head))


def _head(text: str, width: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _cells(character)
        if taken > width:
            return text[:index]
    return text


def _tail(text: str, width: int) -> str:
    start = len(text)
    taken = 0
    for index in range(len(text) - 1, -1, -1):
        taken += _cells(text[index])
        if taken > width:
            break
        if not is_mark(text[index]):  # a mark without its character would sit on the ellipsis
            start = index
    return text[start:]


def wrap(text: str, width: int, first: str = "", rest: str = "", ellipsis: str = "…") -> list[str]:
    """Break ``text`` into lines of ``width`` columns, indented by ``first`` and then ``rest``.

    Breaks only at spaces, not between a number and its unit; a word wider than a line loses its middle.
    """
    lines = [first]
    indent = first
    for word in _words(text):
        gap = "" if lines[-1] == indent else " "
        if gap and columns(lines[-1]) + 1 + columns(word) > width:
            lines.append(rest)
            indent, gap = rest, ""
        lines[-1] += gap + shorten(word, width - columns(indent), ellipsis)
    return [line.rstrip() for line in lines]


def _words(text: str) -> list[str]:
    words: list[str] = []
    for word in text.split():
        if words and word.rstrip(".,;:)") in UNITS and words[-1][-1].isdigit():
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words
