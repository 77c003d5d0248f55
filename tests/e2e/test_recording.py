"""Every task of a Pool or ProcessPoolExecutor is counted, at the user's line, whatever way it was submitted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.conftest import available_interpreters
from tests.e2e.running import PROGRAMS, Origin, Recorded, Runner, marked, repeated

if TYPE_CHECKING:
    from collections.abc import Callable

VERSIONS = list(available_interpreters())
FORK = [(version, "fork") for version in VERSIONS]
OTHER = [(VERSIONS[0], "spawn"), (VERSIONS[-1], "spawn"), (VERSIONS[len(VERSIONS) // 2], "forkserver")]
COMBINATIONS = list(dict.fromkeys(FORK + OTHER))
"""Each interpreter with fork, each start method with at least one interpreter."""


class Expected(NamedTuple):
    """What an origin at a marked line should say; the mark stands for the line."""

    mark: str
    method: str
    function: str
    tasks: int
    items: int
    failed: int = 0


POOLS = {
    "methods": [
        Expected("apply", "apply", "double", 1, 1),
        Expected("apply_async", "apply_async", "add", 1, 1),
        Expected("map", "map", "double", 8, 100),
        Expected("map_async", "map_async", "double", 8, 50),
        Expected("starmap", "starmap", "add", 5, 9),
        Expected("starmap_async", "starmap_async", "add", 7, 20),
        Expected("imap", "imap", "double", 30, 30),
        Expected("imap_unordered", "imap_unordered", "double", 40, 40),
    ],
    "chunks": [
        Expected("map-7", "map", "double", 15, 100),
        Expected("map-one", "map", "double", 1, 10),
        Expected("starmap-2", "starmap", "add", 5, 9),
        Expected("imap-10", "imap", "double", 4, 31),
        Expected("imap_unordered-31", "imap_unordered", "double", 1, 31),
    ],
    "failures": [
        Expected("call", "apply", "refuse", 1, 1, 1),
        Expected("call", "map", "refuse", 3, 6, 3),
        Expected("refuse-async", "apply_async", "refuse", 5, 5, 5),
        Expected("call", "apply", "unpicklable", 1, 1, 1),
        Expected("after-failures", "apply", "double", 1, 1),
    ],
    "callables": [
        Expected("partial", "map", "add", 8, 8),
        Expected("bound", "map", "Scale.times", 8, 8),
        Expected("instance", "map", "Scale", 8, 8),
        Expected("builtin", "map", "builtins:len", 8, 8),
        Expected("descriptor", "map", "builtins:str.upper", 8, 8),
        Expected("class", "map", "builtins:int", 8, 8),
    ],
    "set-up": [Expected("prepared", "map", "leave_a_thought", 20, 20)],
    "first": [Expected("first-map", "imap", "double", 10, 10)],
    "second": [Expected("second-map", "imap", "double", 20, 20)],
    "in-thread": [Expected("in-thread-map", "map", "double", 5, 10)] * 3,
    "nested": [Expected("nested-map", "map", "double", 6, 6)],
}
"""Pools of programs/pools.py by the mark of the line that makes them (three for "in-thread")."""

EXECUTORS = {
    "methods": [
        Expected("submit", "submit", "double", 1, 1),
        Expected("submit-keyword", "submit", "add", 1, 1),
        Expected("map", "map", "double", 30, 30),
        Expected("map-7", "map", "add", 8, 50),
        Expected("submit-many", "submit", "double", 20, 20),
    ],
    "failures": [
        Expected("refuse-submit", "submit", "refuse", 1, 1, 1),
        Expected("refuse-map", "map", "refuse", 1, 2, 1),
        Expected("unpicklable-result", "submit", "unpicklable", 1, 1, 1),
        Expected("after-failures", "submit", "double", 1, 1),
    ],
    "set-up": [Expected("prepared", "submit", "leave_a_thought", 12, 12)],
    "from-threads": [Expected("ask", "submit", "double", 12, 12)],
    "in-loop": [
        Expected("run_in_executor", "run_in_executor", "double", 1, 1),
        Expected("gather", "run_in_executor", "double", 5, 5),
    ],
    "outer": [Expected("outer-submit", "submit", "inner", 1, 1)],
    "nested": [Expected("nested-map", "map", "double", 6, 6)],
}


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], Recorded]:
    """Give a function that runs a program bare and recorded, once for all tests: program, version, method."""

    @cache
    def attempt(program: str, version: str, method: str) -> Recorded | Exception:
        runner = Runner(available_interpreters()[version], tmp_path_factory.mktemp(f"{program}-{version}-{method}"))
        shutil.copy(PROGRAMS / f"{program}.py", runner.directory)
        try:
            return runner.both(f"{program}.py", method)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return error

    def record(program: str, version: str, method: str) -> Recorded:
        recorded = attempt(program, version, method)
        if isinstance(recorded, Exception):
            raise recorded
        return recorded

    return record


@pytest.fixture(params=COMBINATIONS, ids="-".join)
def pools(recording, request) -> Recorded:
    return recording("pools", *request.param)


@pytest.fixture(params=COMBINATIONS, ids="-".join)
def executors(recording, request) -> Recorded:
    return recording("executors", *request.param)


def compare(recorded: Recorded, program: str, expected: dict[str, list[Expected]]) -> None:
    """Compare all pools with what is expected of them: sites, methods, functions and exact counts."""
    marks = marked(PROGRAMS / f"{program}.py")
    seen = {pool.site[1]: [] for pool in recorded.pools}
    for pool in recorded.pools:
        seen[pool.site[1]] += [origin for origin in pool.origins if origin.tasks]
    wanted = {marks[mark]: sorted(map(filled(marks), origins)) for mark, origins in expected.items()}
    assert {line: sorted(origins) for line, origins in seen.items() if line in wanted} == wanted


def filled(marks: dict[str, int]) -> Callable[[Expected], Origin]:
    def fill(wanted: Expected) -> Origin:
        function = wanted.function if ":" in wanted.function else f"__main__:{wanted.function}"
        return Origin(
            marks[wanted.mark], wanted.method, function, wanted.tasks, wanted.items, wanted.tasks, wanted.failed
        )

    return fill


def check_both_ends(recorded: Recorded) -> None:
    """Check that what the parent sent is what its workers received, task by task and byte by byte, and back."""
    for pool in recorded.pools:
        sent, collected = (
            table[table["pool"] == pool.record["id"]] for table in map(pool.segment.records, ("sent", "collected"))
        )
        assert recorded.worked(pool, "received") == sent["tasks"].sum()
        assert recorded.worked(pool, "received_bytes") == sent["bytes"].sum()
        assert recorded.worked(pool, "done") == collected["tasks"].sum()
        assert recorded.worked(pool, "result_bytes") == collected["bytes"].sum()


def test_all_methods_of_pool_are_counted_exactly(pools):
    compare(pools, "pools", POOLS)


def test_what_a_pool_sends_its_workers_receive(pools):
    check_both_ends(pools)


def test_pools_are_described(pools, request):
    marks = marked(PROGRAMS / "pools.py")
    method = request.node.callspec.params["pools"][1]
    program = str(pools.path.parents[1] / "pools.py")

    sites = repeated(pool.site[1] for pool in pools.pools)
    assert sites == {marks[mark]: 3 if mark == "in-thread" else 1 for mark in POOLS}, "a ThreadPool is none"
    assert {pool.site[0] for pool in pools.pools} == {program}
    assert {pool.segment.text(int(pool.record["method"])) for pool in pools.pools} == {method}
    assert len({pool.segment.header.uid for pool in pools.pools}) == 2, "one pool belongs to another process"
    assert all(pool.record["id"] in pool.segment.records("pool_end")["id"] for pool in pools.pools)

    prepared = pools.pool(marks["set-up"])
    assert (prepared.initializer, prepared.record["maxtasks"], prepared.record["workers"]) == ("__main__:prepare", 5, 2)
    assert len(pools.workers(prepared)) >= 4, "20 tasks are too many for three workers of at most 5"
    assert all(worker.records("worked")["received"] <= 5 for worker in pools.workers(prepared))


def test_processes_are_described(pools, request):
    method = request.node.callspec.params["pools"][1]
    parents = {pool.segment.header.pid for pool in pools.pools}
    for pool in pools.pools:
        for worker in pools.workers(pool):
            (ready,) = worker.records("ready")
            assert worker.text(int(ready["method"])) == method
            assert ready["logical_ppid"] == pool.segment.header.pid in parents
            assert len(worker.records("first")) == 1
    assert pools.faults == []
    assert pools.trace.losses == ()


def test_all_methods_of_executor_are_counted_exactly(executors):
    compare(executors, "executors", EXECUTORS)


def test_what_an_executor_sends_its_workers_receive(executors):
    check_both_ends(executors)
    assert executors.faults == []
    assert executors.trace.losses == ()


def test_executors_are_described(executors, request):
    marks = marked(PROGRAMS / "executors.py")
    version, method = request.node.callspec.params["executors"]

    sites = repeated(pool.site[1] for pool in executors.pools)
    assert sites == {marks[mark]: 1 for mark in [*EXECUTORS, "cancelled"]}
    prepared = executors.pool(marks["set-up"])
    limited = method != "fork" and version != "3.10"
    assert (prepared.initializer, prepared.record["maxtasks"]) == ("__main__:prepare", 4 if limited else 0)
    # Three workers do four tasks each; a fourth may be started for nothing.
    assert len(executors.workers(prepared)) in ((3, 4) if limited else (1,))


def test_cancelled_calls_are_not_counted(executors):
    marks = marked(PROGRAMS / "executors.py")
    not_cancelled = int((executors.path.parents[1] / "not-cancelled").read_text())

    pool = executors.pool(marks["cancelled"])

    assert {origin.line: origin.tasks for origin in pool.origins if origin.tasks} == {
        line: tasks for line, tasks in {marks["blocking"]: 1, marks["waiting"]: not_cancelled}.items() if tasks
    }


INLINE = """\
import math, multiprocessing
pool = multiprocessing.Pool(1)
print(sum(pool.map(math.sqrt,
                   [4.0] * 10, 1)))
