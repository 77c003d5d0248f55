"""Many items, many proxies and a producer killed at work: all is counted, and the trace stays small."""

from __future__ import annotations

import pytest

from mpdiag.model.build import build_run
from tests.e2e.running import PROGRAMS, Runner, marked

CROWDS = PROGRAMS / "crowds.py"
MARKS = marked(CROWDS)
each_method = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])


@pytest.fixture
def crowd(interpreter, tmp_path):
    """Run a part of the program bare and recorded: its run, and the recording."""

    def both(part, method):
        recorded = Runner(interpreter, tmp_path).both(str(CROWDS), part, method)
        return build_run(recorded.trace), recorded

    return both


def at(run, mark, operation):
    return [use for use in run.uses if use.site.line == MARKS[mark] and use.operation == operation]


@each_method
def test_what_a_killed_producer_put_is_known(crowd, method):
    run, recorded = crowd("killed", method)
    (put,), (got,) = at(run, "put", "put"), at(run, "get", "get")
    assert (put.count, put.bytes) == (got.count, got.bytes)
    assert put.count == 1000
    assert run.processes[put.process].exit_code is None
    assert recorded.faults == []


def test_many_proxies_make_few_records(crowd):
    run, recorded = crowd("proxies", "fork")
    (called,) = at(run, "call", "__setitem__")
    assert called.count == 400
    assert len(run.uses) < 20
    assert sum(recorded.trace.sizes) < 60_000
    assert recorded.faults == []


def test_many_items_make_a_short_trace(crowd):
    run, recorded = crowd("items", "fork")
    (put,) = at(run, "items", "put")
    assert put.count == 60_000
    assert sum(use.count for use in run.uses if use.operation == "get") == 60_000
    assert sum(recorded.trace.sizes) < 60_000 * 5  # a record of each alone would be 64 bytes
    assert recorded.faults == []
