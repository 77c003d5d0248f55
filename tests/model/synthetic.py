"""A tiny honest simulator of a pool that makes ``Run`` objects for tests: the stamps of every task are consistent.

``simulate(PoolPlan(items=1000, compute_s=20e-6), PoolPlan(...))`` gives the run of a program that creates these pools
one after the other. What is simulated, message by message: one feeder that produces, pickles and writes; a task pipe of
``PIPE_BYTES`` (the feeder blocks while it is full; a message larger than it is handed over while the worker reads);
workers that take turns at reading (the one that has waited longest takes the next), unpickle, run, pickle, write; one
collector that reads, unpickles and hands over. ``map``-like jobs of one pool follow each other. Cores are not contended
for: it is a machine with a core for every process, and ``cpus`` is only what the run says about it.

Every cost is in seconds per message, or bytes per item where the name says so; ``compute_s`` is per item and may be a
sequence (cycled). ``sample=k`` keeps about one task in k, with weights that sum to the exact count of tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.run import TASK_DTYPE, Meta, Origin, Part, Pool, Process, Run, Site, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PIPE_BYTES = 65536
HERE = Site("program.py", 10, "main")
POOL_HERE = Site("program.py", 9, "main")


@dataclass(frozen=True)
class PoolPlan:
    """One pool and the tasks of one origin sent to it; see the module for the units."""

    items: int = 1000
    chunksize: int = 1
    workers: int = 2
    compute_s: float | Sequence[float] = 1e-3
    """Seconds of each item; ``cpu_share`` of it is CPU, the rest blocked (sleep, I/O)."""
    cpu_share: float = 1.0
    argument_bytes: int = 40
    """Per item."""
    callable_bytes: int = 40
    """Per message."""
    result_bytes: int = 20
    """Per item."""
    produce_s: float = 0.0
    """The user's iterable, before each message."""
    pickle_s: float = 8e-6
    write_s: float = 4e-6
    hidden_s: float = 2e-6
    """Feeder time per message that no stamp shows; executors have much of it."""
    read_s: float = 4e-6
    unpickle_s: float = 5e-6
    reply_pickle_s: float = 5e-6
    reply_write_s: float = 3e-6
    collect_s: float = 6e-6
    handle_s: float = 2e-6
    loop_s: float = 1e-6
    """Worker time between a reply and asking for the next task."""
    byte_s: float = 0.0
    """Added per byte to pickling, writing, reading and unpickling, on either way."""
    create_s: float = 5e-3
    startup_s: float = 10e-3
    """Launch to first task asked for, per worker."""
    close_s: float = 5e-3
    jobs: int = 1
    """The items are split into so many map calls, one after the other."""
    count: int = 1
    """So many pools alike are created one after the other (churn)."""
    pause_s: float = 0.0
    """Serial work of the parent after each pool."""
    consume_s: float = 0.0
    """CPU of the main thread per item while the pool exists (it is not on the path of the results)."""
    kind: str = "Pool"
    start_method: str = "fork"
    method: str = "map"
    function: str = "program.work"
    initializer: str = ""
    maxtasks: int = 0
    site: Site = HERE
    pool_site: Site = POOL_HERE
    failed: int = 0
    """So many tasks, the first ones, raised."""
    sample: int = 1
    parts: tuple[Part, ...] = ()
    """Large parts of the origin's messages; their ``origin`` is filled in."""


