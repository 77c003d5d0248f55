"""``meta.json``: what the supervisor says about the run, checked field by field."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from mpdiag.errors import MpdiagError

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT: Final = 1
"""The version of meta.json that this mpdiag writes and reads."""
META_LIMIT: Final = 1 << 22
"""Bytes of meta.json that are read; the command line of a process has at most 2 MiB on Linux (ARG_MAX)."""


def _integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63


def _stamp(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _end(value: object) -> bool:
    return value is None or isinstance(value, dict)


_FIELDS: Final[dict[str, tuple[Callable[[object], bool], Any]]] = {
    "format": (_integer, None),
    "mpdiag": (_text, ""),
    "command": (_texts, []),
    "cwd": (_text, ""),
    "cpus_usable": (_stamp, 1),
    "perf_ns": (_stamp, 0),
    "time_ns": (_stamp, 0),
    "pid": (_stamp, 0),
    "budget": (_share, 0.02),
    "uninstrumented": (_texts, []),
    "end": (_end, None),
}
"""Field to what its value must be, and what it is when missing."""
_END_FIELDS: Final[dict[str, tuple[Callable[[object], bool], Any]]] = {
    "perf_ns": (_stamp, 0),
    "status": (_integer, 0),
    "cpu_ns": (_stamp, 0),
    "maxrss": (_stamp, 0),
}


def parse_meta(raw: bytes, name: str) -> dict[str, Any]:
    """The checked contents of meta.json of the run ``name``; every known field is there and has its type.

    Raises MpdiagError for what is damaged, or written by a newer mpdiag.
    """
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not _integer(values.get("format")):
        message = f"{name} is damaged: its meta.json does not describe a run; record the run again"
        raise MpdiagError(message)
    if values["format"] > FORMAT:
        message = f"{name} was written by a newer mpdiag (format {values['format']}); upgrade mpdiag"
        raise MpdiagError(message)
    meta = _checked(values, _FIELDS, name)
    if meta["end"] is not None:
        meta["end"] = _checked(meta["end"], _END_FIELDS, name)
    meta["cpus_usable"] = max(1, meta["cpus_usable"])
    return meta


def _checked(
    values: dict[str, Any], fields: dict[str, tuple[Callable[[object], bool], Any]], name: str
) -> dict[str, Any]:
    checked = {}
    for field, (fits, missing) in fields.items():
        value = values.get(field, missing)
        if not fits(value):
            message = f"{name} is damaged: {field} in its meta.json has no sensible value; record the run again"
            raise MpdiagError(message)
        checked[field] = value
    return checked
