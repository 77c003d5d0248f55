from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpdiag.errors import MpdiagError
from mpdiag.trace import notation
from mpdiag.trace.reader import trace_of
from mpdiag.trace.text import dump, parse
from tests.trace.same import assert_same
from tests.trace.strategies import LAUNCH, runs

TRACES = sorted((Path(__file__).parents[2] / "fixtures" / "traces").glob("*.txt"))

BY_HAND = r"""
    note "python 3.8.18 is too old to be instrumented (3.9 or newer)"
    segment pid=101 ppid=100 python=3.11.7 argv="python \"a\x00b"
      # names need no numbers in a trace written by hand, and zeros need not be written
      start t=+0.25 identity=1 site="slow.py:12 (main)" method=fork
      skip 2
      ready identity=1 role=worker name=#7 method=fork logical_ppid=7
      work t=-0.000000001 read=12300ns run=1500ms dump=nan write=inf cpu=-0ns job=3 flags=failed|0x80 weight=3
      unknown kind=999 data="\x01"
"""

DUMPED = r"""
meta {"format": 1, "mpdiag": "", "command": [], "cwd": "", "cpus_usable": 1, "perf_ns": 1000000000000,
 "time_ns": 0, "pid": 0, "budget": 0.02, "uninstrumented": [], "end": null}
note "python 3.8.18 is too old to be instrumented (3.9 or newer)"
# lost: 1 records: of kinds that this version of mpdiag does not know
segment cause=fork pid=101 ppid=100 uid=6500000000000000 parent_uid=0000000000000000 chunk=0 python=0x30b07f0
 perf_ns=+0.000000000 time_ns=0 argv="python \"a\x00b"
  text id=8 part=0 size=7 data="slow.py"
  text id=9 part=0 size=4 data="main"
  site id=10 file=slow.py#8 function=main#9 line=12
  text id=11 part=0 size=4 data="fork"
  start t=+0.250000000 identity=1 site="slow.py:12 (main)"#10 method=fork#11 name=-
  skip 2
  ready t=never identity=1 role=worker name=(unknown)#7 method=fork#11 channel=0 logical_ppid=7 cpu=0
  work t=-0.000000001 read=12.3us load=0ns run=1.5s dump=nan write=inf cpu=-0ns job=3 index=0 bytes=0 result=0
 flags=failed|0x80 weight=3
  unknown data="\x01" kind=999
"""


def _joined(text: str) -> list[str]:
    """The lines of a text in which a line that begins with one space continues the one before."""
    return text.strip().replace("\n ", "\n\0").replace("\n\0 ", "\n  ").replace("\n\0", " ").splitlines()


def test_what_is_written_by_hand_is_dumped_in_full() -> None:
    assert list(dump(trace_of(parse(BY_HAND.splitlines())))) == _joined(DUMPED)


def test_a_dump_is_dumped_as_it_is() -> None:
    assert list(dump(trace_of(parse(_joined(DUMPED))))) == _joined(DUMPED)


@settings(deadline=None)
@given(runs())
def test_parsing_a_dump_gives_the_same_records(files: dict[str, bytes]) -> None:
    trace = trace_of(files)
    lines = list(dump(trace))
    assert all(line.isprintable() for line in lines)
    again = trace_of(parse(lines))
    assert_same(trace, again)
    assert list(dump(again)) == lines


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_the_fixtures_parse_and_lose_nothing(path: Path) -> None:
    trace = trace_of(parse(path.read_text().splitlines()))
    assert trace.losses == ()
    again = trace_of(parse(dump(trace)))
    assert_same(trace, again)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("work t=soon", "soon is no number"),
        ("work t=+inf", "inf is no number"),
        ("work read=12", "12 is no duration such as 12.3us"),
        ("work colour=3", "work has no field named colour"),
        ("work job=x", "invalid literal"),
        ("work job=4294967296", "format requires"),
        ("work job", "job does not begin with name=value"),
        ("walk t=+1.0", "no kind of record named walk"),
        ("send origin=work", "origin work needs its number"),
        ("start site=here", "here is no site such as slow.py:12 (main)"),
        (r'start name="a\qb"', "has an escape other than"),
        ("segment ppid=3", "pid"),
        ("segment pid=1 colour=3", "colour"),
        ("meta {", "Expecting"),
        ("skip many", "invalid literal"),
    ],
)
def test_a_line_that_says_nothing_sensible_is_named(line: str, complaint: str) -> None:
    with pytest.raises(MpdiagError) as raised:
        parse(["segment pid=1", "", line])
    assert str(raised.value).startswith("line 3 of the trace cannot be understood: ")
    assert complaint in str(raised.value)


def test_records_need_a_segment() -> None:
    with pytest.raises(MpdiagError, match=r"line 1 .* work before the first segment"):
        parse(["work t=+1.0"])


def test_two_segments_of_one_process_need_different_uids() -> None:
    with pytest.raises(MpdiagError, match=r"line 2 .* change its uid"):
        parse(["segment pid=1", "segment pid=1"])


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False))
def test_durations_come_back(span: float) -> None:
    assert np.float32(notation.read_duration(notation.write_duration(span))) == np.float32(span)


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1))
def test_stamps_come_back(stamp: int) -> None:
    assert notation.read_stamp(notation.write_stamp(stamp, LAUNCH), LAUNCH) == stamp


@settings(deadline=None)
@given(st.binary())
def test_quoted_bytes_come_back(data: bytes) -> None:
    assert notation.quote(data).isprintable()
    assert notation.unquote(notation.quote(data)) == data


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 2**32 - 1))
def test_references_come_back(label: str, number: int) -> None:
    assert notation.read_reference(notation.write_reference(label, number)) == (label.encode(), number)
