"""A trace as text, one line per record, and back: for ``mpdiag dump``, golden tests, and traces written by hand.

    meta {"format": 1, ...}
    segment pid=100 ppid=1 uid=... cause=root python=3.11.7 perf_ns=+0.010000000 argv="python slow.py"
      text id=1 part=0 size=4 data="fork"
      start t=+0.250000000 identity=1 site="slow.py:12 (main)"#3 method=fork#1 name=Worker-1#4

Values are written as ``notation`` says. ``dump`` writes every field. In a trace written by hand, fields that are zero
may be left out (as may ``uid``: the pid serves), strings and sites need no number, and blank lines, indentation and
lines that begin with ``#`` do not matter.
"""

from __future__ import annotations

import heapq
import json
from typing import TYPE_CHECKING, Any

from mpdiag.trace import notation
from mpdiag.trace.compose import compose
from mpdiag.trace.names import NOWHERE
from mpdiag.trace.records import FIELDS, UNKNOWN
from mpdiag.wire import header
from mpdiag.wire.format import CAUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mpdiag.trace.segment import Segment, Trace

    Write = Callable[[Any], str]

FIXED = frozenset({"magic", "version", "slot_size", "header_size"})
"""Header fields that are the same in every segment."""
WINDOW = 4096
"""Records of a segment and kind that are turned into Python objects at a time."""


def dump(trace: Trace) -> Iterator[str]:
    """The lines of a trace, without line ends: every segment's records in the order of its slots."""
    yield "meta " + json.dumps(dict(trace.meta))
    for note in trace.notes:
        yield "note " + notation.quote(note.encode("utf-8", "backslashreplace"))
    for loss in trace.losses:
        yield "# lost: " + notation.quote(loss.encode("utf-8", "backslashreplace"))[1:-1]
    for segment in trace.segments:
        yield _header_line(segment, trace.meta["perf_ns"])
        expected = 0
        kinds = (_lines(segment, trace.meta["perf_ns"], kind) for kind in FIELDS)
        for slot, line in heapq.merge(*kinds):
            if slot > expected:
                yield f"  skip {slot - expected}"
            yield "  " + line
            expected = slot + 1


def parse(lines: Iterable[str]) -> dict[str, bytes]:
    """The files of the run that these lines describe, by their names in a run directory.

    Raises MpdiagError naming the line that says nothing sensible.
    """
    return compose(lines)


def _header_line(segment: Segment, launch: int) -> str:
    words = ["segment"]
    for name, value in header.decode(segment.header.raw).items():
        if name in FIXED or (name == "fault" and not value):
            continue
        if isinstance(value, bytes):
            word = notation.quote(value) if name == "argv" else value.hex()
        elif name == "cause" and value < len(CAUSES):
            word = CAUSES[value]
        elif name == "perf_ns":
            word = notation.write_stamp(value, launch)
        else:
            word = hex(value) if name == "python" else str(value)
        words.append(f"{name}={word}")
    return " ".join(words)


def _lines(segment: Segment, launch: int, kind: str) -> Iterator[tuple[int, str]]:
    """Every record of a kind in a segment: its slot and its line."""
    records = segment.records(kind)
    fields = [(name, _writer(segment, launch, name, declared)) for name, declared in FIELDS[kind]]
    fields += [("kind", str)] if kind == UNKNOWN else []
    for begin in range(0, len(records), WINDOW):
        window = records[begin : begin + WINDOW]
        words = [[f"{name}={write(value)}" for value in window[name].tolist()] for name, write in fields]
        marks = zip(window["flags"].tolist(), window["weight"].tolist(), strict=True)
        tails = [
            (f" flags={notation.write_flags(flags)}" if flags else "") + (f" weight={weight}" if weight else "")
            for flags, weight in marks
        ]
        for slot, *row, tail in zip(window["slot"].tolist(), *words, tails, strict=True):
            yield slot, f"{kind} {' '.join(row)}{tail}"


def _writer(segment: Segment, launch: int, name: str, declared: str) -> Write:
    """What writes the values of a field."""
    if declared == "text":
        return lambda number: notation.write_reference(segment.text(number), number)
    if declared == "site":
        return lambda number: notation.write_reference(notation.write_site(segment.site(number)), number)
    if declared == "origin":
        functions = _functions(segment)
        return lambda number: notation.write_reference(functions.get(number, NOWHERE), number)
    if declared.startswith("s"):
        return notation.quote
    if (name, declared) == ("role", "u4"):
        return notation.write_role
    writers: dict[str, Write] = {
        "t": lambda stamp: notation.write_stamp(stamp, launch),
        "ns": notation.write_duration,
    }
    return hex if name == "digest" else writers.get(declared, str)


def _functions(segment: Segment) -> dict[int, str]:
    origins = segment.records("origin")
    numbers = zip(origins["id"].tolist(), origins["function"].tolist(), strict=True)
    return {number: segment.text(function) for number, function in numbers}
