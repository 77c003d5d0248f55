"""The text form of a trace to the bytes of its files: the other half of ``text``."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mpdiag.errors import MpdiagError
from mpdiag.trace import notation
from mpdiag.trace.meta import FORMAT
from mpdiag.trace.records import FIELDS, UNKNOWN
from mpdiag.trace.source import META, SEGMENTS
from mpdiag.wire import header
from mpdiag.wire.format import CAUSES, FORMATS, HEADER_FIELDS, NUMBER, SLOT_SIZE, TEXT_BYTES, TEXT_LIMIT, struct_format

if TYPE_CHECKING:
    from collections.abc import Iterable

LAUNCH_NS: Final = 1_000_000_000_000
"""The launch in traces that say nothing about it: any stamp but 0, which means never."""
_WORD: Final = re.compile(r'([a-z_]+)=((?:"(?:[^"\\]|\\.)*")?[^\s"]*)(?:\s+|$)')
_UNKNOWN_FORMAT: Final = struct_format(FIELDS[UNKNOWN])
NUMBERED: Final = frozenset({"text", "site", "origin"})
"""Kinds of records that others refer to by number, and the types of the fields that do."""
_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def compose(lines: Iterable[str]) -> dict[str, bytes]:
    """The files of the run that these lines describe; see ``text.parse``."""
    run = _Composition()
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        word, _, rest = stripped.partition(" ")
        try:
            run.take(word, rest.strip(), number)
        except (ValueError, KeyError, OverflowError, struct.error) as error:
            message = f"line {number} of the trace cannot be understood: {error}"
            raise MpdiagError(message) from error
    return run.files()


@dataclass
class _Composition:
    """A run half composed."""

    meta: dict[str, Any] = field(default_factory=lambda: {"format": FORMAT, "perf_ns": LAUNCH_NS})
    notes: list[bytes] = field(default_factory=list)
    segments: list[_SegmentText] = field(default_factory=list)

    def take(self, word: str, rest: str, line: int) -> None:
        """Take one line."""
        if word == "meta":
            self.meta.update(json.loads(rest))
        elif word == "note":
            self.notes.append(notation.unquote(rest))
        elif word == "segment":
            self.segments.append(_SegmentText(dict(_words(rest)), line))
        elif not self.segments:
            message = f"{word} before the first segment"
            raise ValueError(message)
        elif word == "skip":
            self.segments[-1].take("skip", {"slots": rest}, line)
        elif word in FIELDS:
            self.segments[-1].take(word, dict(_words(rest)), line)
        else:
            message = f"there is no kind of record named {word}"
            raise ValueError(message)

    def files(self) -> dict[str, bytes]:
        """Everything that was taken, as files."""
        files = {META: json.dumps(self.meta).encode()}
        files.update({f"{SEGMENTS}/{place}.note": note for place, note in enumerate(self.notes)})
        for segment in self.segments:
            name, data = segment.encode(self.meta["perf_ns"])
            if name in files:
                message = f"line {segment.line} of the trace begins a segment that is there already; change its uid"
                raise MpdiagError(message)
            files[name] = data
        return files


@dataclass
class _SegmentText:
    """One segment: its header's and its records' words."""

    header: dict[str, str]
    line: int
    slots: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    highest: int = 0
    """The highest number of a string, site or origin that was named."""

    def take(self, kind: str, words: dict[str, str], line: int) -> None:
        """Take one record, or ``skip``."""
        self.slots.append((kind, words, line))
        if kind in NUMBERED:
            self.highest = max(self.highest, int(words.get("id", "0"), 0))
        for name, declared in FIELDS.get(kind, ()):
            if declared in NUMBERED and name in words:
                self.highest = max(self.highest, notation.read_reference(words[name])[1] or 0)

    def encode(self, launch: int) -> tuple[str, bytes]:
        """The segment's file name and contents."""
        line = self.line
        try:
            head = _header(self.header, launch)
            encoder = _Encoder(launch, self.highest)
            parts = [header.encode(**head)]
            for kind, words, line in self.slots:  # noqa: B007 - the line is for the message
                parts.append(encoder.record(kind, words))
        except (ValueError, KeyError, OverflowError, struct.error) as error:
            message = f"line {line} of the trace cannot be understood: {error}"
            raise MpdiagError(message) from error
        uid = bytes(head["uid"])
        name = header.identity(int(head["pid"]), int(head["perf_ns"]), uid)
        return f"{SEGMENTS}/{name}.{int(head['chunk'])}.seg", b"".join(parts)


