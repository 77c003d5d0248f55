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
DOUBT = 0.35
"""By this share of a payload the estimates may be wrong; what they leave beyond it, opaque parts have."""
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

    def sample(self) -> Sequence[Any]:
        """Some of the items, evenly spread."""
        count = len(self.batch)
        if count <= SAMPLED_ITEMS:
            return list(self.batch)
        return [self.batch[index * count // SAMPLED_ITEMS] for index in range(SAMPLED_ITEMS)]


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


def complete(call: Call) -> bool:
    """Whether ``captured`` and ``arguments`` name all there is in a call, if not all of its size."""
    called = call.function
    while function.is_partial(called):
        called = called.func
    owner = called.__self__ if type(called) is function.METHOD else called
    if not function.is_stateless(owner) and not function.is_bare(type(owner)):
        return False
    rows = call.sample() if call.starred else []
    return all(_is_row(row) and len(row) == len(rows[0]) for row in rows)


def _is_row(value: Any) -> bool:
    """Whether looking into ``value`` runs no code of the program's: it is no sequence of its own."""
    return type(value) is tuple or type(value) is list


def arguments(call: Call) -> Iterator[Part]:
    """The positional and keyword arguments of a call, one part per parameter."""
    count = len(call.batch)
    if not count:
        return
    sample = call.sample()
    rows = sample if call.starred else [(item,) for item in sample]
    if not all(_is_row(row) for row in rows):
        rows = []
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


def _shares(parts: list[Part], overhead: float, payload: int, *, whole: bool) -> tuple[list[float], list[float]]:
    """The parts' bytes of the payload, and their shares of the effort.

    The estimates are scaled to the payload, but not by what they cannot know of: that is the opaque parts', and takes
    as much effort as its share of the bytes; or nobody's.
    """
    effort = max(sum(part.effort for part in parts), 1.0)
    estimate = max(overhead + sum(part.size for part in parts), 1.0)
    scale = payload / estimate
    hidden = sum(part.size for part in parts if part.opaque)
    if estimate >= (1 - DOUBT) * payload or (whole and not hidden):
        return [part.size * scale for part in parts], [part.effort / effort for part in parts]
    if not whole:
        return [part.size for part in parts], [part.effort / effort / scale for part in parts]
    factor = 1 + (payload - estimate) / hidden
    sizes = [part.size * factor if part.opaque else part.size for part in parts]
    unknown = sum(size for part, size in zip(parts, sizes) if part.opaque) / payload  # noqa: B905 - Python 3.9
    effort = max(sum(part.effort for part in parts if not part.opaque), 1.0) / (1 - unknown)
    efforts = [
        size / payload if part.opaque else part.effort / effort
        for part, size in zip(parts, sizes)  # noqa: B905 - Python 3.9
    ]
    return sizes, efforts


class Ledger:
    """Writes parts and remembers digests, for one sending thread."""

    __slots__ = ("_recorder", "_seen")

    def __init__(self, recorder: Recorder) -> None:
        """Write to ``recorder``."""
        self._recorder = recorder
        self._seen: dict[int, int] = {}

    def write(  # noqa: PLR0913 - what there is to say about one message
        self,
        parts: list[Part],
        overhead: float,
        payload: int,
        where: tuple[int, int, int],
        items: int,
        *,
        whole: bool = True,
    ) -> dict[str, float]:
        """Record the big ones among ``parts`` of a message of ``payload`` bytes for (origin, job, index) ``where``.

        ``overhead`` is the estimated rest of the message. Unless these are the ``whole`` message, what the estimates
        leave is nobody's. Returns bytes per role, scaled to the payload.
        """
        sizes, efforts = _shares(parts, overhead, payload, whole=whole)
        totals: dict[str, float] = {}
        recorder = self._recorder
        origin, job, index = where
        for part, size, effort in zip(parts, sizes, efforts):  # noqa: B905 - Python 3.9 knows no strict
            totals[part.role] = totals.get(part.role, 0.0) + size
            if size < payload * SHARE:
                continue
            seen = self._sightings(part)
            flags = FLAGS["large"] | (FLAGS["same"] if seen else 0) | (FLAGS["sampled"] if part.sampled else 0)
            texts = (recorder.text(part.role), recorder.text(part.name), recorder.text(part.type))
            told = (int(size), payload, part.digest, seen, int(effort * 1e6), origin)
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
