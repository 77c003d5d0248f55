"""Runs of programs without pools, for tests: what their live counters would say, with the costs measured on Linux.

Every maker gives the run of one small program, as slow as its rule's problem; what is given by name makes it another.
The target is process 0 and pid 1000; what each process computes, waits for and passes on adds up to its life.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mpdiag.model.run import Block, LockUse, Meta, Process, Run, Served, Site, Use

if TYPE_CHECKING:
    from collections.abc import Sequence

BEFORE_S = 0.05
"""The interpreter's start and the program's imports, up to the first launch of a process."""
AFTER_S = 0.01
FORK_S = 1e-3
STARTED_HERE = Site("program.py", 8, "main")
PUT_HERE, GET_HERE = Site("program.py", 20, "feed"), Site("program.py", 30, "main")
ASK_HERE, ANSWERED_HERE = Site("program.py", 40, "main"), Site("program.py", 41, "main")
ANSWER_HERE = Site("program.py", 50, "answer")
CALL_HERE, LOCK_HERE, BLOCK_HERE = (
    Site("program.py", line, name) for line, name in ((60, "read"), (70, "experiment"), (80, "main"))
)


def target(cpu_s: float = 0.05) -> Process:
    """Give the process that was launched; ``run_of`` lets it end with the run."""
    return Process(1000, 1, "root", "exec", "program", "", "program.py", "3.11.7", 0.02, exit_code=0, cpu_s=cpu_s)


def child(number: int, end: float, cpu_s: float, *, begin: float = BEFORE_S, startup_s: float = FORK_S) -> Process:
    """Give a process that was started by ``Process``, forked."""
    return Process(
        1000 + number, 1000, f"child{number}", "fork", "program", f"Process-{number}", "program.py", "3.11.7",
        begin + startup_s / 2, begin + startup_s, end, 0, cpu_s, begin, "fork", STARTED_HERE,
    )  # fmt: skip


def run_of(  # noqa: PLR0913 - what a run consists of
    wall_s: float,
    processes: Sequence[Process],
    *,
    uses: Sequence[Use] = (),
    locks: Sequence[LockUse] = (),
    served: Sequence[Served] = (),
    blocks: Sequence[Block] = (),
    cpus: int = 2,
) -> Run:
    """Give the run in which these processes did that."""
    first, *others = processes
    return Run(
        Meta(("program.py",), "3.11.7", wall_s, cpus, 1.7e9, 0),
        (replace(first, end=wall_s), *others),
        uses=tuple(uses),
        locks=tuple(locks),
        served=tuple(served),
        blocks=tuple(blocks),
    )


def pipeline(  # noqa: PLR0913 - what such programs differ in
    messages: int = 100_000,
    *,
    size: int = 54,
    make_s: float = 1e-6,
    feed_s: float = 6.6e-6,
    take_s: float = 4e-6,
    consume_s: float = 3.7e-6,
    kind: str = "Queue",
    object_: int = 7,
    cpus: int = 2,
) -> Run:
    """Give the run of a producer, a process of its own, and a consumer, the target, at the ends of a queue.

    ``make_s`` and ``consume_s`` are what they do for each message, ``feed_s`` is pickling and writing it (in a thread)
    and ``take_s`` reading it; the slower one's time is what the run takes.
    """
    produced, consumed = messages * (make_s + feed_s + 2.5e-6), messages * (take_s + consume_s)
    busy = max(produced, consumed)
    end = BEFORE_S + FORK_S + busy
    uses = (
        Use(1, kind, "put", object_, PUT_HERE, messages, messages * size, busy - produced, 100 * feed_s, 100),
        Use(0, kind, "get", object_, GET_HERE, messages, messages * size, busy - consumed + messages * take_s, 0.0, 0),
    )
    processes = (target(BEFORE_S + messages * consume_s), child(1, end, produced))
    return run_of(end + AFTER_S, processes, uses=uses, cpus=cpus)


def dialogue(
    trips: int = 14_000, *, way_s: float = 38e-6, work_s: float = 34e-6, size: int = 32, answer_size: int = 5
) -> Run:
    """Give the run of a target that asks a process one question at a time, and is answered over a pipe."""
    spent = trips * (way_s + work_s)
    end = BEFORE_S + FORK_S + spent
    sending = trips * 3e-6
    uses = (
        Use(0, "Connection", "send", 8, ASK_HERE, trips, trips * size, sending, 0.0, 0),
        Use(0, "Connection", "recv", 8, ANSWERED_HERE, trips, trips * answer_size, spent - 2 * sending, spent, trips),
        Use(0, "Connection", "send", 8, replace(ASK_HERE, line=44), 1, 4, 3e-6, 0.0, 0),
        Use(1, "Connection", "recv", 9, ANSWER_HERE, trips + 1, trips * size + 4, trips * way_s - sending,
            trips * way_s, trips - 1),
        Use(1, "Connection", "send", 9, replace(ANSWER_HERE, line=51), trips, trips * answer_size, sending, 0.0, 0),
    )  # fmt: skip
    return run_of(end + AFTER_S, (target(BEFORE_S + 2 * sending), child(1, end, trips * work_s)), uses=uses)


def clients(  # noqa: PLR0913 - what such programs differ in
    calls: int = 10_000,
    *,
    processes: int = 2,
    call_s: float = 100e-6,
    serve_s: float = 4e-6,
    compute_s: float = 0.4,
    kind: str = "DictProxy",
    operations: tuple[str, ...] = ("get", "__setitem__"),
) -> Run:
    """Give the run of processes that each call a manager so many times by each of these methods, beside computing."""
    calling = calls * call_s * len(operations)
    end = BEFORE_S + FORK_S + calling + compute_s
    server = replace(child(1, end, processes * calls * 14e-6), role="manager", name="SyncManager-1")
    uses: list[Use] = []
    for process in range(2, 2 + processes):
        uses.append(Use(process, kind, "connect", 5, CALL_HERE, 1, 0, 2e-3, 0.0, 0))
        uses += (
            Use(process, kind, name, 5, CALL_HERE, calls, calls * 92, calls * call_s, 50 * 15e-6, 50)
            for name in operations
        )
    total = calls * processes
    served = [Served(1, "dict", name, 5, total, total * serve_s, total * 60, total * 30) for name in operations]
    others = [child(number, end + 2e-3, compute_s + calling * 0.1) for number in range(2, 2 + processes)]
    return run_of(end + AFTER_S, (target(), server, *others), uses=uses, served=served)


def contenders(  # noqa: PLR0913 - what such programs differ in
    acquired: int = 13_000,
    *,
    processes: int = 2,
    contended: int = 12_000,
    waited_s: float = 0.65,
    compute_s: float = 0.7,
    held_s: float = 50e-6,
    kind: str = "Value lock",
    operation: str = "acquire",
) -> Run:
    """Give the run of processes that take turns at a lock: ``acquired`` and so on are each one's."""
    end = BEFORE_S + FORK_S + waited_s + compute_s
    members = range(1, 1 + processes)
    locks = [
        LockUse(process, kind, operation, 6, LOCK_HERE, acquired, contended, waited_s, 100 * held_s, 100)
        for process in members
    ]
    return run_of(end + AFTER_S, (target(), *(child(number, end, compute_s) for number in members)), locks=locks)


