"""The heavy parts of one call's messages, for the rules about them: what they weigh, and what goes when they go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from mpdiag.model.change import Shed
from mpdiag.model.payload import loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mpdiag.model.change import Role
    from mpdiag.model.payload import Load
    from mpdiag.model.run import Origin, Pool, Run

LARGE_BYTES = 16_384
"""A part from this size on: below, the message costs more (30-60 us in a Pool, measured with tasks that do nothing)
than these bytes at 2-4 ns each for pickling, transfer and unpickling."""
MOSTLY = 0.5
"""A part repeats itself when this share of the messages looked into carried what had been sent before,"""
FEW = 8
"""and no more than so many contents were sent: that many a worker can keep. Many contents, each of which goes out once
in each of several calls, are arguments as any others."""
WORTH_SAYING = 0.1
"""Carrying takes at least this share of carrying and computing: less can hardly save 3 % of a run, and is not said."""


@dataclass(frozen=True)
class Burden:
    """Parts of the messages of origins alike, and the one of these origins with the most tasks."""

    role: Role
    parts: tuple[Load, ...]
    origin: Origin
    pool: Pool
    tasks: int
    items: int

    @cached_property
    def main(self) -> Load:
        """The part with the most bytes."""
        return max(self.parts, key=lambda load: load.task_bytes)

    @property
    def task_bytes(self) -> float:
        """Bytes of a task, mean over all."""
        return sum(load.task_bytes for load in self.parts)

    @property
    def carry_s(self) -> float:
        """Seconds of pickling, transfer and unpickling, over all tasks and processes."""
        return sum(load.carry_s for load in self.parts)

    def shed(self, *, left: float = 0.0, once: float = 0.0, made_there: bool = False) -> Shed:
        """The change that takes these parts away, but ``left`` bytes an item; ``once`` bytes go to each worker.

        They are ``made_there``, if so, instead of by the parent.
        """
        dearness = sum(load.task_bytes * load.dearness for load in self.parts) / max(self.task_bytes, 1.0)
        less = max(0.0, self.task_bytes - left * self.items / self.tasks)
        return Shed(self.origin.index, self.role, less, once, dearness, made_there)


def repeats_itself(load: Load) -> bool:
    """Whether one content, or a few, went out again and again."""
    return load.repeats >= MOSTLY and load.distinct <= FEW


def burdens(run: Run, role: Role, heavy: Callable[[Load], bool]) -> Iterator[Burden]:
    """The parts of a role that ``heavy`` chooses, by what they are sent with, where carrying them is worth a word."""
    chosen = (load for load in loads(run) if load.role == role and heavy(load))
    for origins, group in groupby(chosen, key=lambda load: load.origins):
        parts = tuple(group)
        alike = [run.origins[index] for index in origins]
        tasks, items = sum(origin.tasks for origin in alike), sum(origin.items for origin in alike)
        # A damaged trace may tell of tasks without items.
        carry = sum(load.carry_s for load in parts)
        if items and carry > 0 and carry / (carry + parts[0].compute_s) >= WORTH_SAYING:
            origin = max(alike, key=lambda origin: origin.tasks)
            yield Burden(role, parts, origin, run.pools[origin.pool], tasks, items)
