"""From a trace to the run model: who was who, which pool, which task, what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.model.family import SUPERVISOR, read_family
from mpdiag.model.losses import gather_losses, unread_records
from mpdiag.model.overhead import build_overhead
from mpdiag.model.parts import build_parts
from mpdiag.model.pools import read_pools, with_callable_bytes
from mpdiag.model.processes import build_processes, ends
from mpdiag.model.run import NEVER, SAMPLE_DTYPE, Meta, Run
from mpdiag.model.tasks import join_tasks
from mpdiag.model.uses import read_blocks, read_imports, read_locks, read_served, read_uses
from mpdiag.model.workers import read_workers
from mpdiag.trace.clocks import NS_PER_S, durations, seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mpdiag.model.family import Family
    from mpdiag.trace.segment import Trace


def build_run(trace: Trace) -> Run:
    """Build the run that a trace recorded. Never raises for what the trace holds: what makes no sense is a loss."""
    family = read_family(trace)
    end = ends(trace, family)
    wall = _wall(trace, family)
    pools = read_pools(trace, end)
    workers = read_workers(trace, family, pools, wall)
    tasks = join_tasks(trace, pools, workers)
    parts, unknown_parts = build_parts(trace, pools, tasks)
    all_pools, origins = with_callable_bytes(pools, tasks.callable_shares)
    imports, mains = read_imports(trace, family)
    return Run(
        meta=_meta(trace, family, wall),
        processes=build_processes(trace, family, workers, end),
        pools=all_pools,
        origins=origins,
        workers=workers.workers,
        parts=parts,
        tasks=tasks.table,
        samples=_samples(trace),
        losses=gather_losses(trace, family, pools, workers, unread_records(pools, tasks, unknown_parts)),
        overhead=build_overhead(trace),
        uses=read_uses(trace, family),
        locks=read_locks(trace, family),
        served=read_served(trace, family),
        blocks=read_blocks(trace, family),
        imports=imports,
        mains=mains,
    )


def _wall(trace: Trace, family: Family) -> float:
    """Seconds from launch to the target's end; to the last sign of life where nobody saw that."""
    end = trace.meta["end"]
    if end is not None:
        wall = seconds(np.array([end["perf_ns"]], np.uint64), trace.meta["perf_ns"])[0]
        if wall > 0:
            return float(wall)
    exits = seconds(trace.table("exit")["t"], trace.meta["perf_ns"])
    known = np.concatenate([family.last, seconds(trace.table("sample")["t"], trace.meta["perf_ns"]), exits])
    return max(0.0, float(np.fmax.reduce(known, initial=0.0)))


def _meta(trace: Trace, family: Family, wall: float) -> Meta:
    meta: Any = trace.meta
    end = meta["end"]
    root = family.root
    versions = [header.python_version for header in trace.headers if header.python and header.cause != SUPERVISOR]
    return Meta(
        command=tuple(meta["command"]),
        python=trace.headers[root].python_version if root is not None else next(iter(versions), ""),
        wall_s=wall,
        cpus_usable=meta["cpus_usable"],
        started=meta["time_ns"] / NS_PER_S,
        exit_status=None if end is None else end["status"],
        complete=end is not None,
        cpu_s=NEVER if end is None else end["cpu_ns"] / NS_PER_S,
        maxrss=0 if end is None else end["maxrss"],
        budget=float(meta["budget"]),
        version=meta["mpdiag"],
    )


def _samples(trace: Trace) -> NDArray[Any]:
    """The supervisor's samples in the order of time."""
    records = trace.table("sample")
    samples = np.zeros(len(records), SAMPLE_DTYPE)
    for name in SAMPLE_DTYPE.names or ():
        samples[name] = durations(records[name]) if name in {"cpu", "runqueue"} else records[name]
    samples["t"] = seconds(records["t"], trace.meta["perf_ns"])
    return samples[np.argsort(samples["t"], kind="stable")]
