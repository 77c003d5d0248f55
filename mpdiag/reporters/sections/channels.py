"""Queues, pipes, managers and locks, a row for each line that waited for them; the site comes last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.reporters.sited import Layout, fitted
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from mpdiag.diagnosis import ChannelSummary, Diagnosis
    from mpdiag.reporters.pen import Pen

MOST = 8
WORTH_A_ROW = 0.005
"""A line that waited for less than this share of the run, over all processes, is left to the JSON report."""
LAYOUT = Layout("at", ("processes", "bytes", "times", "operation"), frozenset({"object", "operation"}))


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give the table of what was waited for; nothing where there was hardly any waiting."""
    least = WORTH_A_ROW * diagnosis.run.wall_s
    shown = [channel for channel in diagnosis.channels if channel.waited_s >= least]
    if not shown:
        return []
    rows = [_row(channel, pen) for channel in shown[:MOST]]
    page = [pen.paint("Queues, pipes, managers and locks", "bold")]
    page += fitted(rows, [channel.site for channel in shown[:MOST]], LAYOUT, pen)
    if len(shown) > MOST:
        page += pen.wrap(f"and {numbers.count(len(shown) - MOST)} more lines in the JSON report", "  ")
    return page


def _row(channel: ChannelSummary, pen: Pen) -> dict[str, str]:
    return {
        "object": pen.text(channel.kind, 16),
        "operation": pen.text(channel.operation, 12),
        "times": numbers.count(channel.count),
        "bytes": numbers.size(channel.bytes) if channel.bytes else "-",
        "processes": numbers.count(channel.processes),
        "waited": pen.text(pen.seconds(channel.waited_s), 16),
    }
