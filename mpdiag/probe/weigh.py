"""How big an object will be when pickled, how long that takes, and a digest of its content, without pickling it again.

Only exact built-in types and buffers are looked into, a bounded sample of them, so that no code of the program runs.
The size is good to some ten percent and is scaled to the measured payload later; the digest covers the sample. A weight
is a pair: bytes, and the nanoseconds to pickle and unpickle them. The latter are for comparing parts of one message, no
more: a megabyte of bytes is copied in the time that a thousand strings take.
"""

from __future__ import annotations

import sys
from itertools import islice

from mpdiag.probe.function import is_bare, is_ordinary, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Weight = tuple[float, float]

SAMPLE = 16
"""Elements looked at in one container, evenly spread where it can be indexed."""
NODES = 400
"""Objects looked at in all."""
DEPTH = 6
WINDOW = 64
"""Bytes of one window into a buffer; ``SAMPLE`` windows of it make its digest."""
WHOLE = 1 << 18
"""Bytes up to which a buffer's whole content is in its digest: 0.2 ms; an eighth as many elements of a list."""
LONG = 4096
"""Characters from which a string's digest is made of windows, too: to hash a gigabyte takes a second."""
OBJECT = 5
"""Pickled bytes of an object for each byte of the pointer to it in an array of objects: a guess, and no more."""
MASK = (1 << 64) - 1
NUMBER_NS = 25.0
"""Pickling and unpickling of a number (measured here, CPython 3.11, as the others: dumps and loads of 100,000)."""
MEMO_NS = 150.0
"""Of a string, a list, a tuple, a dict: whatever the pickler remembers."""
PAIR_NS = 40.0
"""Of a dict's entry, beside its key and value."""
OBJECT_NS = 1000.0
"""Of an instance, beside its attributes."""
BYTE_NS = 0.1
"""Of a byte in a string or buffer."""
OPAQUE = (40.0, OBJECT_NS)
"""Of an instance without its content."""
MAPPINGS = ("Counter", "OrderedDict", "defaultdict")
REFERENCE = (3.0, NUMBER_NS)
"""To what the pickler remembers, or what stands for it."""


