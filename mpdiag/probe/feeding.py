"""The feeder thread of an executor's call queue: counts every call that it sends, times the sampled ones."""

from __future__ import annotations

from mpdiag.probe import function
from mpdiag.probe.parts import LARGE, Call
from mpdiag.probe.sampling import INDEX_FACTOR, MASK
from mpdiag.probe.sending import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.ledger import Ledger


class Buffer:
    """Stands for the queue's deque in the feeder: tells which item is being pickled, and since when."""

    __slots__ = ("_deque", "_limits", "began", "item")

    def __init__(self, deque: Any, sender: Sender) -> None:
        """Take items from ``deque``."""
        self._deque = deque
        self._limits = (sender.plan, sender.clock)
        self.item: Any = None
        self.began = 0

    def __len__(self) -> int:
        """Give the number of items that wait."""
        return len(self._deque)

    def popleft(self) -> Any:
        """Take the next item; IndexError when there is none."""
        self.item = None
        item = self._deque.popleft()
        work_id = getattr(item, "work_id", None)
        if work_id is not None:
            plan, clock = self._limits
            self.began = clock() if work_id * INDEX_FACTOR & MASK < plan.limit else 0
            self.item = item
        return item


def counted(ledger: Ledger, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of ``Queue._feed`` with the buffer and ``send_bytes`` replaced by counting ones.

    Raises StopIteration where this version of ``_feed`` takes no bound ``send_bytes``.
    """
    send = next(arg for arg in args if getattr(arg, "__name__", "") == "send_bytes")
    sender = Sender(ledger)
    buffer = Buffer(args[0], sender)
    counting = _counting_send(send, buffer, sender, module)
    return (buffer, *(counting if arg is send else arg for arg in args[1:]))


def _call(item: Any, module: Any) -> Call:
    called, args = item.fn, item.args
    if function.is_partial(called) and called.func is module._process_chunk:
        return Call(called.args[0], args[0], item.kwargs, starred=True)
    return Call(called, (args,), item.kwargs, starred=True)


def _counting_send(send: Callable[[Any], None], buffer: Buffer, sender: Sender, module: Any) -> Callable[[Any], None]:
    ledger, clock = sender.ledger, sender.clock

    def counting_send(data: Any) -> None:
        item, began = buffer.item, buffer.began
        if item is None or ledger.broken:
            send(data)
            return
        dumped = clock() if began else 0
        task = (0, item.work_id)
        try:  # before the call goes out: its result may be back before this thread goes on
            call = _call(item, module)
            entry = sender.switch(item.work_id, call.function)
        except Exception as error:
            ledger.fail("executor sending", error)
            send(data)
            return
        buffer.item = item = None
        began_writing = clock() if began else 0
        send(data)
        try:
            written = clock() if began else 0
            words, first, size = entry.sent_words, entry.sent, len(data)
            words[first] += 1
            words[first + 1] += len(call.batch)
            words[first + 2] += size
            if began:
                sender.timed((began, dumped, dumped + written - began_writing), task, size, call)
            elif size >= LARGE:
                sender.look_into(call, task, size)
        except Exception as error:
            ledger.fail("executor sending", error)

    return counting_send
