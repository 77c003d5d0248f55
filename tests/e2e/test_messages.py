"""Queues and pipes: every message is counted, at the user's line, and the program behaves as without mpdiag."""

from __future__ import annotations

from collections import defaultdict

import pytest

from mpdiag.model.build import build_run
from tests.conftest import available_interpreters
from tests.e2e.running import PROGRAMS, Runner, marked

MESSAGES = PROGRAMS / "messages.py"
VERSIONS = list(available_interpreters())
FORK = [(version, "fork") for version in VERSIONS]
OTHER = [(VERSIONS[0], "spawn"), (VERSIONS[-1], "spawn"), (VERSIONS[len(VERSIONS) // 2], "forkserver")]
COMBINATIONS = list(dict.fromkeys(FORK + OTHER))
EXPECTED = {
    ("Queue", "put", "put"): 200,
    ("Queue", "put", "put-nowait"): 5,
    ("Queue", "put", "threads"): 2000,
    ("Queue", "get", "get"): 200,
    ("Queue", "get", "get-timeout"): 5,
    ("SimpleQueue", "put", "simple-put"): 1,
    ("SimpleQueue", "get", "done-get"): 1,
    ("JoinableQueue", "put", "task-put"): 20,
    ("JoinableQueue", "get", "task-get"): 21,
    ("Connection", "recv", "recv"): 301,
    ("Connection", "send", "send"): 300,
    ("Connection", "send", "send-bytes"): 1,
    ("Connection", "send", "ask"): 300,
    ("Connection", "recv", "answered"): 300,
    ("Connection", "recv", "recv-bytes"): 1,
}


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def recorded(request, tmp_path_factory):
    version, method = request.param
    runner = Runner(available_interpreters()[version], tmp_path_factory.mktemp("messages"))
    return runner.both(str(MESSAGES), method)


@pytest.fixture(scope="module")
def uses(recorded):
    return build_run(recorded.trace).uses


def test_every_message_is_counted_at_its_line(uses):
    marks = {line: mark for mark, line in marked(MESSAGES).items()}
    found = defaultdict(int)
    for use in uses:
        if use.site.file == str(MESSAGES) and use.site.line in marks:
            found[use.kind, use.operation, marks[use.site.line]] += use.count
    assert {key: found[key] for key in EXPECTED} == EXPECTED


def test_what_is_put_is_what_is_got(uses):
    sizes = defaultdict(lambda: [0, 0, 0, 0])
    for use in uses:
        if use.operation in {"put", "get"}:
            row = sizes[use.kind, use.object]
            row[0 if use.operation == "put" else 2] += use.count
            row[1 if use.operation == "put" else 3] += use.bytes
    assert sizes
    for put, put_bytes, got, got_bytes in sizes.values():
        assert (put, put_bytes) == (got, got_bytes)


def test_nothing_of_the_librarys_is_taken_for_the_users(uses):
    assert {use.site.file for use in uses} <= {str(MESSAGES)}


def test_waiting_is_told(uses):
    marks = marked(MESSAGES)
    (empty,) = (use for use in uses if use.site.line == marks["empty"])
    assert empty.count == 0
    assert empty.blocked_s >= 0.05


def test_answers_are_told_from_other_messages(uses):
    marks = marked(MESSAGES)
    (answered,) = (use for use in uses if use.site.line == marks["answered"] and use.operation == "recv")
    assert answered.timed == 300
    assert answered.busy_s >= answered.blocked_s


def test_no_hook_failed(recorded):
    assert recorded.faults == []


def test_what_c_calls_itself_has_no_line_and_is_done_all_the_same(interpreter, tmp_path):
    recorded = Runner(interpreter, tmp_path).both(str(PROGRAMS / "frameless.py"))
    uses = [use for use in build_run(recorded.trace).uses if not use.site.line and use.count]
    found = {(use.kind, use.operation): use.count for use in uses}
    assert found == {
        ("Queue", "put"): 1,
        ("SimpleQueue", "put"): 1,
        ("Connection", "send"): 2,
        ("Connection", "recv"): 1,
    }
    assert recorded.faults == []
