"""Python snippets folded to a width so that they still run when pasted: between brackets, never inside a string."""

from __future__ import annotations

import io
import tokenize
from collections import defaultdict
from dataclasses import dataclass, field, replace
from textwrap import dedent

from mpdiag.reporters.columns import columns, shorten, wrap

DEEPER = "    "
OPENING = frozenset("([{")
CLOSING = frozenset(")]}")
# Strings with expressions in them are several tokens on newer Pythons, and no line may end between these.
_STRING_STARTS = frozenset({getattr(tokenize, name, None) for name in ("FSTRING_START", "TSTRING_START")})
_STRING_ENDS = frozenset({getattr(tokenize, name, None) for name in ("FSTRING_END", "TSTRING_END")})


@dataclass(slots=True)
class _Row:
    """Columns where a row may be broken (after a comma or bracket, else before a token) and where its comment is."""

    good: list[int] = field(default_factory=list)
    fair: list[int] = field(default_factory=list)
    comment: int | None = None

    def last_point(self, line: str, start: int, width: int) -> int | None:
        """Choose the last place after ``start`` with at most ``width`` columns before it and some text after it."""
        for points in (self.good, self.fair):
            fitting = [at for at in points if start < at < len(line) and columns(line[:at].rstrip()) <= width]
            if fitting:
                return fitting[-1]
        return None

    def moved(self, by: int) -> _Row:
        """Give the places of a line whose text moved to the right."""
        return _Row([at + by for at in self.good], [at + by for at in self.fair])


def fold(snippet: str, width: int, ellipsis: str = "…") -> list[str]:
    """Give the lines of ``snippet``, each at most ``width`` columns wide.

    Long lines are broken inside brackets, comments are wrapped or moved to lines of their own. A line without such a
    place loses its middle to an ellipsis, which shows that it cannot be copied as it is.
    """
    text = dedent(snippet).strip("\n")
    rows = _rows(text)
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        lines += _fit(line.rstrip(), rows[number], width, ellipsis)
    return lines


def _rows(text: str) -> defaultdict[int, _Row]:
    rows: defaultdict[int, _Row] = defaultdict(_Row)
    depth = strings = 0
    inside = 0  # the row in which the last string of several rows ends
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            row = rows[token.start[0]]
            strings += (token.type in _STRING_STARTS) - (token.type in _STRING_ENDS)
            inside = token.end[0] if token.end[0] > token.start[0] and token.string.strip() else inside
            if token.type == tokenize.COMMENT and token.start[0] != inside:
                row.comment = token.start[1]
            if strings:
                continue
            if depth and token.string not in CLOSING | {",", ":", "."}:
                row.fair.append(token.start[1])
            depth += (token.string in OPENING) - (token.string in CLOSING)
            if depth and token.string in OPENING | {","}:
                row.good.append(token.end[1])
    except (tokenize.TokenError, SyntaxError):
        return rows  # not Python from here on: what was understood before it stands
    return rows


def _fit(line: str, row: _Row, width: int, ellipsis: str) -> list[str]:
    if columns(line) <= width:
        return [line]
    if row.comment is None:
        return _broken(line, row, width, ellipsis)
    before = f"{_margin(line)}# "
    above = wrap(line[row.comment :].lstrip("#"), width, before, before, ellipsis)
    code = line[: row.comment].rstrip()
    return above + (_fit(code, replace(row, comment=None), width, ellipsis) if code else [])


def _broken(line: str, row: _Row, width: int, ellipsis: str) -> list[str]:
    margin = _margin(line)
    deeper = margin + DEEPER * (2 if line.endswith(":") else 1)
    lines: list[str] = []
    while columns(line) > width:
        point = row.last_point(line, len(margin), width)
        if point is None:
            return [*lines, shorten(line, width, ellipsis)]
        lines.append(line[:point].rstrip())
        margin = deeper
        rest = margin + line[point:].lstrip()
        row = row.moved(len(rest) - len(line))
        line = rest
    return [*lines, line]


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