def simulate(
    *plans: PoolPlan, before_s: float = 0.05, after_s: float = 0.02, cpus: int = 8, complete: bool = True
) -> Run:
    """Give the run of a program that works ``before_s``, uses these pools in turn, and works ``after_s``."""
    now = before_s
    pools: list[Pool] = []
    origins: list[Origin] = []
    workers: list[Worker] = []
    parts: list[Part] = []
    processes = [Process(1000, 1, "root", "root", "program", "MainProcess", "program.py", "3.12.1", 0.0, exit_code=0)]
    tasks: list[NDArray[np.void]] = []
    for plan in plans:
        for _ in range(plan.count):
            number = len(pools)
            pool = _Simulation(plan, now, number)
            pools.append(pool.pool)
            origins.append(pool.origin)
            parts.extend(replace(part, origin=number) for part in plan.parts)
            table = pool.tasks
            table["worker"] += len(workers)
            for worker in pool.workers:
                pid = 1001 + len(workers)
                process = Process(
                    pid, 1000, f"w{pid}", plan.start_method, "worker", f"{plan.kind}-{pid}", "program.py", "3.12.1",
                    worker.launched, worker.ready, worker.end, launched=worker.launched, method=plan.start_method,
                    site=plan.pool_site,
                )  # fmt: skip
                workers.append(replace(worker, index=len(workers), process=len(processes)))
                processes.append(process)
            tasks.append(table)
            now = pool.pool.ended + plan.pause_s
    wall = now + after_s
    processes[0] = replace(processes[0], end=wall)
    meta = Meta(("program.py",), "3.12.1", wall, cpus, 1.7e9, 0 if complete else None, complete)
    return Run(
        meta,
        tuple(processes),
        tuple(pools),
        tuple(origins),
        tuple(workers),
        tuple(parts),
        np.concatenate(tasks) if tasks else np.empty(0, TASK_DTYPE),
    )


