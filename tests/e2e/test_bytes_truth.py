"""The recorded bytes and counts are what went through the kernel: strace sees every write to a pool's pipes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

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

CALL = re.compile(r'(read|write)\(\d+<([^>]+)>, "([^"]*)"(?:\.\.\.)?, \d+\) = (\d+)')


class NotFramedError(ValueError):
    """What was written is not a Connection's stream of messages."""


@dataclass
class Pipe:
    """What went through one pipe: by thread, the first bytes and the length of every write, and who read."""

    writes: dict[str, list[tuple[bytes, int]]] = field(default_factory=lambda: defaultdict(list))
    readers: set[str] = field(default_factory=set)


def framed(writes: list[tuple[bytes, int]]) -> list[int]:
    """Decode one thread's writes: every message is 4 bytes of length, big endian, and then the payload."""
    sizes: list[int] = []
    left = 0
    for start, length in writes:
        if not left:
            size = int.from_bytes(start[:4], "big", signed=True)
            left = size + 4
            sizes.append(size)
        left -= length
        if left < 0 or sizes[-1] < 0:
            raise NotFramedError
    if left:
        raise NotFramedError
    return sizes


def read_calls(directory: Path) -> dict[str, Pipe]:
    """Read strace's files, one for each thread, into pipes by name, pipe:[inode]."""
    pipes: dict[str, Pipe] = defaultdict(Pipe)
    for path in directory.iterdir():
        for name, file, start, length in CALL.findall(path.read_text(encoding="ascii")):
            where = in_hex(file).decode() if file.startswith("\\x") else file  # strace 6.1 has file names in hex, too
            if name == "read":
                pipes[where].readers.add(path.suffix)
            else:
                pipes[where].writes[path.suffix].append((in_hex(start), int(length)))
    return {where: pipe for where, pipe in pipes.items() if where.startswith("pipe:")}


def in_hex(text: str) -> bytes:
    """Decode what strace -xx prints: two digits for each byte, after a backslash and an x."""
    return bytes.fromhex(text.replace("\\x", ""))


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


@pytest.fixture(scope="session")
def strace() -> str:
    found = shutil.which("strace")
    if not found:
        pytest.skip("strace is not installed")
    tried = subprocess.run([found, "-f", "--seccomp-bpf", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace does not work here: {tried.stderr.strip()}")
    return found


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
    observed = [strace, "-ff", "--seccomp-bpf", "-yy", "-xx", "-s", "12", "-e", "trace=read,write", "-e", "signal=none"]
    observed += ["-o", str(calls / "of"), interpreter, str(program), *arguments]
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
