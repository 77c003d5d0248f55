"""The bytes recorded of queues, pipes and managers are those that strace saw the kernel pass on."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict

import pytest

from mpdiag.model.build import build_run
from mpdiag.trace.reader import read_trace
from tests.e2e.kernel import NotFramedError, framed, inode, read_calls, under

TOLERANCE = 0.001
"""The promise."""
PROGRAMS = {
    "queue": """\
def produce(queue, count):
    for number in range(count):
        queue.put(bytes(number % 700))


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue, count = context.Queue(), 1500
    process = context.Process(target=produce, args=(queue, count))
    process.start()
    for _ in range(count):
        queue.get()
    process.join()
""",
    "pipe": """\
def answer(pipe):
    while (asked := pipe.recv()) is not None:
        pipe.send(asked * 2)


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    here, there = context.Pipe()
    process = context.Process(target=answer, args=(there,))
    process.start()
    for number in range(1000):
        here.send(bytes(number % 900))
        here.recv()
    here.send(None)
    process.join()
""",
    "manager": """\
def fill(shared):
    for number in range(2000):
        shared[number % 10] = "x" * 2000


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Manager() as manager:
        shared = manager.dict()
        process = context.Process(target=fill, args=(shared,))
        process.start()
        process.join()
        fill(shared)
""",
}


@pytest.fixture
def observed(strace, tmp_path):
    """Run a program recorded and observed: the run, and the sizes of the messages written, by inode."""

    def observe(kind, interpreter, method):
        program, packed, calls = tmp_path / "program.py", tmp_path / "run.mpdiag", tmp_path / "calls"
        program.write_text("import multiprocessing\nimport sys\n\n\n" + PROGRAMS[kind], encoding="utf-8")
        calls.mkdir()
        command = [sys.executable, "-m", "mpdiag", "run", "--quiet", "-o", str(packed), "--"]
        command += [*under(strace, calls), interpreter, str(program), method]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
        return build_run(read_trace(str(packed))), sizes(calls)

    return observe


def sizes(calls):
    found = defaultdict(list)
    for where, pipe in read_calls(calls).items():
        for writes in pipe.writes.values():
            found[inode(where)] += messages_of(writes)
    return found


def messages_of(writes):
    try:
        return framed(writes)
    except NotFramedError:
        return []  # the resource tracker's pipe, a fork server's socket


def total(run, operation):
    found = defaultdict(lambda: [0, 0])
    for use in run.uses:
        if use.operation == operation:
            found[use.object][0] += use.count
            found[use.object][1] += use.bytes
    return found


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_queue(observed, interpreter, method):
    run, messages = observed("queue", interpreter, method)
    ((queue, (count, size)),) = total(run, "put").items()
    assert count == len(messages[queue]) == 1500
    assert size == pytest.approx(sum(messages[queue]), rel=TOLERANCE)
    assert total(run, "get")[queue] == [count, size]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pipe(observed, interpreter, method):
    run, messages = observed("pipe", interpreter, method)
    sent = total(run, "send")
    assert sorted(count for count, _ in sent.values()) == [1000, 1001]
    for end, (count, size) in sent.items():
        assert count == len(messages[end])
        assert size == pytest.approx(sum(messages[end]), rel=TOLERANCE)


def test_manager(observed, interpreter):
    run, messages = observed("manager", interpreter, "fork")
    (count, size) = (sum(column) for column in zip(*total(run, "__setitem__").values(), strict=True))
    # Beside the calls there are the handshakes of two connections, and who refers to what: some 65 small messages.
    passed = [size for sent in messages.values() for size in sent]
    assert count == 4000
    assert 2 * count <= len(passed) <= 2 * count + 80
    assert size == pytest.approx(sum(passed), rel=TOLERANCE)
