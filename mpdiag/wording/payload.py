"""Large parts of messages in words: what a title calls them, and the facts that show what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpdiag.model.payload import Load

NAMED = 3
"""Parts named among the evidence; more than that, each above a tenth of the message, are rare."""


def heaviest(loads: Sequence[Load]) -> Load:
    """Give the part with the most bytes."""
    return max(loads, key=lambda load: load.task_bytes)


def facts(loads: Sequence[Load], tasks: int) -> tuple[Evidence, ...]:
    """Give the evidence that parts of the same messages are heavy."""
    ordered = sorted(loads, key=lambda load: -load.task_bytes)
    carried = sum(load.carry_s for load in loads)
    compute = loads[0].compute_s
    return (
        *(
            Evidence(f"{load.name} ({load.type}), of a message", round(load.message_bytes), "bytes")
            for load in ordered[:NAMED]
        ),
        Evidence("tasks", tasks, "count"),
        Evidence("in all", round(sum(load.task_bytes for load in loads) * tasks), "bytes"),
        Evidence("of it sent before", max(load.repeats for load in loads), "share"),
        Evidence("pickling, transfer and unpickling of it", carried, "s"),
        Evidence("computing in these tasks", compute, "s"),
    )
