"""The processes of a trace as arrays, one place per segment: when each lived, who began it, what it was for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.lookup import MISSING, latest, paired
from mpdiag.trace.clocks import durations, seconds
from mpdiag.wire.format import KINDS, ROLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.lookup import Indices
    from mpdiag.trace.segment import Trace

    Floats = NDArray[np.float64]

SUPERVISOR = "supervisor"
ASIDE = frozenset({"cpu", "produce", "blocked", "busy"})
"""Durations that are no part of the time from a record's stamp to its end."""
OUTSIDE = frozenset({"sample", "exit"})
"""Kinds that the supervisor writes about other processes."""


@dataclass(frozen=True, eq=False)
class Family:
    """Every segment's process. Times are seconds of the run; NaN, or -1, where nothing is known."""

    process: Indices
    """Index of the process; -1 for the supervisor, which is none of the user's."""
    pid: NDArray[np.int64]
    born: Floats
    launched: Floats
    """When its parent began to launch it."""
    ready: Floats
    first: Floats
    finished: Floats
    last: Floats
    """The last sign of life: its own records, or the supervisor's samples of it."""
    sampled: Floats
    """When the supervisor saw it last."""
    code: NDArray[np.int64]
    cpu: Floats
    parent: Indices
    """Segment of the logical parent."""
    start: Indices
    """Its parent's ``start`` record."""
    ready_record: Indices
    ready_cpu: Floats
    role: NDArray[np.int64]
    channel: NDArray[np.uint64]
    root: int | None
    """Segment of the target itself, its last image if it called exec; None where it left none."""
    looks: NDArray[np.int64]
    """The supervisor's samples as sorted numbers of process and time."""
    unrecorded: int
    """Processes that were started and left no record."""

    def seen_between(self, pid: NDArray[np.int64], begin: Floats, end: Floats) -> NDArray[np.int64]:
        """How often the supervisor saw each process after ``begin`` and until ``end``."""
        until, since = (np.searchsorted(self.looks, _look(pid, at), "right") for at in (end, begin))
        times: NDArray[np.int64] = np.maximum(until - since, 0)
        return times


def read_family(trace: Trace) -> Family:
    """Find out who is who in the trace."""
    count, launch = len(trace.headers), trace.meta["perf_ns"]
    ours = np.array([header.cause != SUPERVISOR for header in trace.headers], bool)
    pid = np.array([header.pid for header in trace.headers], np.int64)
    born = seconds(np.array([header.perf_ns for header in trace.headers], np.uint64), launch)
    ready, finish, first = (trace.table(kind) for kind in ("ready", "finish", "first"))
    ready_record = _first_places(ready, count)
    start, parent = _parents(trace, pid, born, ready_record)
    sampled, cpu = _sampled(trace, pid, np.where(ours, born, np.nan))
    known = ready_record >= 0
    role = np.zeros(count, np.int64)
    role[known] = ready["role"][ready_record[known]]
    channel = np.zeros(count, np.uint64)
    channel[known] = ready["channel"][ready_record[known]]
    code = np.zeros(count, np.int64)
    code[finish["segment"]] = finish["code"]
    finished = _by_segment(finish, seconds(finish["t"], launch), count)
    cpu = np.fmax(cpu, np.fmax(_by_segment(first, durations(first["cpu"]), count), _ended_cpu(finish, count)))
    return Family(
        process=np.where(ours, np.cumsum(ours) - 1, MISSING),
        pid=pid,
        born=born,
        launched=_chosen(seconds(trace.table("start")["t"], launch), start),
        ready=_chosen(seconds(ready["t"], launch), ready_record),
        first=_chosen(seconds(first["t"], launch), _first_places(first, count)),
        finished=finished,
        last=np.fmax(np.fmax(born, sampled), _last_records(trace)),
        sampled=sampled,
        code=code,
        cpu=cpu,
        parent=parent,
        start=start,
        ready_record=ready_record,
        ready_cpu=_chosen(durations(ready["cpu"]), ready_record),
        role=np.where(role < len(ROLES), role, 0),
        channel=channel,
        root=_root(trace, pid, np.where(ours, born, np.nan)),
        looks=np.sort(_look(trace.table("sample")["pid"], seconds(trace.table("sample")["t"], launch))),
        unrecorded=_unrecorded(trace, start, parent, ready_record),
    )


def _look(pid: NDArray[Any], at: Floats) -> NDArray[np.int64]:
    """A process id (22 bits on Linux) and a time in microseconds (41 bits: 25 days) as one number."""
    ticks = np.clip(np.nan_to_num(at) * 1e6, 0, (1 << 41) - 1).astype(np.int64)
    look: NDArray[np.int64] = np.minimum(pid.astype(np.int64), (1 << 22) - 1) << np.int64(41) | ticks
    return look


