"""The task handler of a ``Pool``: counts every task that it writes, times the sampled ones.

The stages of ``Connection.send`` (check, pickle, write) are run here one by one, because bytes and times lie between
them; a wrapper around the whole could see neither.
"""

from __future__ import annotations

import sys

from mpdiag.probe.loading import parts
from mpdiag.probe.patch import genuine
from mpdiag.probe.sampling import FACTOR, MASK
from mpdiag.probe.sending import Sender
from mpdiag.wire.format import LARGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.ledger import Ledger
    from mpdiag.probe.parts import Call


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
    kind: type[Call] = parts().Call
    _job, _index, called, args, kwds = task
    if called is module.mapstar or called is module.starmapstar:
        inner, batch = args[0]
        return kind(inner, batch, kwds, starred=called is module.starmapstar)
    return kind(called, (args,), kwds, starred=True)


def _counting_put(ledger: Ledger, module: Any, put: Any, writer: Any) -> Callable[[Any], None]:
    connection: Any = sys.modules["multiprocessing.connection"]
    write = writer._send_bytes
    sender = Sender(ledger)
    plan, clock = sender.plan, sender.clock
    mapstar, starmapstar = module.mapstar, module.starmapstar
    current, gap = -1, False
    entry: Any = None
    words, first, second, third = ledger.recorder.chunk.words, 0, 0, 0
    submitted = tasks = items = sent = 0

    def counting_put(task: Any) -> None:
        nonlocal current, gap, entry, submitted, words, first, second, third, tasks, items, sent
        if task is None or ledger.broken or writer._handle is None or not writer._writable:
            put(task)
            return
        try:
            job, index, called, args, _ = task
            limit = plan.limit  # may change until the record is written
            timed = (job + index) * FACTOR & MASK < limit
            chunked = called is mapstar or called is starmapstar
            if job != current:
                found, submitted = ledger.open(job, args[0][0] if chunked else called)
                current, gap = job, False
                if found is not entry:
                    entry, words, first = found, found.sent_words, found.sent
                    second, third = first + 1, first + 2
                    tasks, items, sent = words[first], words[second], words[third]
            elif gap:
                gap = False
                sender.close_gap()
        except Exception as error:
            ledger.fail("pool sending", error)
            put(task)
            return
        began = clock() if timed else 0
        data = connection._ForkingPickler.dumps(task)
        dumped = clock() if timed else 0
        write(data)
        written = clock() if timed else 0
        try:
            size = len(data)
            words[first] = tasks = tasks + 1
            batch = len(args[0][1]) if chunked else 1
            words[second] = items = items + batch
            words[third] = sent = sent + size
            if size >= LARGE:
                sender.look_into(entry, (call, task, module), (job, index), size)
            if timed:
                gap = sender.timed(entry, submitted, began, dumped, written, job, index, size, batch, limit)
        except Exception as error:
            ledger.fail("pool sending", error)

    return counting_put
