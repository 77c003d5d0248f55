"""Names that a program may have, by accident or by malice, and diagnoses full of them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

NAMES = {
    "colours": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "eight-bit escapes": "\x9b31mred\x9d0;title\x9c",
    "line ends": "one\ntwo\r\nthree\x0b\x0c\x1c\x85\u2028\u2029four",
    "right to left": "invoice\u202egpj.exe \u2066left\u2069 \u200fright",
    "10 kB": "x" * 10_000,
    "10 kB of words": "to be " * 1_700,
    "lone surrogates": "\udcff\ud800name\udc80",
    "controls": "\x00\x01\x07\x08\x1a\x7f",
    "wide": "\u540d\u524d" * 60,
    "one wide word among others": "module " + "\u540d" * 200 + " end",
    "stacked marks": "e" + "\u0301" * 5_000,
    "marks only": "\u0301\u0308\u20dd",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f" * 40,
    "invisible": "a\u00ad\u200b\ufeff\u2060\U000e0041b",
    "tabs": "\tindented\tby tabs",
    "markup": "</script><img src=x onerror=alert(1)> `a` | *b* [c](javascript:d)",
    "code": "'''\"\"\" \\ # {x!r:>{y}} ((([",
    "blank": "   ",
    "empty": "",
}
KEPT = frozenset({"rule", "severity", "confidence", "unit"})
"""Fields with a closed vocabulary: mpdiag's own words, never the program's."""


def poisoned(value: Any, name: str) -> Any:  # noqa: ANN401 - any part of a diagnosis
    """Copy a diagnosis with ``name`` in place of every text that could hold something of the user's program."""
    if isinstance(value, str):
        return name
    if isinstance(value, tuple):
        return tuple(poisoned(part, name) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value) if field.name not in KEPT}
        return replace(value, **{key: poisoned(part, name) for key, part in parts.items()})
    return value
