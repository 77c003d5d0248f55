"""The run model: everything one execution of the user's program left behind, immutable and ready for rules.

Times are seconds from the start of the run (the target's launch); bytes and counts are exact totals unless a name says
"sampled". Pools, origins and workers refer to each other by index into the run's tuples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NEVER = float("nan")
"""A stamp that was not recorded."""

TASK_DTYPE = np.dtype(
    [
        ("pool", "i4"),
        ("origin", "i4"),
        ("worker", "i4"),
        ("job", "u4"),
        ("index", "u4"),
        ("items", "u4"),
        # stamps, seconds from the run's start, NaN where a side did not record
        ("submitted", "f8"),
        ("pickled_from", "f8"),
        ("pickled", "f8"),
        ("sent", "f8"),
        ("asked", "f8"),
        ("received", "f8"),
        ("begin", "f8"),
        ("end", "f8"),
        ("replied_from", "f8"),
        ("replied", "f8"),
        ("arrived", "f8"),
        ("collected", "f8"),
        ("handled", "f8"),
        ("produce", "f8"),
        ("cpu", "f8"),
        ("argument_bytes", "u8"),
        ("callable_bytes", "u8"),
        ("result_bytes", "u8"),
        ("failed", "?"),
        ("weight", "f8"),
    ]
)
"""One timed task. ``argument_bytes`` is the whole payload on its way to the worker less ``callable_bytes``; ``cpu`` is
the worker thread's CPU seconds while the task ran; ``produce`` the seconds from when it was written until the next task
of its job came (the user's iterable); ``weight`` how many tasks this one stands for (the weights of an origin sum to
its exact task count). Order of the stamps: submitted, pickled_from, pickled, sent | asked, received, begin, end,
replied_from (= pickled result), replied | arrived, collected (unpickled), handled (set, callbacks done)."""

SAMPLE_DTYPE = np.dtype(
    [
        ("t", "f8"),
        ("pid", "u4"),
        ("cpu", "f8"),
        ("runqueue", "f8"),
        ("rss", "u8"),
        ("threads", "u4"),
        ("voluntary", "u8"),
        ("involuntary", "u8"),
    ]
)
"""One process seen from outside: CPU and run-queue seconds so far, resident bytes, context switches so far."""


@dataclass(frozen=True, slots=True)
class Site:
    """A line of the user's code."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """Give the usual file:line (function)."""
        return f"{self.file}:{self.line} ({self.function})"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the run; ``exit_code`` is None where nobody saw the end."""

    pid: int
    ppid: int
    uid: str
    cause: str
    role: str
    name: str
    argv: str
    python: str
    start: float
    ready: float = NEVER
    end: float = NEVER
    exit_code: int | None = None
    cpu_s: float = NEVER
    launched: float = NEVER
    method: str = ""
    site: Site | None = None
    ready_cpu_s: float = NEVER
    """CPU seconds until it was ready."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The tasks of one user function, submitted to one pool at one site by one method."""

    index: int
    pool: int
    site: Site
    function: str
    method: str
    tasks: int
    items: int
    payload_bytes: int
    callable_bytes: int
    result_bytes: int
    results: int
    failed: int
    jobs: int
    length: int
    chunksize: int
    """Items of a task as submitted: 1 for apply and submit; the first job's chunk size for map-like calls."""

    @property
    def argument_bytes(self) -> int:
        """Payload on its way to the workers, less the callable's share."""
        return self.payload_bytes - self.callable_bytes


@dataclass(frozen=True, slots=True)
class Worker:
    """One process's time as a worker of one pool, with exact counts of what went through it."""

    index: int
    process: int
    pool: int
    launched: float
    """When the parent began to start it (or its own first sign of life, where that was not seen)."""
    ready: float
    """Imports and unpickling of the process object are done."""
    first: float
    """The initialiser is done and the first task asked for; NaN if that never happened."""
    end: float
    ended: str
    """"returned", "terminated", "killed", "running" or "unknown"."""
    received: int
    received_bytes: int
    done: int
    result_bytes: int


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool: its region of the run is [created, ended]."""

    index: int
    kind: str
    """"Pool" or "ProcessPoolExecutor"."""
    pid: int
    site: Site
    workers: int
    method: str
    initializer: str
    maxtasks: int
    created: float
    ready: float
    ended: float
    closing: float
    """When shutdown began; equals ``ended`` where it was not seen."""
    main_cpu_s: float
    """CPU seconds of the creating thread between creation and end; NaN if the end was not seen in that thread."""
    tasks: int
    items: int
    payload_bytes: int
    callable_bytes: int
    result_bytes: int
    results: int
    failed: int


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the large messages of an origin, as seen in the messages that were looked into.

    ``bytes`` and ``payload`` are of a typical (median) message; ``messages`` were looked into, ``repeats`` of them
    carried content already sent before, ``estimated`` messages of the origin carry such a part.
    """

    origin: int
    role: str
    name: str
    type: str
    bytes: int
    payload: int
    messages: int
    repeats: int
    estimated: float
    contents: int = 0
    """Different contents among the messages looked into; 0 where that is not known."""
    effort: float = 0.0
    """Share of the time to pickle and unpickle the messages (mean, estimated); 0 where it is not known."""
    sampled: bool = False
    """Their content was looked at in samples: that it repeats is likely, not sure."""


