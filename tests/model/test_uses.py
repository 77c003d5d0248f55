from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from mpdiag.model.build import build_run
from mpdiag.model.pools import COUNT_LIMIT
from mpdiag.model.run import Block, LockUse, Served, Site, Use
from mpdiag.model.stages import stages
from mpdiag.model.uses import NOWHERE
from mpdiag.trace.reader import trace_of
from tests.model.written import ENDED, run_of
from tests.trace.strategies import runs

PARENT = "segment pid=100 ppid=1 cause=exec python=3.11.7 perf_ns=+0.01\n"
CHILD = (
    "segment pid=101 ppid=100 cause=fork python=3.11.7 perf_ns=+1.0\n"
    "ready t=+1.01 identity=1 role=program name=Process-1 method=fork logical_ppid=100\n"
    "finish t=+9.0 code=0 cpu=1000000000\n"
)
STARTED = 'start t=+0.9 identity=1 site="slow.py:8 (main)" method=fork name=Process-1\n'


def use(**more):
    fields = {"count": 5, "bytes": 70, "blocked": 2_000_000_000, "busy": 1_000_000, "timed": 2, "object": 7}
    fields |= {"site": '"slow.py:20 (feed)"', "operation": "put", "type": "Queue"} | more
    return "use " + " ".join(f"{name}={value}" for name, value in fields.items()) + "\n"


def lock(**more):
    fields = {"acquired": 9, "contended": 3, "waited": 500_000_000, "held": 2_000_000, "timed": 4, "object": 8}
    fields |= {"site": '"slow.py:30 (add)"', "operation": "acquire", "type": "Lock"} | more
    return "lock " + " ".join(f"{name}={value}" for name, value in fields.items()) + "\n"


def test_counters_of_every_process_are_read_in_seconds():
    run = run_of(ENDED + PARENT + STARTED + use(operation="get", site='"slow.py:40 (main)"') + CHILD + use() + lock())
    assert run.uses == (
        Use(0, "Queue", "get", 7, Site("slow.py", 40, "main"), 5, 70, 2.0, 0.001, 2),
        Use(1, "Queue", "put", 7, Site("slow.py", 20, "feed"), 5, 70, 2.0, 0.001, 2),
    )
    assert run.locks == (LockUse(1, "Lock", "acquire", 8, Site("slow.py", 30, "add"), 9, 3, 0.5, 0.002, 4),)
    assert [stage.process for stage in stages(run)] == [0, 1]
    assert stages(run)[1].seconds["wait_send"] == pytest.approx(2.0)


def test_calls_that_a_manager_served_are_read():
    served = "served calls=20 busy=80000 received=600 sent=400 object=7 method=get type=dict\n"
    run = run_of(ENDED + PARENT + STARTED + CHILD.replace("role=program", "role=manager") + served)
    assert run.served == (Served(1, "dict", "get", 7, 20, 8e-5, 600, 400),)
    assert [stage.process for stage in stages(run)] == [0], "a manager serves, and is no stage"


def test_shared_memory_is_in_the_order_of_time():
    block = 'memory t=+{} size=4096 name=psm_1 action={} site="slow.py:{} (main)"\n'
    run = run_of(
        ENDED + PARENT + STARTED + block.format(3.0, "unlink", 12) + block.format(1.5, "create", 10)
        + CHILD + block.format(2.0, "attach", 11)
    )  # fmt: skip
    assert run.blocks == (
        Block(0, 1.5, "psm_1", "create", 4096, Site("slow.py", 10, "main")),
        Block(1, 2.0, "psm_1", "attach", 4096, Site("slow.py", 11, "main")),
        Block(0, 3.0, "psm_1", "unlink", 4096, Site("slow.py", 12, "main")),
    )


def test_line_that_is_not_known_is_nowhere():
    memory = "memory t=+1.0 size=1 name=a action=create\n"
    run = run_of(
        ENDED
        + PARENT
        + use(site="''").replace(" site=''", "")
        + lock().replace('site="slow.py:30 (add)" ', "")
        + memory
    )
    assert [run.uses[0].site, run.locks[0].site, run.blocks[0].site] == [NOWHERE] * 3


def test_time_beyond_reason_is_none_and_counts_are_cut():
    most = (1 << 64) - 1
    run = run_of(
        ENDED + PARENT + use(count=most, bytes=most, blocked=most, busy=most, timed=most, object=most)
        + lock(acquired=most, contended=most, waited=most, held=most, timed=most)
        + f"served calls={most} busy={most} received={most} sent={most} object=1 method=get type=dict\n"
        + f"memory t=+1.0 size={most} name=a action=create\n"
    )  # fmt: skip
    (found,), (locked,), (served,), (block,) = run.uses, run.locks, run.served, run.blocks
    assert (found.count, found.bytes, found.timed, found.blocked_s, found.busy_s) == (*[COUNT_LIMIT] * 3, 0, 0)
    assert found.object == most, "an identity is no count"
    assert (locked.acquired, locked.contended, locked.timed, locked.waited_s) == (*[COUNT_LIMIT] * 3, 0)
    assert (served.calls, served.received, served.sent, served.busy_s) == (*[COUNT_LIMIT] * 3, 0)
    assert block.size == COUNT_LIMIT


def test_supervisor_uses_nothing():
    supervisor = "segment pid=99 ppid=1 cause=supervisor python=3.11.7 perf_ns=+0.0\n"
    memory = "memory t=+1.0 size=1 name=a action=create\n"
    run = run_of(ENDED + supervisor + use() + lock() + memory + PARENT + use())
    assert (len(run.uses), len(run.locks), len(run.blocks)) == (1, 0, 0)
    assert run.uses[0].process == 0


def test_run_without_any_has_none():
    run = run_of(ENDED + PARENT)
    assert (run.uses, run.locks, run.served, run.blocks) == ((), (), (), ())


@given(runs())
@settings(max_examples=150)
def test_no_trace_gives_what_is_no_number_or_a_process_that_is_not_there(files):
    run = build_run(trace_of(files))
    numbers = [number for one in run.uses for number in (one.blocked_s, one.busy_s)]
    numbers += [number for one in run.locks for number in (one.waited_s, one.held_s)]
    numbers += [one.busy_s for one in run.served]
    assert all(isfinite(number) and number >= 0 for number in numbers)
    everything: tuple[Any, ...] = (*run.uses, *run.locks, *run.served, *run.blocks)
    assert all(0 <= one.process < len(run.processes) for one in everything)
    assert all(0 <= process < len(run.processes) for process in run.mains)
    times = np.array([block.t for block in run.blocks])
    assert np.all(np.diff(times[~np.isnan(times)]) >= 0)
    for stage in stages(run):
        assert sum(stage.seconds.values()) == pytest.approx(stage.end - stage.begin, rel=1e-9, abs=1e-9)