class _Encoder:
    """Encodes the records of one segment, interning strings and sites that have no number."""

    def __init__(self, launch: int, highest: int) -> None:
        self._launch = launch
        self._highest = highest
        self._texts: dict[bytes, int] = {}
        self._sites: dict[bytes, int] = {}
        self._interned: list[bytes] = []

    def record(self, kind: str, words: dict[str, str]) -> bytes:
        """The slots of one line: those of what it interns, then its own."""
        if kind == "skip":
            return bytes(SLOT_SIZE * int(words["slots"]))
        words = dict(words)
        flags = notation.read_flags(words.pop("flags")) if "flags" in words else 0
        weight = int(words.pop("weight", "0"))
        number = int(words.pop("kind")) if kind == UNKNOWN else NUMBER[kind]
        values = [self._value(name, declared, words.pop(name, None)) for name, declared in FIELDS[kind]]
        if words:
            message = f"{kind} has no field named {next(iter(words))}"
            raise ValueError(message)
        layout = _UNKNOWN_FORMAT if kind == UNKNOWN else FORMATS[kind]
        interned, self._interned = self._interned, []
        return b"".join([*interned, struct.pack(layout, *values, flags, weight, number)])

    def _value(self, name: str, declared: str, word: str | None) -> float | bytes:
        if word is None:
            return b"" if declared.startswith("s") and declared != "site" else 0
        if declared in NUMBERED:
            label, number = notation.read_reference(word)
            return self._intern(declared, label) if number is None else number
        if declared == "t":
            return notation.read_stamp(word, self._launch)
        if declared == "ns":
            return notation.read_duration(word)
        if declared.startswith("s"):
            return notation.unquote(word)
        return notation.read_role(word) if name == "role" else int(word, 0)

    def _intern(self, declared: str, label: bytes) -> int:
        if declared == "text":
            return self._text(label)
        if declared == "site":
            return self._site(label)
        message = f"origin {label.decode(errors='replace')} needs its number, as in work#5"
        raise ValueError(message)

    def _text(self, data: bytes) -> int:
        if data and data not in self._texts:
            self._highest += 1
            self._texts[data] = self._highest
            for part, begin in enumerate(range(0, min(len(data), TEXT_LIMIT), TEXT_BYTES)):
                piece = data[begin : begin + TEXT_BYTES]
                self._slot("text", self._highest, part, len(piece), piece)
        return self._texts.get(data, 0)

    def _site(self, label: bytes) -> int:
        if label not in self._sites:
            file, line, function = notation.read_site(label.decode())
            numbers = self._text(file.encode()), self._text(function.encode())
            self._highest += 1
            self._sites[label] = self._highest
            self._slot("site", self._highest, *numbers, line)
        return self._sites[label]

    def _slot(self, kind: str, *values: int | bytes) -> None:
        self._interned.append(struct.pack(FORMATS[kind], *values, 0, 0, NUMBER[kind]))


def _words(text: str) -> list[tuple[str, str]]:
    words = []
    place = 0
    while place < len(text):
        found = _WORD.match(text, place)
        if found is None:
            message = f"{text[place:]} does not begin with name=value"
            raise ValueError(message)
        words.append((found[1], found[2]))
        place = found.end()
    return words


def _header(words: dict[str, str], launch: int) -> dict[str, int | bytes]:
    fields = header.fields(CAUSES.index("fork"), int(words["pid"]), launch, int(words["pid"]).to_bytes(8, "little"))
    kinds = {name: kind for name, _, kind in HEADER_FIELDS}
    for name, word in words.items():
        if name == "argv":
            fields[name] = notation.unquote(word)
        elif kinds[name] == "bytes":
            fields[name] = bytes.fromhex(word)
        elif name == "cause" and word in CAUSES:
            fields[name] = CAUSES.index(word)
        elif name == "perf_ns":
            fields[name] = notation.read_stamp(word, launch)
        elif name == "python" and (version := _VERSION.fullmatch(word)):
            major, minor, micro = map(int, version.groups())
            fields[name] = major << 24 | minor << 16 | micro << 8 | 0xF0
        else:
            fields[name] = int(word, 0)
    return {"chunk": 0} | fields
