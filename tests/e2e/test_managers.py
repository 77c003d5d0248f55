"""Managers: every call is counted at the user's line and in the server, and the program behaves as without mpdiag."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from mpdiag.wire.format import ROLES
from tests.conftest import available_interpreters
from tests.e2e.running import PROGRAMS, Runner, marked

MANAGERS = PROGRAMS / "managers.py"
VERSIONS = list(available_interpreters())
METHODS = ("fork", "spawn", "forkserver")

ACCOUNT, QUEUE = "AutoProxy[Account]", "AutoProxy[Queue]"
EXPECTED = {
    ("visit-set", "DictProxy", "__setitem__"): 80,
    ("visit-lock", "AcquirerProxy", "acquire"): 30,
    ("visit-lock", "AcquirerProxy", "release"): 30,
    ("visit-value", "ValueProxy", "get"): 30,
    ("visit-value", "ValueProxy", "set"): 30,
    ("visit-append", "ListProxy", "append"): 2,
    ("visit-put", QUEUE, "put"): 50,
    ("visit-state", "NamespaceProxy", "__setattr__"): 2,
    ("visit-deposit", ACCOUNT, "deposit"): 2,
    ("visit-remote", ACCOUNT, "deposit"): 20,
    ("thread-deposit", ACCOUNT, "deposit"): 60,
    ("get", QUEUE, "get"): 50,
    ("empty", QUEUE, "empty"): 1,
    ("event-set", "EventProxy", "set"): 1,
    ("event-wait", "EventProxy", "wait"): 1,
    ("event-wait", "EventProxy", "is_set"): 1,
    ("extend", "ListProxy", "extend"): 1,
    ("names", "ListProxy", "__getitem__"): 5,
    ("names", "ListProxy", "__len__"): 2,
    ("names", "ListProxy", "#GETVALUE"): 1,
    ("totals", "ValueProxy", "get"): 1,
    ("totals", "NamespaceProxy", "__getattribute__"): 1,
    ("totals", ACCOUNT, "total"): 2,
    ("table", "DictProxy", "values"): 1,
    ("table", "DictProxy", "__iter__"): 1,
    ("table", "IteratorProxy", "__next__"): 81,
    ("refuse", ACCOUNT, "refuse"): 1,
    ("missing", "DictProxy", "__getitem__"): 1,
    ("unpicklable", ACCOUNT, "unpicklable"): 1,
    ("nest", "DictProxy", "__setitem__"): 1,
    ("nested-set", "DictProxy", "__getitem__"): 10,
    ("nested-set", "DictProxy", "__setitem__"): 10,
    ("nested-get", "DictProxy", "__getitem__"): 20,
    ("nested-get", "ListProxy", "__getitem__"): 10,
}
"""Calls by (mark of the line, proxy's type, method)."""
SERVED = {
    ("dict", "__setitem__"): 91,
    ("dict", "__getitem__"): 31,
    ("dict_keyiterator", "__next__"): 81,
    ("lock", "acquire"): 30,
    ("Value", "set"): 30,
    ("list", "__getitem__"): 15,
    ("Queue", "put"): 50,
    ("Namespace", "__setattr__"): 2,
    ("Event", "set"): 1,
    ("Account", "deposit"): 82,
}


@pytest.fixture(scope="module", params=[(version, method) for version in VERSIONS for method in METHODS], ids="-".join)
def recorded(request, tmp_path_factory):
    version, method = request.param
    runner = Runner(available_interpreters()[version], tmp_path_factory.mktemp("managers"))
    return runner.both(str(MANAGERS), "calls", method)


def uses(recorded):
    """All lines' counters, and the segments that hold them."""
    return [(segment, use) for segment in recorded.programs for use in segment.records("use")]


def test_every_call_is_counted_at_its_line(recorded):
    marks = {line: mark for mark, line in marked(MANAGERS).items()}
    found = defaultdict(int)
    for segment, use in uses(recorded):
        file, line, _ = segment.site(int(use["site"]))
        operation = segment.text(int(use["operation"]))
        if operation != "connect":
            assert file == str(MANAGERS)
            found[marks[line], segment.text(int(use["type"])), operation] += int(use["count"])
    assert found == EXPECTED
    assert recorded.faults == []
    assert recorded.trace.losses == ()


def test_what_clients_call_servers_serve(recorded):
    called, served, kinds = defaultdict(lambda: [0, 0]), defaultdict(lambda: [0, 0]), defaultdict(int)
    for segment, use in uses(recorded):
        method = segment.text(int(use["operation"]))
        if method != "connect":
            add(called[int(use["object"]), method], use["count"], use["bytes"])
            assert use["blocked"] > use["busy"]
            assert 0 < use["timed"] <= use["count"]
    for segment in recorded.programs:
        for one in segment.records("served"):
            method = segment.text(int(one["method"]))
            add(served[int(one["object"]), method], one["calls"], one["received"] + one["sent"])
            kinds[segment.text(int(one["type"])), method] += int(one["calls"])
            assert one["busy"] > 0
    assert called == served
    assert len({manager for manager, _ in served}) == 3
    assert {key: kinds[key] for key in SERVED} == SERVED


def add(sums, count, size):
    sums[0] += int(count)
    sums[1] += int(size)


def test_servers_are_told_from_other_processes(recorded):
    roles = [
        (ROLES[int(ready["role"])], bool(len(segment.records("served"))))
        for segment in recorded.programs
        for ready in segment.records("ready")
    ]
    assert sorted(roles) == [("manager", True)] * 3 + [("program", False)] * 2


def test_every_process_and_thread_connects_to_every_manager(recorded):
    connects = [use for segment, use in uses(recorded) if segment.text(int(use["operation"])) == "connect"]
    # Each visitor to two managers; the program to three, and its three threads to one.
    assert sum(int(use["count"]) for use in connects) == 2 * 2 + 3 + 3
    assert all(use["blocked"] > 0 for use in connects)


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_server_is_met_as_without_mpdiag(interpreter, tmp_path, method):
    recorded = Runner(interpreter, tmp_path).both(str(MANAGERS), "killed", method)
    counts = defaultdict(int)
    for segment, use in uses(recorded):
        counts[segment.text(int(use["operation"]))] += int(use["count"])
    assert (counts["__getitem__"], counts["get"]) == (1, 1), "what could not be sent is no call"
    assert recorded.faults == []


FRAME = re.compile(
    r'^  File "[^"]*(?:mpdiag|multiprocessing/connection\.py)[^"]*", line \d+.*\n(?:    .*\n)*', re.MULTILINE
)


def test_pickling_errors_show_one_frame_of_the_probe_at_most(interpreter, tmp_path):
    runner = Runner(interpreter, tmp_path)
    program = runner.directory / "program.py"  # the path of the checkout may have mpdiag's name in it
    program.write_text(MANAGERS.read_text())

    bare = runner.bare("program.py", "errors", "fork")
    outcome, recorded = runner.recorded("program.py", "errors", "fork")

    assert FRAME.sub("", outcome.out) == FRAME.sub("", bare.out)
    assert (outcome.status, outcome.err) == (bare.status, bare.err)
    assert bare.out.count("Traceback") == 5
    assert all(part.count("mpdiag") <= 1 for part in outcome.out.split("Traceback"))
    assert recorded.faults == []