class _Simulation:
    """One pool, simulated from ``created`` on."""

    def __init__(self, plan: PoolPlan, created: float, number: int) -> None:
        self.plan = plan
        self.number = number
        self.created = created
        self.launched = [created + plan.create_s * (index + 1) / (plan.workers + 1) for index in range(plan.workers)]
        self.free = [launched + plan.startup_s for launched in self.launched]
        self.first = list(self.free)
        self.feeder = created + plan.create_s
        self.lock = 0.0
        rows: list[NDArray[np.void]] = []
        now = created + plan.create_s
        for job in range(plan.jobs):
            items = plan.items // plan.jobs + (job < plan.items % plan.jobs)
            if items:
                rows.append(self._job(job, items, now))
                now = float(rows[-1]["handled"].max())
        table = np.concatenate(rows) if rows else np.empty(0, TASK_DTYPE)
        table["failed"][: plan.failed] = True
        self.messages = len(table)
        ended = now + plan.close_s
        self.workers = [self._worker(index, table, now) for index in range(plan.workers)]
        self.pool = Pool(
            number, plan.kind, 1000, plan.pool_site, plan.workers, plan.start_method, plan.initializer, plan.maxtasks,
            created, created + plan.create_s, ended, now, self._main_cpu_s(table), len(table), plan.items,
            *self._bytes(table), len(table), plan.failed,
        )  # fmt: skip
        self.origin = Origin(
            number, number, plan.site, plan.function, plan.method, len(table), plan.items, *self._bytes(table),
            len(table), plan.failed, plan.jobs, plan.items, plan.chunksize,
        )  # fmt: skip
        self.tasks = _sampled(table, plan.sample)

    def _main_cpu_s(self, table: NDArray[np.void]) -> float:
        return (
            self.plan.create_s / 2 + self.plan.close_s / 2 + len(table) * 1e-6 + self.plan.items * self.plan.consume_s
        )

    @staticmethod
    def _bytes(table: NDArray[np.void]) -> tuple[int, int, int]:
        callable_bytes = int(table["callable_bytes"].sum())
        return int(table["argument_bytes"].sum()) + callable_bytes, callable_bytes, int(table["result_bytes"].sum())

    def _worker(self, index: int, table: NDArray[np.void], end: float) -> Worker:
        mine = table[table["worker"] == index]
        plan = self.plan
        return Worker(
            index, 0, self.number, self.launched[index], self.launched[index] + plan.startup_s / 2, self.first[index],
            end + plan.close_s / 2, "terminated", len(mine),
            int((mine["argument_bytes"] + mine["callable_bytes"]).sum()), len(mine), int(mine["result_bytes"].sum()),
        )  # fmt: skip

    def _job(self, job: int, items: int, submitted: float) -> NDArray[np.void]:
        plan = self.plan
        table = np.zeros(-(-items // plan.chunksize), TASK_DTYPE)
        table["pool"] = table["origin"] = self.number
        table["job"], table["index"], table["weight"] = job, np.arange(len(table)), 1.0
        table["items"] = plan.chunksize
        table["items"][-1] = items - plan.chunksize * (len(table) - 1)
        table["argument_bytes"] = table["items"] * plan.argument_bytes
        table["callable_bytes"] = plan.callable_bytes
        table["result_bytes"] = table["items"] * plan.result_bytes
        table["submitted"] = submitted
        costs = plan.compute_s if not isinstance(plan.compute_s, (int, float)) else [plan.compute_s]
        costs_of_items = np.resize(np.asarray(costs, "f8"), items)
        starts = np.arange(len(table)) * plan.chunksize
        run_s = np.add.reduceat(costs_of_items, starts)
        self._feed(table, run_s, submitted)
        self._collect(table)
        return table

    def _feed(self, table: NDArray[np.void], run_s: NDArray[np.float64], submitted: float) -> None:
        plan = self.plan
        sizes = (table["argument_bytes"] + table["callable_bytes"]).astype("i8")
        self.feeder = max(self.feeder, submitted)
        oldest, queued = 0, 0
        for k, row in enumerate(table):
            size = int(sizes[k])
            row["produce"] = plan.produce_s + plan.hidden_s
            row["pickled_from"] = self.feeder + row["produce"]
            row["pickled"] = row["pickled_from"] + plan.pickle_s + size * plan.byte_s
            start = float(row["pickled"])
            queued += size
            while queued > PIPE_BYTES and oldest < k:
                start = max(start, float(table["received"][oldest]))
                queued -= int(sizes[oldest])
                oldest += 1
            worker = min(range(plan.workers), key=self.free.__getitem__)
            row["worker"], row["asked"] = worker, self.free[worker]
            if size > PIPE_BYTES:
                start = max(start, self.free[worker], self.lock)
            row["sent"] = self.feeder = start + plan.write_s + size * plan.byte_s
            # A large message was read while it was written.
            copy = 0.0 if size > PIPE_BYTES else size * plan.byte_s
            row["received"] = self.lock = max(float(row["sent"]), self.free[worker], self.lock) + plan.read_s + copy
            row["begin"] = row["received"] + plan.unpickle_s + size * plan.byte_s
            row["end"] = row["begin"] + run_s[k]
            row["cpu"] = run_s[k] * plan.cpu_share
            reply = int(row["result_bytes"]) * plan.byte_s
            row["replied_from"] = row["end"] + plan.reply_pickle_s + reply
            row["replied"] = row["replied_from"] + plan.reply_write_s + reply
            self.free[worker] = float(row["replied"]) + plan.loop_s

    def _collect(self, table: NDArray[np.void]) -> None:
        plan = self.plan
        free = 0.0
        for k in np.argsort(table["replied"], kind="stable"):
            row = table[k]
            row["arrived"] = max(free, float(row["replied"]))
            row["collected"] = row["arrived"] + plan.collect_s + int(row["result_bytes"]) * plan.byte_s
            row["handled"] = free = float(row["collected"]) + plan.handle_s


def _sampled(table: NDArray[np.void], one_in: int) -> NDArray[np.void]:
    if one_in <= 1 or not len(table):
        return table
    kept: NDArray[np.void] = table[np.random.default_rng(7).random(len(table)) < 1 / one_in]
    if not len(kept):
        kept = table[:1]
    kept["weight"] = len(table) / len(kept)
    return kept