def _root(trace: Trace, pid: NDArray[np.int64], born: Floats) -> int | None:
    images = np.flatnonzero((pid == trace.meta["pid"]) & ~np.isnan(born))
    return int(images[np.argmax(born[images])]) if len(images) else None


def _ended_cpu(finish: NDArray[Any], count: int) -> Floats:
    return _by_segment(finish, durations(finish["cpu"]), count)


def _by_segment(table: NDArray[Any], values: Floats, count: int) -> Floats:
    """The value of each segment's last record."""
    result = np.full(count, np.nan)
    result[table["segment"]] = values
    return result


def _first_places(table: NDArray[Any], count: int) -> Indices:
    """Place of each segment's first record in a table."""
    places = np.full(count, MISSING, np.int64)
    places[table["segment"][::-1]] = np.arange(len(table))[::-1]
    return places


def _chosen(values: Floats, places: Indices) -> Floats:
    """The values at these places; NaN for ``MISSING``."""
    return np.append(values, np.nan)[places]


def _parents(trace: Trace, pid: NDArray[np.int64], born: Floats, ready_record: Indices) -> tuple[Indices, Indices]:
    """Each segment's ``start`` record in its parent, and its logical parent's segment."""
    headers, ready, starts = trace.headers, trace.table("ready"), trace.table("start")
    segment_of = {header.uid: place for place, header in enumerate(headers)}
    by_uid = np.array([segment_of.get(header.parent_uid, MISSING) for header in headers], np.int64)
    wanted = np.array([header.ppid for header in headers], np.int64)
    at = born.copy()
    known = np.flatnonzero(ready_record >= 0)
    own = ready[ready_record[known]]
    # The operating system's parent of a forkserver's child is the server; the one that asked for it says "start".
    wanted[known] = np.where(own["logical_ppid"] > 0, own["logical_ppid"], wanted[known])
    at[known] = seconds(own["t"], trace.meta["perf_ns"])
    by_pid = latest(pid, born, wanted, at)
    by_pid[by_pid == np.arange(len(headers))] = MISSING
    certain = (by_uid >= 0) & ((pid[by_uid] == wanted) | (by_pid < 0)) if len(headers) else by_uid >= 0
    parent = np.where(certain, by_uid, by_pid)
    start = np.full(len(headers), MISSING, np.int64)
    started = known[parent[known] >= 0]
    start[started] = latest(
        paired(starts["segment"], starts["identity"]),
        starts["t"],
        paired(parent[started], ready["identity"][ready_record[started]]),
        ready["t"][ready_record[started]],
    )
    return start, parent


def _sampled(trace: Trace, pid: NDArray[np.int64], born: Floats) -> tuple[Floats, Floats]:
    """When the supervisor saw each segment's process last, and its CPU seconds by then."""
    samples = trace.table("sample")
    times = seconds(samples["t"], trace.meta["perf_ns"])
    order = np.argsort(times, kind="stable")
    samples, times = samples[order], times[order]
    owner = latest(pid, np.where(np.isnan(born), np.inf, born), samples["pid"].astype(np.int64), times)
    seen, cpu = np.full(len(pid), np.nan), np.full(len(pid), np.nan)
    known = owner >= 0
    seen[owner[known]] = times[known]
    cpu[owner[known]] = durations(samples["cpu"][known])
    return seen, cpu


def _last_records(trace: Trace) -> Floats:
    """When each segment's last record ended."""
    last = np.full(len(trace.headers), np.nan)
    for _, kind, fields, _ in KINDS:
        stamps = [name for name, declared in fields if declared == "t"]
        table = trace.table(kind)
        if kind in OUTSIDE or not stamps or not len(table):
            continue
        ends = np.fmax.reduce([seconds(table[name], trace.meta["perf_ns"]) for name in stamps])
        for name, declared in fields:
            if declared == "ns" and name not in ASIDE:
                ends += np.nan_to_num(durations(table[name]))
        edges = trace.edges[kind]
        present = np.flatnonzero(np.diff(edges))
        last[present] = np.fmax(last[present], np.fmax.reduceat(ends, edges[present]))
    return last


def _unrecorded(trace: Trace, start: Indices, parent: Indices, ready_record: Indices) -> int:
    """How many started processes left no record: starts that no one answered, less children that never got ready."""
    starts = trace.table("start")
    count = len(trace.headers)
    answered = np.zeros(len(starts), bool)
    answered[start[start >= 0]] = True
    silent = np.bincount(starts["segment"][~answered], minlength=count)
    child = np.array([header.cause in {"fork", "spawn", "forkserver"} for header in trace.headers], bool)
    unready = np.bincount(parent[(ready_record < 0) & child & (parent >= 0)], minlength=count)
    return int(np.maximum(silent - unready, 0).sum())
