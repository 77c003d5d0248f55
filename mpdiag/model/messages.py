"""From a stream of items to the messages of one chunk size, with what each costs the parent and the workers."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.model.schedule import Messages
from mpdiag.model.worker_side import PIPE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mpdiag.model.batches import Stream
    from mpdiag.model.change import Shed
    from mpdiag.model.costs import Costs

    Floats = NDArray[np.float64]

LARGE_WRITER_CPU = 0.2
"""CPU that the writer of a message larger than the pipe uses beside its reader, as a share of the transfer (measured:
a 1 MiB message costs the writer 0.16 and the reader 1.1 ns per byte)."""
COLLECT_S = 5e-6
"""The collector's reading of a small message, which no stamp shows (measured: send_bytes and recv_bytes 3.2 us)."""


MORE_TOLL_S = 10e-6
"""What is not stamped of a message at most, in a setting of more messages than were recorded (measured: a chatty Pool
takes 26-65 us per task in all, of which about half is stamped)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How an origin's items are sent: its changes against the recorded run."""

    chunksize: int | None = None
    """None: as recorded."""
    less_argument: float = 0.0
    """Bytes that go away, per recorded message."""
    less_callable: float = 0.0
    less_result: float = 0.0
    eased_argument: float = 0.0
    """The same in bytes of average dearness: what pickling and unpickling are spared."""
    eased_callable: float = 0.0
    eased_result: float = 0.0
    made_there: bool = False
    """The workers make the items, no longer the parent."""

    def without(self, shed: Shed) -> Setting:
        """The setting with these bytes gone, too."""
        more = {f"less_{shed.role}": shed.bytes, f"eased_{shed.role}": shed.bytes * shed.dearness}
        sums = {name: getattr(self, name) + size for name, size in more.items()}
        return replace(self, **sums, made_there=self.made_there or shed.made_there)


@dataclass(frozen=True, slots=True)
class Tariff:
    """What the messages of an origin cost: stamped and unstamped, and the main thread's part of it.

    ``toll_s`` is what is not stamped of the parent's (under its GIL), per message; ``submit_s`` per message and
    ``item_s`` per item are its main thread's CPU seconds; ``effort`` scales what the items demand; ``cpu`` is the share
    of a message's seconds in which a processor was used, not waited for.
    """

    costs: Costs
    toll_s: float = 0.0
    submit_s: float = 0.0
    item_s: float = 0.0
    effort: float = 1.0
    cpu: float = 1.0
    starved: bool = True
    """The workers waited for tasks: only then can the main thread have been too slow in submitting."""


