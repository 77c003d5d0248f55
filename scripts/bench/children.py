"""What ``--startup`` runs in the Python under test; prints JSON.

``children.py start METHOD ROUNDS``: seconds from making a pool of one worker to its first result, ROUNDS times.
``children.py memory METHOD TASKS``: bytes of memory of a pool's worker after TASKS tasks: resident, its own.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from time import perf_counter_ns


def nothing(item: int) -> int:
    """Be a task."""
    return item


def memory(_: int) -> tuple[int, int]:
    """Give this process's resident bytes at their peak, and those that it shares with no other process."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - imports nothing
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123
        own = sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
    return peak * 1024, own * 1024


def starts(method: str, rounds: int) -> list[float]:
    """Time the starts of workers; the first, which may start a fork server, is left out."""
    context = multiprocessing.get_context(method)
    seconds = []
    for _ in range(rounds + 1):
        begin = perf_counter_ns()
        with context.Pool(1) as pool:
            pool.apply(nothing, (0,))
            seconds.append((perf_counter_ns() - begin) / 1e9)
            pool.terminate()
            pool.join()
    return seconds[1:]


def worker_memory(method: str, tasks: int) -> tuple[int, int]:
    """Give the memory of a worker that has done its tasks."""
    with multiprocessing.get_context(method).Pool(1) as pool:
        pool.map(nothing, range(tasks), chunksize=1)
        return pool.apply(memory, (0,))


if __name__ == "__main__":
    measure = {"start": starts, "memory": worker_memory}[sys.argv[1]]
    json.dump(measure(sys.argv[2], int(sys.argv[3])), sys.stdout)