def churn(  # noqa: PLR0913 - what such programs differ in
    count: int = 140,
    *,
    life_s: float = 12e-3,
    startup_s: float = 2e-3,
    gap_s: float = 1e-3,
    at_once: int = 1,
    cpus: int = 2,
) -> Run:
    """Give the run of a loop that starts processes, ``at_once`` at a time, and joins them before it goes on."""
    begins = [BEFORE_S + number // at_once * (life_s + gap_s) for number in range(count)]
    processes = [
        child(number, begin + life_s, life_s - startup_s, begin=begin, startup_s=startup_s)
        for number, begin in enumerate(begins, 1)
    ]
    return run_of(max(begins) + life_s + AFTER_S, (target(), *processes), cpus=cpus)


def leak(blocks: int = 20, *, size: int = 2_400_000, unlinked: int = 0, closed: int = 0) -> Run:
    """Give the run of a program that creates blocks of shared memory; the first ones are closed, or unlinked, too."""
    records = []
    for number in range(blocks):
        at, name = BEFORE_S + number * 0.05, f"psm_{number:08x}"
        records.append(Block(0, at, name, "create", size, BLOCK_HERE))
        if number < closed:
            records.append(Block(0, at + 0.02, name, "close", size, BLOCK_HERE))
        if number < unlinked:
            records.append(Block(0, at + 0.03, name, "unlink", size, BLOCK_HERE))
    return run_of(BEFORE_S + blocks * 0.05 + AFTER_S, (target(1.0),), blocks=records)


def renamed(run: Run, name: str) -> Run:
    """Give the run of a program whose functions, methods, classes and processes all have this name."""
    sites = {id(site): replace(site, function=name, file=name) for site in _sites(run)}
    return replace(
        run,
        processes=tuple(
            replace(one, name=name, method=name, argv=name, site=sites[id(one.site)] if one.site else None)
            for one in run.processes
        ),
        uses=tuple(_called(replace(use, site=sites[id(use.site)]), name) for use in run.uses),
        locks=tuple(replace(lock, site=sites[id(lock.site)]) for lock in run.locks),
        served=tuple(replace(one, type=name, method=name) for one in run.served),
        blocks=tuple(replace(block, name=name + block.name, site=sites[id(block.site)]) for block in run.blocks),
    )


def _sites(run: Run) -> list[Site]:
    found = [one.site for group in (run.uses, run.locks, run.blocks) for one in group]
    return found + [process.site for process in run.processes if process.site]


def _called(use: Use, name: str) -> Use:
    """Only a proxy's type and methods are the program's own."""
    return replace(use, kind=name, operation=name) if use.kind.endswith("Proxy") else use