def cut(stream: Stream, setting: Setting, tariff: Tariff, limit: int) -> Messages:
    """Cut a stream into messages, of which at most ``limit`` entries are made."""
    costs = tariff.costs
    edges, each = _edges(stream, setting, limit)
    items, cpu, blocked, argument, result = (
        np.diff(np.interp(edges, stream.edges, curve))
        for curve in (stream.edges, stream.cpu, stream.blocked, stream.argument, stream.result)
    )
    recorded = stream.messages / max(stream.items, 1e-9)
    # Sizes of one message; one entry stands for ``each``.
    count = items / each
    # Bytes that count in pickling and unpickling, then those that pass the pipe.
    payload = (argument - setting.eased_argument * recorded * items) / each
    payload = np.maximum(payload + stream.callable_bytes - setting.eased_callable, 0.0)
    outcome = np.maximum(result - setting.eased_result * recorded * items, 0.0) / each
    argument = np.maximum(argument - setting.less_argument * recorded * items, 0.0) / each
    result = np.maximum(result - setting.less_result * recorded * items, 0.0) / each
    sent = argument + max(0.0, stream.callable_bytes - setting.less_callable)
    large, large_result = sent > PIPE_BYTES, result > PIPE_BYTES
    unseen = tariff.toll_s
    if len(items) * each > stream.messages * 1.01:
        # What few messages waited for is no measure of what many would.
        unseen = min(unseen, MORE_TOLL_S)
    whole = stream.argument[-1] / stream.messages + stream.callable_bytes
    if whole > PIPE_BYTES:
        # What is not stamped of a message that does not fit the pipe goes by its bytes, as what is stamped does.
        unseen = np.maximum(unseen * np.minimum(sent / whole, 1.0), min(unseen, MORE_TOLL_S))
    pickle = costs.gap.at(count, sent) + costs.pickle.at(count, payload) + unseen
    write = np.where(large, 0.0, costs.write.at(count, sent))
    transfer = np.where(large, costs.transfer.at(count, sent), 0.0)
    read = np.where(large, 0.0, costs.read.at(count, sent))
    reply = costs.reply.at(count, result)
    worker = costs.unpickle.at(count, payload) + costs.reply_pickle.at(count, outcome) + reply
    heavy = sent + result > PIPE_BYTES
    worker += np.where(heavy, costs.release.at(count, payload + outcome), costs.loop.at(count, sent))
    collect = costs.collect.at(count, outcome) + costs.handle.at(count, outcome)
    collect += np.where(large_result, reply, COLLECT_S)
    produce = stream.produce_s * count
    if setting.made_there:
        worker += produce
        produce = np.zeros(len(count))
    parent = tariff.cpu * (pickle + write + collect + LARGE_WRITER_CPU * transfer)
    parent += produce + tariff.submit_s + tariff.item_s * count
    # A writer that is held by its reader uses little CPU.
    held = np.where(large_result, (1.0 - LARGE_WRITER_CPU) * reply, 0.0)
    arrival = np.concatenate(([0.0], np.cumsum(items)[:-1])) * _pace_s(stream, tariff)
    feed = (pickle + write + produce) * each
    return Messages(
        arrival,
        feed,
        sent * each,
        transfer * each,
        read * each,
        worker * each + (cpu + blocked) * tariff.effort,
        collect * each,
        parent * each,
        (parent + tariff.cpu * (worker - held + read + transfer)) * each + cpu * tariff.effort,
        each,
    )


def _pace_s(stream: Stream, tariff: Tariff) -> float:
    """Seconds per item that the main thread takes its time between two submissions.

    As recorded, where the parent's own work at recorded message sizes explains less than half of it: then the program
    does something there, and will do it again. The machinery's own pace binds nothing.
    """
    costs, items = tariff.costs, max(stream.items, 1e-9)
    count = np.array([items / stream.messages])
    sent = (stream.argument[-1] / stream.messages) + stream.callable_bytes + np.zeros(1)
    back = stream.result[-1] / stream.messages + np.zeros(1)
    parent = (
        tariff.toll_s + tariff.submit_s + COLLECT_S + tariff.item_s * count
        + costs.gap.at(count, sent) + costs.pickle.at(count, sent) + costs.write.at(count, sent)
        + costs.transfer.at(count, sent) + costs.collect.at(count, back) + costs.handle.at(count, back)
    )  # fmt: skip
    pace = stream.span_s / items
    slack = pace - float(parent[0] / count[0])
    return slack if tariff.starved and slack > pace / 2 else 0.0


def _edges(stream: Stream, setting: Setting, limit: int) -> tuple[Floats, float]:
    """Item numbers between which the entries lie, and the messages that each entry stands for."""
    if setting.chunksize is None:
        if stream.exact and len(stream.edges) - 1 <= limit:
            return stream.edges, 1.0
        messages = stream.messages
        known = np.linspace(0.0, 1.0, len(stream.edges))
        entries = max(1, min(limit, round(messages)))
        return np.interp(np.linspace(0.0, 1.0, entries + 1), known, stream.edges), messages / entries
    chunks = max(stream.jobs, np.ceil(stream.items / setting.chunksize - 1e-9))
    entries = max(1, min(limit, int(chunks)))
    if entries == chunks and stream.jobs == 1:
        edges = np.minimum(np.arange(entries + 1) * float(setting.chunksize), stream.items)
        return edges, 1.0
    return np.linspace(0.0, stream.items, entries + 1), float(chunks) / entries


def merged(parts: Sequence[Messages]) -> Messages:
    """Several streams of one batch as one sequence: each stream's entries spread evenly over it."""
    if len(parts) == 1:
        return parts[0]
    places = np.concatenate([(np.arange(len(part)) + 0.5) / max(1, len(part)) for part in parts])
    order = np.argsort(places, kind="stable")
    names = [field.name for field in fields(Messages) if field.name != "each"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in names}
    return Messages(**columns, each=max(part.each for part in parts))
