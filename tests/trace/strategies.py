"""Hypothesis strategies: records of any kind with any values, and the segments that hold them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from mpdiag.trace.records import FIELDS, UNKNOWN
from mpdiag.wire import header
from mpdiag.wire.format import FORMATS, NUMBER, TYPE_CODES, struct_format

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

LAUNCH = 1_000_000_000_000
META = b'{"format": 1, "perf_ns": 1000000000000}'


def _value(declared: str) -> SearchStrategy[Any]:
    code = TYPE_CODES.get(declared, declared)
    size = int(code[1:])
    if code.startswith("s"):
        return st.binary(max_size=size)
    if code.startswith("f"):
        return st.floats(width=32)
    if code.startswith("i"):
        return st.integers(-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1)
    return st.one_of(st.integers(0, (1 << 8 * size) - 1), st.integers(0, 5))


def _record(kind: str) -> SearchStrategy[bytes]:
    """A slot of this kind with any values."""
    fields = FIELDS[kind]
    number = st.integers(1000, 65535) if kind == UNKNOWN else st.just(NUMBER[kind])
    layout = struct_format(fields) if kind == UNKNOWN else FORMATS[kind]
    mark = st.one_of(st.just(0), st.integers(0, 255))
    values = [_value(declared) for _, declared in fields]
    return st.tuples(*values, mark, mark, number).map(lambda slot: struct.pack(layout, *slot))


SLOT = st.one_of(st.just(bytes(64)), *(_record(kind) for kind in FIELDS))
SLOTS = st.lists(SLOT, max_size=12).map(b"".join)


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A header with any identity."""
    fields = header.fields(
        draw(st.integers(0, 9)), draw(st.integers(0, 2**32 - 1)), LAUNCH, draw(st.binary(max_size=8))
    )
    fields.update(
        ppid=draw(st.integers(0, 2**32 - 1)),
        parent_uid=draw(st.binary(max_size=8)),
        python=draw(st.integers(0, 2**32 - 1)),
        perf_ns=draw(st.integers(0, 2**64 - 1)),
        time_ns=draw(st.integers(0, 2**64 - 1)),
        argv=draw(st.binary(max_size=40)),
    )
    return header.encode(**fields)


def segment_name(head: bytes) -> str:
    """The file name that a segment with this header has."""
    fields = header.decode(head)
    uid = bytes(fields["uid"])
    return f"segments/{header.identity(int(fields['pid']), int(fields['perf_ns']), uid)}.0.seg"


@st.composite
def runs(draw: st.DrawFn) -> dict[str, bytes]:
    """The files of a run of up to three processes."""
    files = {"meta.json": META}
    identities = set()
    for head in draw(st.lists(headers(), max_size=3)):
        fields = header.decode(head)
        if (fields["pid"], fields["uid"]) not in identities:
            identities.add((fields["pid"], fields["uid"]))
            files[segment_name(head)] = head + draw(SLOTS)
    return files
