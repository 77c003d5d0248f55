"""``Process`` objects from the arrays of a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.run import NEVER, Process, Site
from mpdiag.trace.clocks import seconds
from mpdiag.wire.format import ROLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.family import Family
    from mpdiag.model.workers import Workers
    from mpdiag.trace.segment import Header, Trace

    Floats = NDArray[np.float64]


HELPERS = {"multiprocessing.forkserver": "forkserver", "multiprocessing.resource_tracker": "resource tracker"}
"""Modules that multiprocessing runs by ``python -c "from ... import main; main(...)"`` in processes of its own."""


def ends(trace: Trace, family: Family) -> Floats:
    """When each segment's process ended, or was last seen; the target ends with the run."""
    result = np.where(np.isnan(family.finished), family.last, family.finished)
    root, end = family.root, trace.meta["end"]
    if root is not None and end is not None:
        result[root] = np.fmax(
            seconds(np.array([end["perf_ns"]], np.uint64), trace.meta["perf_ns"])[0], family.born[root]
        )
    return result


def build_processes(trace: Trace, family: Family, workers: Workers, end: Floats) -> tuple[Process, ...]:
    """Give every process but the supervisor, in the order of segments; ``end`` is ``ends(...)``."""
    complete = trace.meta["end"] is not None
    seen = np.where(workers.of_segment >= 0, np.append(workers.end, np.nan)[workers.of_segment], end)
    over = np.array([worker.ended != "running" for worker in workers.workers] + [False], bool)
    running = np.isnan(family.finished) & (not complete) & ~over[workers.of_segment]
    stamps = np.transpose(
        [family.born, family.ready, np.where(running, np.nan, seen), family.cpu, family.launched, family.ready_cpu]
    )
    processes = []
    for segment, (born, ready, ended, cpu, launched, ready_cpu) in enumerate(stamps.tolist()):
        if family.process[segment] < 0:
            continue
        header = trace.headers[segment]
        code = None if np.isnan(family.finished[segment]) else int(family.code[segment])
        if segment == family.root and complete:
            code = trace.meta["end"]["status"]
        name, method, site, logical = _identity(trace, family, segment)
        processes.append(
            Process(
                pid=header.pid,
                ppid=logical or header.ppid,
                uid=header.uid,
                cause=header.cause,
                role=_role(header) if family.ready_record[segment] < 0 else ROLES[family.role[segment]],
                name=name,
                argv=header.argv,
                python=header.python_version,
                start=born if np.isfinite(born) else NEVER,
                ready=ready,
                end=ended,
                exit_code=code,
                cpu_s=cpu,
                ready_cpu_s=ready_cpu,
                launched=launched,
                method=method,
                site=site,
            )
        )
    return tuple(processes)


def _role(header: Header) -> str:
    """The role of a process that multiprocessing did not start as one of the program's own."""
    if header.cause == "exec":
        for module, role in HELPERS.items():
            if f"from {module} import main" in header.argv:
                return role
    return ROLES[0]


def _identity(trace: Trace, family: Family, segment: int) -> tuple[str, str, Site | None, int]:
    """Name, start method, site of the launch and logical parent of a process, as far as it or its parent said."""
    names = trace.names
    name, method, site, logical = "", "", None, 0
    if family.ready_record[segment] >= 0:
        ready = trace.table("ready")[family.ready_record[segment]]
        name, method = names.text(segment, int(ready["name"])), names.text(segment, int(ready["method"]))
        logical = int(ready["logical_ppid"])
    if family.start[segment] >= 0:
        start = trace.table("start")[family.start[segment]]
        parent = int(start["segment"])
        name, method = (
            name or names.text(parent, int(start["name"])),
            method or names.text(parent, int(start["method"])),
        )
        site = Site(*names.site(parent, int(start["site"]))) if start["site"] else None
    return name, method, site, logical
