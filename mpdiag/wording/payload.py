"""Large parts of messages in words: the facts that show what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence

if TYPE_CHECKING:
    from mpdiag.model.burden import Burden

NAMED = 3
"""Parts named among the evidence; more than that, each above a tenth of the message, are rare."""


def facts(burden: Burden) -> tuple[Evidence, ...]:
    """Give the evidence that parts of the same messages are heavy."""
    ordered = sorted(burden.parts, key=lambda load: -load.task_bytes)
    return (
        *(
            Evidence(f"{load.name} ({load.type}), of a message", round(load.message_bytes), "bytes")
            for load in ordered[:NAMED]
        ),
        Evidence("tasks", burden.tasks, "count"),
        Evidence("in all", round(burden.task_bytes * burden.tasks), "bytes"),
        Evidence("of it sent before", max(load.repeats for load in ordered), "share"),
        Evidence("pickling, transfer and unpickling of it", burden.carry_s, "s"),
        Evidence("computing in these tasks", burden.main.compute_s, "s"),
    )
