"""Every acquisition of a lock of the user's is counted at the user's line; waiting and holding are found at theirs."""

from __future__ import annotations

import shutil
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.conftest import available_interpreters
from tests.e2e.running import PROGRAMS, Recorded, Runner, marked

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = ("fork", "spawn", "forkserver")
COMBINATIONS = [(version, method) for version in available_interpreters() for method in METHODS]
PROGRAM = PROGRAMS / "locks.py"
MARKS = marked(PROGRAM)
HOLD_NS = 0.3e9


class Uses(NamedTuple):
    """What all processes have done at one line to locks of one type."""

    acquired: int
    contended: int
    waited: int
    held: int
    timed: int
    objects: frozenset[int]


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Callable[[str, str], Recorded]:
    """Give a function that runs the program bare and recorded, once for all tests; both must say the same."""

    @cache
    def record(version: str, method: str) -> Recorded:
        runner = Runner(available_interpreters()[version], tmp_path_factory.mktemp(f"locks-{version}-{method}"))
        shutil.copy(PROGRAM, runner.directory)
        return runner.both("locks.py", method)

    return record


@pytest.fixture(params=COMBINATIONS, ids="-".join)
def recorded(recording, request) -> Recorded:
    return recording(*request.param)


def uses(recorded: Recorded, mark: str, kind: str, operation: str = "acquire") -> Uses:
    found = [
        record
        for segment in recorded.programs
        for record in segment.records("lock")
        if segment.site(int(record["site"]))[1] == MARKS[mark]
        and segment.text(int(record["type"])) == kind
        and segment.text(int(record["operation"])) == operation
    ]
    totals = {name: sum(int(record[name]) for record in found) for name in Uses._fields[:-1]}
    return Uses(**totals, objects=frozenset(int(record["object"]) for record in found))


@pytest.mark.parametrize(
    ("mark", "kind", "acquired"),
    [
        ("lock-with", "Lock", 100),
        ("lock-acquire", "Lock", 70),
        ("rlock-with", "RLock", 30),
        ("rlock-again", "RLock", 0),
        ("rlock-thrice", "RLock", 0),
        ("semaphore", "Semaphore", 20),
        ("bounded", "BoundedSemaphore", 20),
        ("value", "Value lock", 80),
        ("get_lock", "Value lock", 50),
        ("value-inside", "Value lock", 0),
        ("with-value", "Value lock", 60),
        ("array", "Value lock", 20),
        ("with-arguments", "Lock", 1),
        ("threads", "Lock", 5000),
        ("taken-here", "Lock", 3),
        ("condition-with", "Condition", 1),
        ("condition-acquire", "Condition", 1),
        ("condition-own", "Condition", 1),
    ],
)
def test_acquisitions_are_counted_exactly(recorded, mark, kind, acquired):
    assert uses(recorded, mark, kind).acquired == acquired


def test_nothing_is_lost(recorded):
    assert recorded.faults == []


def test_waiting_is_found_where_it_waits_and_holding_where_it_holds(recorded):
    waiting, holding = uses(recorded, "contended", "Lock"), uses(recorded, "hold", "Lock")

    assert (waiting.acquired, waiting.contended) == (1, 1)
    assert 0.5 * HOLD_NS < waiting.waited < 3 * HOLD_NS
    assert (holding.acquired, holding.timed) == (1, 1)
    assert HOLD_NS * 0.99 < holding.held < 3 * HOLD_NS
    assert waiting.objects == holding.objects
    assert len(waiting.objects) == 1
    assert 0 not in waiting.objects


def test_a_contended_wait_is_an_event(recorded):
    (event,) = (
        event
        for segment in recorded.programs
        for event in segment.records("event")
        if segment.site(int(event["site"]))[1] == MARKS["contended"] and segment.text(int(event["type"])) == "Lock"
    )
    assert event["object"] in uses(recorded, "contended", "Lock").objects
    assert event["blocked"] == pytest.approx(uses(recorded, "contended", "Lock").waited)
    assert event["busy"] == pytest.approx(uses(recorded, "contended", "Lock").held)


def test_one_lock_is_one_object_in_all_processes(recorded):
    (lock,) = uses(recorded, "lock-with", "Lock").objects
    for mark in ("lock-acquire", "contended", "threads"):
        assert uses(recorded, mark, "Lock").objects == {lock}
    (value,) = uses(recorded, "value", "Value lock").objects
    assert uses(recorded, "get_lock", "Value lock").objects == {value}


def test_waits_without_success_count_as_waits(recorded):
    for mark in ("killed", "interrupted"):
        waiting = uses(recorded, mark, "Lock")
        assert (waiting.acquired, waiting.contended) == (0, 1)
        assert HOLD_NS * 0.9 < waiting.waited < 3 * HOLD_NS
    waiting = uses(recorded, "timeout", "Lock")
    assert (waiting.acquired, waiting.contended) == (0, 1)


def test_what_another_process_releases_is_not_timed(recorded):
    assert uses(recorded, "taken-here", "Lock").timed == 0


def test_a_semaphore_is_not_timed(recorded):
    assert uses(recorded, "semaphore", "Semaphore").timed == 0


@pytest.mark.parametrize(
    ("mark", "kind"), [("condition-wait", "Condition"), ("event-wait", "Event"), ("child-waits", "Event")]
)
def test_waiting_for_others_is_told_from_contention(recorded, mark, kind):
    waiting = uses(recorded, mark, kind, "wait")

    assert waiting.acquired == 1 or (mark == "child-waits" and waiting.acquired == 0)  # that may come too late
    assert waiting.contended >= 1
    assert waiting.waited > 0
    assert waiting.held == waiting.timed == 0
    assert waiting.objects == uses(recorded, mark, kind).objects


def test_a_barrier_is_waited_for_by_one_of_two(recorded):
    arrivals = uses(recorded, "barrier", "Barrier", "wait"), uses(recorded, "child-waits", "Barrier", "wait")

    assert sum(arrival.contended for arrival in arrivals) >= 1
    assert uses(recorded, "barrier", "Condition").acquired == 0


def test_shared_memory_is_recorded(recorded):
    found = [
        (segment.text(int(record["name"])), segment.text(int(record["action"])), segment.site(int(record["site"]))[1])
        for segment in recorded.programs
        for record in segment.records("memory")
    ]
    (block,) = (name for name, action, line in found if (action, line) == ("create", MARKS["create"]))
    # The child's own are recorded by another process, in no order with the parent's.
    assert sorted(entry[1:] for entry in found if entry[0] == block) == sorted(
        [
            ("create", MARKS["create"]),
            ("attach", MARKS["attach"]),
            ("close", MARKS["close"]),
            ("close", MARKS["unlink"] - 2),
            ("unlink", MARKS["unlink"]),
        ]
    )
    (listed,) = (name for name, action, line in found if (action, line) == ("create", MARKS["shareable"]))
    assert [action for name, action, _ in found if name == listed] == ["create", "close", "unlink"]
    sizes = {int(record["size"]) for segment in recorded.programs for record in segment.records("memory")}
    assert 5000 in sizes
