"""The feeder thread of an executor's call queue: counts every call that it sends, times the sampled ones."""

from __future__ import annotations

from mpdiag.probe import function
from mpdiag.probe.function import FUNCTION
from mpdiag.probe.loading import parts
from mpdiag.probe.sampling import FACTOR, MASK
from mpdiag.probe.sending import Sender
from mpdiag.wire.format import LARGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.ledger import Ledger
    from mpdiag.probe.parts import Call


class Buffer:
    """Stands for the queue's deque in the feeder: tells which item is being pickled, and since when."""

    __slots__ = ("_clock", "_deque", "_plan", "_pop", "began", "item", "limit")

    def __init__(self, deque: Any, sender: Sender) -> None:
        """Take items from ``deque``."""
        self._deque = deque
        self._pop = deque.popleft
        self._plan, self._clock = sender.plan, sender.clock
        self.item: Any = None
        self.began = self.limit = 0

    def __len__(self) -> int:
        """Give the number of items that wait."""
        return len(self._deque)

    def popleft(self) -> Any:
        """Take the next item; IndexError when there is none."""
        self.item = None
        taken = self._pop()
        try:
            self.limit = limit = self._plan.limit
            self.began = self._clock() if taken.work_id * FACTOR & MASK < limit else 0
        except AttributeError:  # the queue's sentinel
            return taken
        self.item = taken
        return taken


def counted(ledger: Ledger, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of ``Queue._feed`` with the buffer and ``send_bytes`` replaced by counting ones.

    Raises StopIteration where this version of ``_feed`` takes no bound ``send_bytes``.
    """
    send = next(arg for arg in args if getattr(arg, "__name__", "") == "send_bytes")
    sender = Sender(ledger)
    buffer = Buffer(args[0], sender)
    counting = _counting_send(send, buffer, sender, module)
    return (buffer, *(counting if arg is send else arg for arg in args[1:]))


def call(item: Any, module: Any) -> Call:
    """What a call item calls, the chunk helper unwrapped."""
    kind: type[Call] = parts().Call
    called, args = item.fn, item.args
    if function.is_partial(called) and called.func is module._process_chunk:
        return kind(called.args[0], args[0], item.kwargs, starred=True)
    return kind(called, (args,), item.kwargs, starred=True)


def _counting_send(send: Callable[[Any], None], buffer: Buffer, sender: Sender, module: Any) -> Callable[[Any], None]:
    ledger, clock = sender.ledger, sender.clock
    is_partial, process_chunk = function.is_partial, module._process_chunk
    entry: Any = None
    words, first, second, third = ledger.recorder.chunk.words, 0, 0, 0
    submitted = tasks = items = sent = 0

    def counting_send(data: Any) -> None:
        nonlocal entry, submitted, words, first, second, third, tasks, items, sent
        task, began = buffer.item, buffer.began
        if task is None or ledger.broken:
            send(data)
            return
        dumped = clock() if began else 0
        try:  # before the call goes out: its result may be back before this thread goes on
            buffer.item = None
            index, called, batch = task.work_id, task.fn, 1
            if type(called) is not FUNCTION and is_partial(called) and called.func is process_chunk:
                called, batch = called.args[0], len(task.args[0])
            found, submitted = ledger.open(index, called)
            if found is not entry:
                entry, words, first = found, found.sent_words, found.sent
                second, third = first + 1, first + 2
                tasks, items, sent = words[first], words[second], words[third]
        except Exception as error:
            ledger.fail("executor sending", error)
            send(data)
            return
        began_writing = clock() if began else 0
        send(data)
        try:
            written = clock() if began else 0
            size = len(data)
            words[first] = tasks = tasks + 1
            words[second] = items = items + batch
            words[third] = sent = sent + size
            if size >= LARGE:
                sender.look_into(entry, (call, task, module), (0, index), size)
            if began:
                written += dumped - began_writing  # leaves out what came in between
                sender.timed(entry, submitted, began, dumped, written, 0, index, size, batch, buffer.limit)
        except Exception as error:
            ledger.fail("executor sending", error)

    return counting_send