pool.close()
pool.join()
"""


@pytest.fixture
def runner(tmp_path) -> Runner:
    return Runner(sys.executable, tmp_path)


@pytest.mark.parametrize("way", ["-c", "-", "-m package", "-m package.module", "directory", "script"])
def test_sites_are_the_users_lines_however_python_is_started(runner, way):
    for name in ("package", "directory"):
        (runner.directory / name).mkdir()
        for file in ("__main__.py", "module.py", "__init__.py"):
            (runner.directory / name / file).write_text("" if file == "__init__.py" else INLINE)
    (runner.directory / "script").write_text(INLINE)
    files = {
        "-c": "<string>",
        "-": "<stdin>",
        "-m package": "package/__main__.py",
        "directory": "directory/__main__.py",
    }

    if way == "-":
        recorded = runner.both("-", input=INLINE)
    else:
        recorded = runner.both(*(["-c", INLINE] if way == "-c" else way.split()))

    (pool,) = recorded.pools
    expected = files.get(way, way.removeprefix("-m ").replace(".module", "/module.py"))
    assert pool.site[0].removeprefix(f"{runner.directory}/") == expected
    assert pool.site[1:] == (2, "<module>")
    assert pool.origins == (Origin(3, "map", "math:sqrt", 10, 10, 10, 0),)