@dataclass(frozen=True, slots=True)
class Use:
    """One operation of one line of a process on queues, pipes or proxies of one kind and identity; counts are exact.

    ``blocked_s`` is the time in the operation (of ``put``: waiting for room; of ``flush``, at the end of a process: for
    the feeder to have written all); ``busy_s`` sums over the ``timed`` ones: the feeder's pickling (``put``), the round
    trips from the sending before (``recv``), the way to the manager.
    """

    process: int
    kind: str
    operation: str
    object: int
    site: Site
    count: int
    bytes: int
    blocked_s: float
    busy_s: float
    timed: int


@dataclass(frozen=True, slots=True)
class LockUse:
    """Acquisitions of a lock or semaphore by one line of a process: exact, but for ``held_s`` of the ``timed`` ones."""

    process: int
    kind: str
    operation: str
    object: int
    site: Site
    acquired: int
    contended: int
    waited_s: float
    held_s: float
    timed: int


@dataclass(frozen=True, slots=True)
class Served:
    """What a manager's server did for all clients: calls of one method of one type of object."""

    process: int
    type: str
    method: str
    object: int
    calls: int
    busy_s: float
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class Import:
    """A module that a spawned process imported while it started: seconds in all, and without what it imported."""

    process: int
    module: str
    seconds: float
    own_s: float


@dataclass(frozen=True, slots=True)
class Block:
    """One thing that a process did with a block of shared memory: create, attach, close or unlink it."""

    process: int
    t: float
    name: str
    action: str
    size: int
    site: Site


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that could not be recorded: never silently."""

    what: str
    why: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Overhead:
    """What recording cost by the recorder's own account: seconds over all processes, and trace bytes."""

    seconds: float = 0.0
    counted: int = 0
    timed: int = 0
    trace_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Meta:
    """The run as a whole; ``wall_s`` runs from the target's launch to its end (or to now, while it still runs)."""

    command: tuple[str, ...]
    python: str
    wall_s: float
    cpus_usable: int
    started: float
    """Seconds since the epoch."""
    exit_status: int | None = None
    """The target's wait status as an exit code (negative: signal); None while running or when nobody saw the end."""
    complete: bool = True
    cpu_s: float = NEVER
    maxrss: int = 0
    budget: float = 0.02
    version: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """One run, complete: what rules and reporters read. Compared by identity (arrays have no truth value)."""

    meta: Meta
    processes: tuple[Process, ...] = ()
    pools: tuple[Pool, ...] = ()
    origins: tuple[Origin, ...] = ()
    workers: tuple[Worker, ...] = ()
    parts: tuple[Part, ...] = ()
    tasks: NDArray[Any] = field(default_factory=lambda: np.empty(0, TASK_DTYPE))
    samples: NDArray[Any] = field(default_factory=lambda: np.empty(0, SAMPLE_DTYPE))
    losses: tuple[Loss, ...] = ()
    overhead: Overhead = Overhead()
    uses: tuple[Use, ...] = ()
    locks: tuple[LockUse, ...] = ()
    served: tuple[Served, ...] = ()
    blocks: tuple[Block, ...] = ()
    imports: tuple[Import, ...] = ()
    """The longest ones of each process."""
    mains: Mapping[int, float] = field(default_factory=dict)
    """Process (index) to when it began to import the program's module, of those that had to."""

    @cached_property
    def tasks_by_origin(self) -> Mapping[int, NDArray[Any]]:
        """The timed tasks of every origin, in recording order."""
        return _grouped(self.tasks, "origin", len(self.origins))

    @cached_property
    def tasks_by_worker(self) -> Mapping[int, NDArray[Any]]:
        """The timed tasks of every worker, in recording order."""
        return _grouped(self.tasks, "worker", len(self.workers))


def _grouped(tasks: NDArray[Any], name: str, count: int) -> dict[int, NDArray[Any]]:
    order = np.argsort(tasks[name], kind="stable")
    ordered = tasks[order]
    edges = np.searchsorted(ordered[name], np.arange(count + 1))
    return {index: ordered[edges[index] : edges[index + 1]] for index in range(count)}
