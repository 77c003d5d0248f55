"""The task handler of a ``Pool``: counts every task that it writes, times the sampled ones.

The stages of ``Connection.send`` (check, pickle, write) are run here one by one, because bytes and times lie between
them; a wrapper around the whole could see neither.
"""

from __future__ import annotations

import sys

from mpdiag.probe.parts import LARGE, Call
from mpdiag.probe.patch import genuine
from mpdiag.probe.sampling import INDEX_FACTOR, JOB_FACTOR, MASK
from mpdiag.probe.sending import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.ledger import Ledger


def counted(ledger: Ledger, module: Any, put: Any) -> Callable[[Any], None]:
    """``put`` of the task handler with counting; ``put`` itself where it is not the standard ``Connection.send``."""
    connection: Any = sys.modules["multiprocessing.connection"]
    writer: Any = getattr(put, "__self__", None)
    if type(writer) is not connection.Connection or not genuine(put, connection):
        ledger.fail("pool with its own kind of queue", TypeError(type(writer).__qualname__))
        return put  # type: ignore[no-any-return]
    return _counting_put(ledger, module, put, writer)


def call(task: Any, module: Any) -> Call:
    """What a task of a pool calls, the chunk helpers unwrapped."""
    _job, _index, called, args, kwds = task
    if called is module.mapstar or called is module.starmapstar:
        inner, batch = args[0]
        return Call(inner, batch, kwds, starred=called is module.starmapstar)
    return Call(called, (args,), kwds, starred=True)


def _counting_put(ledger: Ledger, module: Any, put: Any, writer: Any) -> Callable[[Any], None]:
    connection: Any = sys.modules["multiprocessing.connection"]
    check_closed, check_writable, write = writer._check_closed, writer._check_writable, writer._send_bytes
    sender = Sender(ledger)
    plan, clock, fail = sender.plan, sender.clock, ledger.fail
    mapstar, starmapstar = module.mapstar, module.starmapstar
    current, words, first = -1, ledger.recorder.chunk.words, 0

    def counting_put(task: Any) -> None:
        nonlocal current, words, first
        if task is None or ledger.broken:
            put(task)
            return
        try:
            job, index, called, args, _ = task
            timed = (job * JOB_FACTOR ^ index * INDEX_FACTOR) & MASK < plan.limit
            chunked = called is mapstar or called is starmapstar
            if job != current:
                entry = sender.switch(job, args[0][0] if chunked else called)
                current, words, first = job, entry.sent_words, entry.sent
            elif sender.gap is not None:
                sender.close_gap()
        except Exception as error:
            fail("pool sending", error)
            put(task)
            return
        began = clock() if timed else 0
        check_closed()
        check_writable()
        data = connection._ForkingPickler.dumps(task)
        dumped = clock() if timed else 0
        write(data)
        try:
            size = len(data)
            words[first] += 1
            words[first + 1] += len(args[0][1]) if chunked else 1
            words[first + 2] += size
            if timed:
                sender.timed((began, dumped, clock()), (job, index), size, call(task, module))
            elif size >= LARGE:
                sender.look_into(call(task, module), (job, index), size)
        except Exception as error:
            fail("pool sending", error)

    return counting_put
