"""Writes a large run as the probe would have: ``synthetic.py DIRECTORY TASKS PARENT_SHIFT WORKER_SHIFT``.

One ``Pool.imap`` with chunks of one item, a task of 80 us every 30 us, four workers, every record through
``SegmentWriter``. Of the tasks the parent times one in 2**PARENT_SHIFT, a worker one in 2**WORKER_SHIFT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(CHECKOUT))

from mpdiag.wire import header  # noqa: E402 - found through the line above
from mpdiag.wire.format import CAUSES  # noqa: E402
from mpdiag.wire.segment import SegmentWriter  # noqa: E402

WORKERS = 4
PARENT = 1000
"""Its pid; the workers' follow."""
CHANNEL = 4711
EPOCH = 1_700_000_000_000_000_000
BEGIN = 1_000_000_000
"""``perf_counter_ns`` of the launch."""
FIRST = BEGIN + 100_000_000
"""And of the first task."""
EVERY, TO_WORKER, TO_PARENT = 30_000, 15_000, 20_000
DUMP, WRITE, LOAD, RUN, HANDLE = 3_000.0, 2_000.0, 2_000.0, 80_000.0, 3_000.0
BYTES, RESULT = 60, 40
JOB = 1
SOURCE = "/home/user/slow.py"


def create(directory: Path, pid: int, cause: str, perf_ns: int) -> SegmentWriter:
    """Begin the segment of a process that does not exist."""
    uid = pid.to_bytes(8, "big")
    head = header.fields(CAUSES.index(cause), pid, perf_ns, uid)
    if pid == PARENT:
        head.update(ppid=1)
    else:
        head.update(ppid=PARENT, parent_uid=PARENT.to_bytes(8, "big"))
    head.update(python=0x030B07F0, time_ns=EPOCH + perf_ns - BEGIN, argv=f"python {SOURCE}".encode())
    name = header.identity(pid, perf_ns, uid)
    raw = header.encode(**head)
    header.create(str(directory), name, raw)
    writer = SegmentWriter(str(directory), 0, (name, raw))
    writer.put("cost", 0, 0, 300.0, 2500.0)
    return writer


def written(index: int) -> int:
    """Say when the parent had written task ``index``."""
    return FIRST + index * EVERY + round(DUMP + WRITE)


def done(index: int) -> int:
    """Say when its worker had written the result."""
    return written(index) + TO_WORKER + round(LOAD + RUN + DUMP + WRITE)


def timed(index: int, shift: int) -> bool:
    """Say whether one in 2**shift hits this task; spread as the probe spreads them (``probe/sampling.py``)."""
    return index * 40503 & 0xFFFF < 0x10000 >> shift


def write_parent(directory: Path, tasks: int, shift: int) -> None:
    """Write the program's own segment."""
    writer = create(directory, PARENT, "exec", BEGIN + 10_000_000)
    text = writer.text
    site = writer.site(SOURCE, 12, "main")
    pool, origin = text(f"pool {CHANNEL}"), text("origin 1")
    for identity in range(1, WORKERS + 1):
        writer.put("start", BEGIN + 50_000_000, identity, site, text("fork"), text(f"ForkPoolWorker-{identity}"))
    times = (BEGIN + 49_000_000, BEGIN + 60_000_000)
    writer.put("pool", *times, CHANNEL, pool, site, WORKERS, 0, text("fork"), 0, 40_000_000)
    writer.put("origin", origin, pool, site, text("__main__:work"), text("imap"))
    writer.put("job", FIRST, JOB, origin, tasks, 1)
    writer.live("sent", tasks, tasks, tasks * BYTES, 0, pool, origin)
    writer.live("collected", tasks, tasks * RESULT, 0, 0, pool, origin)
    put = writer.put
    for index in range(tasks):
        if timed(index, shift):
            begin = FIRST + index * EVERY
            stamps = (FIRST, begin, DUMP, WRITE)
            put("send", *stamps, JOB, index, BYTES, 20, 1, origin, EVERY - DUMP - WRITE, weight=shift)
            put("collect", done(index) + TO_PARENT, LOAD, HANDLE, JOB, index, RESULT, pool, origin, weight=shift)
    ended = done(tasks) + 10_000_000
    writer.put("pool_end", ended, ended + 10_000_000, pool, ended)
    complain(writer)


def write_worker(directory: Path, number: int, tasks: int, shift: int) -> None:
    """Write the segment of worker ``number`` (from 0), which does every fourth task."""
    begin = BEGIN + 52_000_000 + number * 1_000_000
    writer = create(directory, PARENT + 1 + number, "fork", begin)
    name, method = writer.text(f"ForkPoolWorker-{number + 1}"), writer.text("fork")
    writer.put("ready", begin + 1_000_000, number + 1, 1, name, method, CHANNEL, PARENT, 0)
    writer.put("first", begin + 2_000_000, 1_000_000)
    own = range(number, tasks, WORKERS)
    writer.live("worked", len(own), len(own) * BYTES, len(own), len(own) * RESULT, CHANNEL)
    asked = begin + 2_000_000
    put = writer.put
    for index in own:
        if timed(index, shift):
            spans = (written(index) + TO_WORKER - asked, LOAD, RUN, DUMP, WRITE, RUN)
            put("work", asked, *spans, JOB, index, BYTES, RESULT, weight=shift)
        asked = done(index)
    complain(writer)


def complain(writer: SegmentWriter) -> None:
    """Exit when the segment could not hold all: the run would not be the one that was asked for."""
    if writer.dropped:
        sys.exit(f"synthetic.py: {writer.dropped} records do not fit a segment; use a larger shift")


def write_run(directory: Path, tasks: int, parent_shift: int, worker_shift: int) -> None:
    """Write the whole run into a new directory."""
    (directory / "segments").mkdir(parents=True)
    ended = done(tasks) + 50_000_000
    meta: dict[str, Any] = {
        "format": 1, "mpdiag": "0", "command": ["python", SOURCE], "cwd": "/home/user", "cpus_usable": WORKERS,
        "perf_ns": BEGIN, "time_ns": EPOCH, "pid": PARENT, "budget": 0.02, "uninstrumented": [],
        "end": {"perf_ns": ended, "status": 0, "cpu_ns": 4 * ended, "maxrss": 1 << 27},
    }  # fmt: skip
    (directory / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    write_parent(directory, tasks, parent_shift)
    for number in range(WORKERS):
        write_worker(directory, number, tasks, worker_shift)


if __name__ == "__main__":
    write_run(Path(sys.argv[1]), *map(int, sys.argv[2:]))
