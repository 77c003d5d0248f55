"""The recorded bytes and counts are what went through the kernel: strace sees every write to a pool's pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.kernel import NotFramedError, Pipe, framed, read_calls, under

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """\
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor


def double(item):
    return item * 2


if __name__ == "__main__":
    kind, method, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    items = [index.to_bytes(size, "big") for index in range(count)]
    context = multiprocessing.get_context(method)
    if kind == "Pool":
        pool = context.Pool(2)
        assert sum(map(len, pool.imap(double, items))) == 2 * count * size
        pool.close()
        pool.join()
    else:
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            assert sum(map(len, executor.map(double, items))) == 2 * count * size
"""

TOLERANCE = 0.001
"""The promise on payload bytes."""
CONTROL_BYTES = 17
"""A pickled None (a sentinel) or process id (a worker that leaves an executor): no task or result is this small."""


def tasks_and_results(pipes: dict[str, Pipe]) -> tuple[list[int], list[int]]:
    """Find the pipe that both workers read from, and the one that these write to; give the sizes of their messages."""
    framed_pipes = [(pipe, sizes) for pipe in pipes.values() if (sizes := messages(pipe))]
    ((task_pipe, tasks),) = [(pipe, sizes) for pipe, sizes in framed_pipes if len(pipe.readers) == 2]
    (results,) = [sizes for pipe, sizes in framed_pipes if pipe.writes.keys() & task_pipe.readers]
    return tasks, results


def messages(pipe: Pipe) -> list[int]:
    """Give the payload sizes of a pipe's messages, without control messages; none if it carries something else."""
    try:
        sizes = [size for writes in pipe.writes.values() for size in framed(writes)]
    except NotFramedError:
        return []  # the resource tracker's pipe, say
    return [size for size in sizes if size > CONTROL_BYTES]


@pytest.mark.parametrize("tasks", [("1500", "4"), ("20", "200000")], ids=["chatty", "big"])
@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
def test_recorded_bytes_are_the_kernels(strace, interpreter, kind, tasks, tmp_path):
    compare(strace, [interpreter, kind, "fork", *tasks], tmp_path)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
def test_recorded_bytes_are_the_kernels_under_every_start_method(strace, kind, method, tmp_path):
    compare(strace, [sys.executable, kind, method, "300", "300"], tmp_path)


def compare(strace: str, run: list[str], place: Path) -> None:
    # GIVEN a program recorded by mpdiag and observed by strace
    interpreter, *arguments = run
    program, packed, calls = place / "program.py", place / "run.mpdiag", place / "calls"
    program.write_text(PROGRAM, encoding="utf-8")
    calls.mkdir()
    observed = [*under(strace, calls), interpreter, str(program), *arguments]
    mpdiag = [sys.executable, "-m", "mpdiag"]
    recorded = [*mpdiag, "run", "--quiet", "-o", str(packed), "--", *observed]
    finished = subprocess.run(recorded, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    assert finished.returncode == 0, finished.stderr

    # WHEN the report is read
    said = subprocess.run(
        [*mpdiag, "report", str(packed), "--format", "json"], capture_output=True, text=True, check=True
    )
    (pool,) = json.loads(said.stdout)["pools"]

    # THEN its counts are exact, and its bytes those that the kernel passed on
    tasks, results = tasks_and_results(read_calls(calls))
    assert pool["tasks"] == len(tasks) == len(results) == int(arguments[2])
    assert pool["items"] == int(arguments[2])
    assert pool["argument_bytes"] + pool["callable_bytes"] == pytest.approx(sum(tasks), rel=TOLERANCE)
    assert pool["result_bytes"] == pytest.approx(sum(results), rel=TOLERANCE)
