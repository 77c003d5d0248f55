"""What a large message is made of: which argument or captured state, what type, how many bytes, sent before or not."""

from __future__ import annotations

from mpdiag.probe import function
from mpdiag.probe.weigh import Weigher
from mpdiag.wire.format import FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from mpdiag.probe.recorder import Recorder

SHARE = 0.1
"""A part is recorded from this share of the payload on."""
SAMPLED_ITEMS = 8
"""Items of a chunk looked at."""
WIDEST = 8
"""Elements of a tuple that are told apart, when an item is one."""
REMEMBERED = 512
"""Digests kept to recognise content that is sent again."""


class Call:
    """A task's call, whatever wrapped it: ``function`` is called once per item of ``batch``.

    ``starred`` says that an item is a tuple of positional arguments; ``keywords`` go to every call.
    """

    __slots__ = ("batch", "function", "keywords", "starred")

    def __init__(self, called: Any, batch: Sequence[Any], keywords: dict[str, Any], *, starred: bool) -> None:
        """Describe one task."""
        self.function = called
        self.batch = batch
        self.keywords = keywords
        self.starred = starred


class Part:
    """One part of a message: ``size`` is estimated and later scaled to the measured payload, ``effort`` in ns."""

    __slots__ = ("digest", "effort", "name", "opaque", "role", "sampled", "size", "type")

    def __init__(self, role: str, name: str, value: Any, times: float = 1.0) -> None:
        """Weigh ``value``, of which the message holds ``times`` like it."""
        weighed = Weigher(value)
        self.role = role
        self.name = name
        self.type = type_name(value)
        self.size = weighed.size * times
        self.effort = weighed.effort * times
        self.digest = weighed.digest
        self.sampled = weighed.sampled
        self.opaque = weighed.opaque


def type_name(value: Any) -> str:
    """The type's qualified name; a sequence also tells the type of its first element."""
    kind = type(value)
    name: str = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if (kind is list or kind is tuple) and value:
        first = type(value[0])
        return f"{name} of {first.__qualname__}"
    return name


def captured(called: Any) -> Iterator[Part]:
    """The state that travels with a callable: a partial's bound arguments, a method's or instance's attributes."""
    names = function.own_parameters(called)
    while function.is_partial(called):
        for position, value in enumerate(called.args):
            name = names[position] if position < len(names) else f"args[{position}]"
            yield Part("callable", name, value)
        for name, value in called.keywords.items():
            yield Part("callable", name, value)
        called = called.func
    owner = called.__self__ if type(called) is function.METHOD else called
    for name, value in list(function.state(owner).items()):
        yield Part("callable", f"self.{name}", value)


def arguments(call: Call) -> Iterator[Part]:
    """The positional and keyword arguments of a call, one part per parameter."""
    count = len(call.batch)
    if not count:
        return
    sample = [call.batch[index * count // SAMPLED_ITEMS] for index in range(min(count, SAMPLED_ITEMS))]
    if count <= SAMPLED_ITEMS:
        sample = list(call.batch)
    if call.starred and not all(type(row) is tuple or type(row) is list for row in sample):
        return  # a sequence of the program's own: to look into it would run its code
    rows = sample if call.starred else [(item,) for item in sample]
    names = function.parameters(call.function)
    bound = function.filled(call.function)
    for position in range(min((len(row) for row in rows), default=0)):
        column = [row[position] for row in rows]
        place = position + bound
        name = names[place] if place < len(names) else f"args[{position}]"
        yield from _column(name, column, count)
    for name, value in call.keywords.items():
        yield Part("argument", name, value)


def _column(name: str, column: list[Any], count: int) -> Iterator[Part]:
    """The parts of one parameter: ``column`` are its values in some of a message's ``count`` items."""
    width = len(column[0]) if type(column[0]) is tuple else 0
    # One object in every item of a chunk is pickled once: the pickler remembers it.
    if all(value is column[0] for value in column) and not width:
        yield Part("argument", name, column[0])
    elif 0 < width <= WIDEST and all(type(value) is tuple and len(value) == width for value in column):
        for place in range(width):
            yield from _column(f"{name}[{place}]", [value[place] for value in column], count)
    else:
        part = Part("argument", name, column[0], count)
        others = [Weigher(value) for value in column[1:]]
        scale = count / len(column)
        part.size = part.size / len(column) + sum(other.size for other in others) * scale
        part.effort = part.effort / len(column) + sum(other.effort for other in others) * scale
        part.sampled |= count > len(column)
        for other in others:
            part.sampled |= other.sampled
            part.opaque |= other.opaque
            known = part.digest and other.digest
            part.digest = (part.digest * 31 + other.digest) & 0xFFFFFFFFFFFFFFFF if known else 0
        yield part


class Ledger:
    """Writes parts and remembers digests, for one sending thread."""

    __slots__ = ("_recorder", "_seen")

    def __init__(self, recorder: Recorder) -> None:
        """Write to ``recorder``."""
        self._recorder = recorder
        self._seen: dict[int, int] = {}

    def write(
        self, parts: list[Part], overhead: float, payload: int, where: tuple[int, int, int], items: int
    ) -> dict[str, float]:
        """Record the big ones among ``parts`` of a message of ``payload`` bytes for (origin, job, index) ``where``.

        ``overhead`` is the estimated rest of the message. Returns bytes per role, scaled to the payload.
        """
        scale = payload / max(overhead + sum(part.size for part in parts), 1.0)
        millionth = max(sum(part.effort for part in parts), 1.0) / 1e6
        totals: dict[str, float] = {}
        recorder = self._recorder
        origin, job, index = where
        for part in parts:
            size = part.size * scale
            totals[part.role] = totals.get(part.role, 0.0) + size
            if size < payload * SHARE:
                continue
            seen = self._sightings(part)
            flags = FLAGS["large"] | (FLAGS["same"] if seen else 0) | (FLAGS["sampled"] if part.sampled else 0)
            texts = (recorder.text(part.role), recorder.text(part.name), recorder.text(part.type))
            told = (int(size), payload, part.digest, seen, int(part.effort / millionth), origin)
            recorder.put("part", *told, *texts, items, job, index, flags=flags)
        return totals

    def _sightings(self, part: Part) -> int:
        if not part.digest:
            return 0
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        seen = self._seen.get(part.digest, 0)
        self._seen[part.digest] = seen + 1
        return seen