class Weigher:
    """Weighs one object.

    ``size`` is its estimated pickled bytes, ``effort`` the nanoseconds of pickling and unpickling, ``digest`` tells its
    content (0 if some of it could not be read), and ``sampled`` says that not all of the content is in the digest:
    equal digests then make equal content likely, not sure. ``opaque`` says that something in it could not be looked
    into, of which the size is not known either: a slotted object, say.
    """

    __slots__ = ("_left", "_seen", "_unread", "digest", "effort", "opaque", "sampled", "size")

    def __init__(self, value: Any) -> None:
        """Weigh ``value``."""
        self.digest = 0
        self.sampled = self.opaque = self._unread = False
        self._left = NODES
        self._seen: set[int] = set()
        size, self.effort = self._weigh(value, 0)
        self.size = int(size)
        if self.opaque or self._unread:
            self.digest = 0

    def _mix(self, value: int) -> None:
        self.digest = (self.digest * 0x100000001B3 ^ value) & MASK

    def _weigh(self, value: Any, depth: int) -> Weight:
        kind = type(value)
        scalar = SCALARS.get(id(kind))
        if scalar is not None:
            if kind is str and len(value) > LONG:
                self._mix_windows(value, len(value), WINDOW)
            else:
                self._mix(hash(value))
            return scalar(value)
        if id(value) in self._seen:
            return REFERENCE
        if self._left <= 0 or depth > DEPTH:
            self.sampled = True
            return REFERENCE
        self._left -= 1
        self._seen.add(id(value))
        if not is_ordinary(kind):
            self.opaque = True
            return OPAQUE
        if kind in (bytes, bytearray) or _is_array(kind):
            return self._buffer(value)
        self._mix(hash(kind.__name__))
        return self._contents(value, kind, depth)

    def _contents(self, value: Any, kind: type, depth: int) -> Weight:
        if kind in (list, tuple):
            if len(value) > SAMPLE:
                self._mix_whole(value)
            return self._items(_spread(value), len(value), depth)
        if kind in (set, frozenset):
            self.sampled |= len(value) > SAMPLE
            return self._items(list(islice(value, SAMPLE)), len(value), depth)
        if kind is dict or _is_mapping(kind):
            count = dict.__len__(value)
            self.sampled |= count > SAMPLE
            pairs = list(islice(dict.items(value), SAMPLE))
            size, effort = self._items([part for pair in pairs for part in pair], 2 * count, depth)
            return size, effort + PAIR_NS * count
        if kind.__base__ is tuple and "_fields" in kind.__dict__:  # a namedtuple: few elements
            sample = tuple.__getitem__(value, slice(SAMPLE))
            size, effort = self._items(list(sample), tuple.__len__(value), depth)
            self.sampled |= tuple.__len__(value) > SAMPLE
            return size + OPAQUE[0] / 2, effort + OBJECT_NS
        return self._instance(value, depth)

    def _items(self, sample: list[Any], count: int, depth: int) -> Weight:
        self._mix(count)
        size = effort = 0.0
        for item in sample:
            weight = self._weigh(item, depth + 1)
            size += weight[0]
            effort += weight[1]
        share = count / len(sample) if sample else 0.0
        return 4.0 + size * share, MEMO_NS + effort * share

    def _buffer(self, value: Any) -> Weight:
        if type(value).__module__ != "numpy":
            # By slices: while there is a memoryview, no other thread of the program could resize it.
            unit = getattr(value, "itemsize", 1)
            self._mix_windows(value, len(value), max(WINDOW // unit, 1))
            return _buffer(len(value) * unit)
        try:
            view = memoryview(value)
            size = view.nbytes
            if view.format == "O":  # pointers: neither a size nor a content
                self.opaque = True
                return float(OBJECT * size), MEMO_NS / 8 * size
            flat = view.cast("B")
        except (TypeError, ValueError, BufferError):  # not contiguous
            self._unread = True
            return _buffer(value.nbytes)
        self._mix_windows(flat, size, WINDOW)
        return _buffer(size)

    def _mix_whole(self, value: Any) -> None:
        """Take in all elements of a list or tuple, if they are scalars and not too many; else it stays a sample."""
        if len(value) <= WHOLE // 8 and SCALARS.keys() >= set(map(id, map(type, value))):
            self._mix(hash(tuple(value)))
        else:
            self.sampled = True

    def _mix_windows(self, value: Any, size: int, window: int) -> None:
        self._mix(size)
        if size <= WHOLE:
            self._mix(hash(value if type(value) is str else bytes(value)))
            return
        self.sampled = True
        step = max((size - window) // SAMPLE, 1)
        for start in range(0, max(size - window, 1), step):
            piece = value[start : start + window]
            self._mix(hash(piece if type(piece) is str else bytes(piece)))

    def _instance(self, value: Any, depth: int) -> Weight:
        attributes = state(value)
        if not attributes or not is_bare(type(value)):
            self.opaque = True
        size, effort = self._weigh(attributes, depth + 1) if attributes else (0.0, 0.0)
        return OPAQUE[0] + size, OPAQUE[1] + effort


def _is_array(kind: type) -> bool:
    return (kind.__module__, kind.__name__) in (("numpy", "ndarray"), ("array", "array"))


def _is_mapping(kind: type) -> bool:
    """Whether this is a dict of ``collections``, whose items are all there is to it (but for a default factory)."""
    name = kind.__name__ if kind.__module__ == "collections" else ""
    return name in MAPPINGS and kind is getattr(sys.modules.get("collections"), name, None)


def _spread(value: Any) -> list[Any]:
    count = len(value)
    if count <= SAMPLE:
        return list(value)
    return [value[index * (count - 1) // (SAMPLE - 1)] for index in range(SAMPLE)]


def _buffer(size: float) -> Weight:
    return size + 16.0, OBJECT_NS + BYTE_NS * size


def _integer(value: int) -> Weight:
    size = 2.0 if 0 <= value < 256 else 3.0 if 0 <= value < 65536 else 5.0 if -(2**31) <= value < 2**31 else 10.0  # noqa: PLR2004
    return size, NUMBER_NS


def _text(value: str) -> Weight:
    size = len(value) * (1.0 if value.isascii() else 2.0) + (2.0 if len(value) < 256 else 5.0)  # noqa: PLR2004
    return size, MEMO_NS + BYTE_NS * size


SCALARS: dict[int, Callable[[Any], Weight]] = {
    id(int): _integer,
    id(float): lambda _: (9.0, NUMBER_NS),
    id(str): _text,
    id(bool): lambda _: (1.0, NUMBER_NS),
    id(type(None)): lambda _: (1.0, NUMBER_NS),
}
"""Exact scalar types by identity, since a metaclass may have a hash of its own: their weights (bytes of protocol 4,
measured against pickle.dumps in the tests)."""
