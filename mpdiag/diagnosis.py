"""The diagnosis: what rules say and reporters render. Data only; no seconds are computed here.

``Change`` values (``model/change.py``) are declarative: a rule names what would change and never computes seconds; the
engine replays the run with the change and fills in ``Savings``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.change import Change
    from mpdiag.model.run import Loss, Overhead, Run, Site

Severity = Literal["high", "medium", "low", "info"]
Confidence = Literal["high", "medium", "low"]

SCHEMA = "mpdiag/1"
SEVERITY_FROM = {"high": 0.25, "medium": 0.10, "low": 0.03}
"""Predicted saving (low end) as a share of the wall time from which a finding has that severity; below, it is info."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured fact; ``unit`` is "s", "bytes", "count", "share", "ratio" or "text"."""

    label: str
    value: float | int | str
    unit: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do: a summary, the steps, and a snippet written for this site with real numbers."""

    summary: str
    steps: tuple[str, ...]
    snippet: str


@dataclass(frozen=True, slots=True)
class Savings:
    """Predicted saving of wall time: seconds, share of the wall, the range [low, high] in seconds, and its basis."""

    seconds: float
    share: float
    low: float
    high: float
    basis: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One diagnosed problem. Rules leave ``savings`` to the engine, and ``severity`` where they name a change."""

    rule: str
    title: str
    site: Site | None
    evidence: tuple[Evidence, ...]
    fix: Fix
    change: Change | None
    confidence: Confidence = "high"
    severity: Severity = "info"
    savings: Savings | None = None
    explains: tuple[str, ...] = ()
    """Rules that this finding explains at the same origin or pool; their findings fold into it."""
    about: tuple[tuple[str, int], ...] = ()
    """What it is about: ("origin", index) and ("pool", index) pairs; folding compares these."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that did not apply, lacking its data."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A rule that raised: a defect of mpdiag, reported and not hidden."""

    rule: str
    error: str


class Rule(ABC):
    """One diagnosis. The docstring of a subclass is its documentation, printed by ``mpdiag explain``."""

    id: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset({"tasks"})
    """What of the run must be there: names of ``Run``'s collections."""

    @abstractmethod
    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each place where the rule's problem is in this run; pure."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first line: is it worth having the processes?"""

    headline: str
    speedup_vs_serial: float | None
    serial_estimate_s: float | None
    best_predicted_s: float | None
    bottleneck: str | None = None
    """The stage that the others wait for, where processes exchange messages."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Where worker-seconds went: one activity's seconds and share of the whole."""

    name: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Account:
    """The worker-seconds of a run, closed: the activities' seconds sum to ``worker_seconds``."""

    worker_seconds: float
    activities: tuple[Activity, ...]
    outside_pools_s: float = 0.0
    """Wall seconds of the run in which no pool existed."""


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """One pool, or several alike (same site and kind), as reports show it."""

    id: int
    kind: str
    count: int
    workers: int
    method: str
    site: Site
    tasks: int
    items: int
    argument_bytes: int
    callable_bytes: int
    result_bytes: int
    round_trips: int
    compute_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class ChannelSummary:
    """One line's operations on queues, pipes, managers or locks of one kind, over all processes."""

    kind: str
    operation: str
    site: Site
    processes: int
    count: int
    bytes: int
    waited_s: float


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The run as reports show it."""

    command: tuple[str, ...]
    python: str
    wall_s: float
    start_method: str
    cpus_usable: int
    processes: int
    tasks: int
    items: int
    trace_bytes: int
    complete: bool
    exit_status: int | None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One replayed setting: the change in words, predicted wall seconds and their range."""

    change: str
    wall_s: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that is said about a run; the JSON is exactly this."""

    run: RunSummary
    verdict: Verdict
    accounting: Account
    pools: tuple[PoolSummary, ...]
    findings: tuple[Finding, ...]
    what_if: tuple[WhatIf, ...]
    skipped: tuple[Skipped, ...]
    failed: tuple[Failed, ...]
    losses: tuple[Loss, ...]
    overhead: Overhead
    channels: tuple[ChannelSummary, ...] = ()
