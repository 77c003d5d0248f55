"""Declarative changes: what a finding would change, in terms that the replay understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["argument", "callable", "result"]
"""What a part of a message is."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Send ``chunksize`` items of an origin (and of those alike: the same line is edited) in one message."""

    origin: int
    chunksize: int


@dataclass(frozen=True, slots=True)
class Shed:
    """So many bytes of an origin's every message go away (per task, mean); ``once`` bytes are sent to each worker.

    As with ``Chunk``, of those alike, too. ``dearness`` is how many times longer than the message's average byte these
    take to be pickled and unpickled. What is ``made_there`` the workers make, no longer the parent: so much of its time
    as its iterable took goes over to them.
    """

    origin: int
    role: Role
    bytes: float
    once: float = 0.0
    dearness: float = 1.0
    made_there: bool = False


@dataclass(frozen=True, slots=True)
class Serial:
    """No processes at all: the work of these pools runs in the parent."""

    pools: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeepPool:
    """These pools become one: start-up and shutdown are paid once."""

    pools: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuickStart:
    """Every worker of these pools starts in ``seconds`` (launch to first task)."""

    pools: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """The tasks of these pools are all submitted before the first result is awaited."""

    pools: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fewer:
    """Of these operations (indices into ``Run.uses``) and waits (into ``Run.locks``) only this share remains."""

    uses: tuple[int, ...] = ()
    locks: tuple[int, ...] = ()
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Reuse:
    """So many lasting processes do the work of these (indices into ``Run.processes``), one piece after the other."""

    processes: tuple[int, ...]
    lasting: int


Change = Chunk | Shed | Serial | KeepPool | QuickStart | Overlap | Fewer | Reuse
