"""The programs of the whole-program benchmark, for any Python under test: ``workloads.py NAME SIZE``.

SIZE scales the number of tasks, not what a task is; at 1 each takes about two seconds on a 2020s machine. What is
printed is the peak memory of a worker in bytes.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 2
CONTEXT = multiprocessing.get_context("fork")


def turn(rounds: int) -> int:
    """Compute for about 50 ns a round."""
    total = 0
    for number in range(rounds):
        total += number & 7
    return total


def length(data: bytes | list[int]) -> int:
    """Take a large argument and return a small result."""
    return len(data)


def chatty_pool(size: float) -> None:
    """Send tasks of about 20 us one by one, by map and by imap_unordered."""
    items = [400] * int(24_000 * size)
    with CONTEXT.Pool(WORKERS) as pool:
        pool.map(turn, items, chunksize=1)
        for _ in pool.imap_unordered(turn, items):
            pass


def chatty_executor(size: float) -> None:
    """Submit calls of about 20 us."""
    with ProcessPoolExecutor(WORKERS, mp_context=CONTEXT) as executor:
        for _ in executor.map(turn, [400] * int(14_000 * size)):
            pass


def big_arguments(size: float) -> None:
    """Send bytes of 1 to 4 MB and lists of 200,000 numbers (1 MB pickled)."""
    blocks: list[bytes | list[int]] = [bytes([number]) * (1 << 20) * (1 + number % 4) for number in range(8)]
    lists: list[bytes | list[int]] = [list(range(number, number + 200_000)) for number in range(2)]
    with CONTEXT.Pool(WORKERS) as pool:
        for _ in pool.imap(length, (blocks * 3 + lists) * round(12 * size)):
            pass


def compute_heavy(size: float) -> None:
    """Run tasks of about 10 ms."""
    with CONTEXT.Pool(WORKERS) as pool:
        for _ in pool.imap(turn, [200_000] * int(250 * size)):
            pass


def pool_churn(size: float) -> None:
    """Make a pool for every round of 48 tasks of about 300 us, as fixtures/programs/pool_churn_slow.py does."""
    for _ in range(round(75 * size)):
        with CONTEXT.Pool(WORKERS) as pool:
            pool.map(turn, [6_000] * 48)


def fill(words: Any, count: int) -> None:  # noqa: ANN401 - a manager's dict
    """Count in a shared dict, one call at a time."""
    for number in range(count):
        words[number & 63] = number


def manager_calls(size: float) -> None:
    """Call a manager's dict from two processes."""
    with CONTEXT.Manager() as manager:
        words = manager.dict()
        together(fill, words, int(26_000 * size))


def consume(numbers: Any, count: int) -> None:  # noqa: ANN401 - a queue
    """Take small items from a queue."""
    for _ in range(count):
        numbers.get()


def queue_pipeline(size: float) -> None:
    """Put small items, and take them in another process."""
    numbers: Any = CONTEXT.Queue(1000)
    count = int(400_000 * size)
    process = CONTEXT.Process(target=consume, args=(numbers, count))
    process.start()
    for number in range(count):
        numbers.put(number)
    process.join()


def echo(pipe: Any) -> None:  # noqa: ANN401 - a connection
    """Send back what comes, up to None."""
    while (said := pipe.recv()) is not None:
        pipe.send(said)


def pipe_ping_pong(size: float) -> None:
    """Ask and answer over a duplex pipe."""
    here, there = CONTEXT.Pipe()
    process = CONTEXT.Process(target=echo, args=(there,))
    process.start()
    for number in range(int(40_000 * size)):
        here.send(number)
        here.recv()
    here.send(None)
    process.join()


def add(total: Any, count: int) -> None:  # noqa: ANN401 - a shared Value
    """Add to a shared number under its lock."""
    for _ in range(count):
        with total.get_lock():
            total.value += 1


def locked_counter(size: float) -> None:
    """Add to one number in two processes."""
    together(add, CONTEXT.Value("q", 0), int(1_000_000 * size))


def together(target: Callable[..., None], shared: Any, count: int) -> None:  # noqa: ANN401 - what they share
    """Run ``target`` in two processes."""
    processes = [CONTEXT.Process(target=target, args=(shared, count)) for _ in range(WORKERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    programs = {
        "chatty-pool": chatty_pool,
        "chatty-executor": chatty_executor,
        "big-arguments": big_arguments,
        "compute-heavy": compute_heavy,
        "pool-churn": pool_churn,
        "manager-calls": manager_calls,
        "queue-pipeline": queue_pipeline,
        "pipe-ping-pong": pipe_ping_pong,
        "locked-counter": locked_counter,
    }
    programs[sys.argv[1]](float(sys.argv[2]))
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
