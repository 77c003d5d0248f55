"""Text from the user's program, made visible and harmless: whatever a name holds, it only ever shows as characters."""

from __future__ import annotations

import unicodedata

MARKS = 3
"""Combining marks on one character that are written as they are; natural scripts need no more, a stack of them covers
the lines above and below."""
PLAIN = {
    "µ": "u",
    "\N{EN DASH}": "-",
    "—": "-",
    "…": "...",
    "\N{MULTIPLICATION SIGN}": "x",
    "≈": "~",
    "≤": "<=",
    "≥": ">=",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "“": '"',
    "”": '"',
}
"""What to write for common typography where the encoding lacks it."""


def visible(text: str, encoding: str = "utf-8") -> str:
    r"""Give ``text`` with everything that does not simply print as an escape: ``\x1b``, ``\n``, ``\u202e``, ``\udc80``.

    That is what ``str.isprintable`` excludes (control characters, bidirectional and other format characters,
    surrogates, line separators, unassigned code points), piled up combining marks, and what ``encoding`` cannot encode.
    The result can be encoded, is one line, and going through this again leaves it as it is.
    """
    if text.isascii() and text.isprintable():
        return text
    written = []
    marks = MARKS  # a mark at the very beginning would combine with what the report wrote before it
    for character in text:
        marks = marks + 1 if is_mark(character) else 0
        harmless = character.isprintable() and marks <= MARKS
        written.append(_encodable(character, encoding) if harmless else _escaped(character))
    return "".join(written)


def is_mark(character: str) -> bool:
    """Tell whether a character is drawn over the one before it and takes no column of its own."""
    return unicodedata.category(character) in {"Mn", "Me"}


def _encodable(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return PLAIN.get(character) or _escaped(character)
    return character


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
