"""The engine: finds the rules, runs them guarded, prices what they would change by replay, folds, ranks, concludes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import mpdiag.rules
from mpdiag.diagnosis import (
    SEVERITY_FROM,
    Account,
    Activity,
    ChannelSummary,
    Diagnosis,
    Evidence,
    Failed,
    Finding,
    PoolSummary,
    Rule,
    RunSummary,
    Savings,
    Skipped,
    Verdict,
    WhatIf,
)
from mpdiag.model.accounting import ACTIVITIES, account
from mpdiag.model.change import Chunk, Fewer, KeepPool, QuickStart, Reuse, Serial, Shed
from mpdiag.model.demand import useful_share
from mpdiag.model.regions import length, outside_pools_s, region
from mpdiag.model.serial import serial_range, speedup
from mpdiag.model.stages import started
from mpdiag.model.whatif import replay
from mpdiag.wording.changes import change_in_words
from mpdiag.wording.headline import bottleneck, ended_well, failures, headline, succeeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mpdiag.diagnosis import Confidence, Severity
    from mpdiag.model.change import Change
    from mpdiag.model.run import Pool, Run, Site
    from mpdiag.model.whatif import WhatIfResult

BASIS = "replay of this run"
CONFIDENCES: tuple[Confidence, ...] = ("high", "medium", "low")
FEW_TASKS = 30
"""Fewer timed tasks than this carry a prediction of low confidence."""
ENOUGH_TASKS = 1000
"""A sample of so many tasks counts as all of them: its error, 1/sqrt(1000), is 3 %, the least saving reported."""
GOOD_ANCHOR = 0.10
"""Replays that miss the recorded time by more are of medium confidence."""
EXPLAINS_FROM = 0.5
"""A finding stands for another when its change brings at least this share of what the other's would."""
LACKS = {
    "tasks": "no task was recorded",
    "origins": "no task was submitted",
    "pools": "no pool was used",
    "workers": "no worker of a pool was seen",
    "parts": "no message was large enough to be looked into",
    "samples": "the processes were not sampled from outside",
    "uses": "no queue, pipe or manager was used",
    "locks": "no lock was used",
    "blocks": "no block of shared memory was used",
    "processes": "no process was seen",
}
"""Why a rule is skipped that needs this collection of ``Run``."""


def all_rules() -> tuple[Rule, ...]:
    """Every rule of ``mpdiag.rules``, by id."""
    found: dict[str, Rule] = {}
    for module_info in pkgutil.walk_packages(mpdiag.rules.__path__, mpdiag.rules.__name__ + "."):
        module = importlib.import_module(module_info.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Rule) and kind.__module__ == module.__name__ and not inspect.isabstract(kind):
                found[kind.id] = kind()
    return tuple(found[name] for name in sorted(found))


def diagnose(run: Run, rules: Sequence[Rule] | None = None) -> Diagnosis:
    """Say all that can be said about a run; ``rules`` are all rules unless given. A rule that raises fails alone."""
    found, skipped, failed = _checked(run, all_rules() if rules is None else rules)
    findings = _ranked(_folded(found))
    together = _together(run, findings)
    return Diagnosis(
        _run_summary(run),
        _verdict(run, together[1] if together else None),
        _account(run),
        _pool_summaries(run),
        tuple(findings),
        tuple(_what_if(run, findings, together)),
        tuple(skipped),
        tuple(failed),
        run.losses,
        run.overhead,
        _channels(run),
    )


def _checked(run: Run, rules: Iterable[Rule]) -> tuple[list[Finding], list[Skipped], list[Failed]]:
    """Run the rules, each guarded, and price what they find."""
    found: list[Finding] = []
    skipped: list[Skipped] = []
    failed: list[Failed] = []
    if run.pools and not succeeded(run) and failures(run):
        return [], [Skipped(rule.id, "every task failed: what they would cost is not known") for rule in rules], []
    for rule in rules:
        lacking = sorted(need for need in rule.needs if not len(getattr(run, need, ())))
        if lacking:
            reasons = (LACKS.get(need, f"no {need} were recorded") for need in lacking)
            skipped.append(Skipped(rule.id, "; ".join(reasons)))
            continue
        try:
            # What a rule yielded before it raised is whole, and is kept.
            for finding in rule.check(run):
                found.append(_priced(run, finding))  # noqa: PERF401 - an extension would lose it
        except Exception as error:  # noqa: BLE001 - a defective rule must not take the report with it
            failed.append(Failed(rule.id, f"{type(error).__name__}: {error}"))
    return found, skipped, failed


def _priced(run: Run, finding: Finding) -> Finding:
    """The finding with its saving, severity and confidence.

    One without a change saves no time: it is as severe as its rule says, info for most.
    """
    if finding.change is None:
        return replace(finding, savings=None)
    result = replay(run, (finding.change,))
    wall = run.meta.wall_s
    seconds, low, high = (max(0.0, wall - predicted) for predicted in (result.wall_s, result.high, result.low))
    savings = Savings(seconds, seconds / wall if wall > 0 else 0.0, low, high, BASIS)
    confidence = max(finding.confidence, _confidence(run, finding.change, result), key=CONFIDENCES.index)
    return replace(finding, severity=_severity(low, wall), savings=savings, confidence=confidence)


def _severity(saving: float, wall: float) -> Severity:
    """The severity of a saving, by the low end of its range."""
    share = saving / wall if wall > 0 else 0.0
    if share >= SEVERITY_FROM["high"]:
        return "high"
    if share >= SEVERITY_FROM["medium"]:
        return "medium"
    return "low" if share >= SEVERITY_FROM["low"] else "info"


def _confidence(run: Run, change: Change, result: WhatIfResult) -> Confidence:
    """How far a prediction can be trusted."""
    pools = _pools_of(run, change)
    if not pools:
        # Exact counts, but what other processes wait for is reckoned from one bottleneck.
        return "medium" if run.meta.complete else "low"
    timed = sum(len(run.tasks_by_origin[origin.index]) for origin in run.origins if origin.pool in pools)
    recorded = sum(run.pools[pool].tasks for pool in pools)
    if not run.meta.complete or timed < min(FEW_TASKS, recorded):
        return "low"
    whole = timed >= min(recorded, ENOUGH_TASKS)
    if isinstance(change, Serial | KeepPool | QuickStart):
        # What these change was measured as it is; nothing of it hangs on what binds the messages.
        return "high" if whole else "medium"
    return "high" if whole and result.residual <= GOOD_ANCHOR and not result.rebound else "medium"


def _pools_of(run: Run, change: Change) -> frozenset[int]:
    if isinstance(change, Reuse):
        return frozenset()
    if isinstance(change, Fewer):
        talking = {run.uses[index].process for index in change.uses}
        talking |= {run.locks[index].process for index in change.locks}
        return frozenset(worker.pool for worker in run.workers if worker.process in talking)
    if isinstance(change, Chunk | Shed):
        return frozenset({run.origins[change.origin].pool})
    return frozenset(change.pools)


def _folded(findings: list[Finding]) -> list[Finding]:
    """Fold findings into those that explain them: one cause, one finding.

    A finding explains another when it names its rule and they share an origin or a pool, and what that one explains in
    turn. One that is itself only info hides nothing of weight, nor does one that saves a small part of the other; of
    two that explain each other the one that saves more stands.
    """
    kept = _ranked(findings)
    for finding in list(kept):
        if not any(finding is other for other in kept):
            continue
        explained = _explained(finding, kept)
        if explained:
            evidence = tuple(Evidence(f"explains {other.rule}", other.title, "text") for other in explained)
            whole = replace(finding, evidence=finding.evidence + evidence)
            kept = [whole if other is finding else other for other in kept if not any(other is e for e in explained)]
    return kept


def _explained(finding: Finding, among: Sequence[Finding]) -> list[Finding]:
    """What ``finding`` explains, directly or through what it explains."""
    found: list[Finding] = []
    causes = [finding]
    while causes:
        cause = causes.pop()
        for other in among:
            if other is finding or any(other is known for known in found):
                continue
            related = other.rule in cause.explains and set(other.about) & set(cause.about)
            weighty = finding.severity != "info" or other.severity == "info"
            if related and weighty and _seconds(finding) >= EXPLAINS_FROM * _seconds(other):
                found.append(other)
                causes.append(other)
    return found


def _seconds(finding: Finding) -> float:
    return finding.savings.seconds if finding.savings else 0.0


def _ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by predicted saving, largest first."""
    return sorted(
        findings,
        key=lambda finding: (
            -_seconds(finding),
            CONFIDENCES.index(finding.confidence),
            finding.rule,
            finding.site.line if finding.site else 0,
        ),
    )


# What if


def _together(run: Run, findings: Sequence[Finding]) -> tuple[int, WhatIfResult] | None:
    """Replay the changes of all findings above info at once: how many they are, and what they give.

    Where two exclude each other the one that saves more is taken; no processes at all excludes all about these pools,
    so that it is tried with and without.
    """
    changes = [finding.change for finding in findings if finding.change is not None and finding.severity != "info"]
    if not len(run.tasks) and not changes:
        return None
    tries = [_compatible(run, changes), _compatible(run, [c for c in changes if not isinstance(c, Serial)])]
    results = [(len(chosen), replay(run, chosen)) for chosen in tries]
    return min(results, key=lambda result: result[1].wall_s)


def _compatible(run: Run, changes: Iterable[Change]) -> list[Change]:
    chosen: list[Change] = []
    for change in changes:
        if not any(_exclude(run, change, other) for other in chosen):
            chosen.append(change)
    return chosen


def _exclude(run: Run, one: Change, other: Change) -> bool:
    """Whether two changes cannot be made both."""
    if isinstance(one, Serial) or isinstance(other, Serial):
        return bool(_pools_of(run, one) & _pools_of(run, other))
    if isinstance(one, Fewer) and isinstance(other, Fewer):
        return bool(set(one.uses) & set(other.uses) or set(one.locks) & set(other.locks))
    if isinstance(one, Chunk) and isinstance(other, Chunk):
        return one.origin == other.origin
    if isinstance(one, Shed) and isinstance(other, Shed):
        return (one.origin, one.role) == (other.origin, other.role)
    if isinstance(one, QuickStart) and isinstance(other, QuickStart):
        return bool(_pools_of(run, one) & _pools_of(run, other))
    return isinstance(one, KeepPool) and isinstance(other, KeepPool) and bool(set(one.pools) & set(other.pools))


def _what_if(run: Run, findings: Sequence[Finding], together: tuple[int, WhatIfResult] | None) -> Iterable[WhatIf]:
    """A row for each finding's change, for all together, and for serial code."""
    said = set()
    serial = Serial(tuple(pool.index for pool in run.pools))
    for change in (finding.change for finding in findings):
        if change is not None and change != serial and change not in said:
            said.add(change)
            yield _row(change_in_words(run, change), replay(run, (change,)))
    if together and together[0] > 1:
        yield _row(f"{together[0]} changes together", together[1])
    if len(run.tasks):
        yield _row("serial code, no processes", replay(run, (serial,)))


def _row(words: str, result: WhatIfResult) -> WhatIf:
    return WhatIf(words, result.wall_s, result.low, result.high)


# Summaries


def _verdict(run: Run, best: WhatIfResult | None) -> Verdict:
    serial = serial_range(run)
    speed = speedup(run)
    return Verdict(
        headline(run, speed),
        speed.value if speed else None,
        serial.value if serial else None,
        best.wall_s if best else None,
        bottleneck(run),
    )


def _run_summary(run: Run) -> RunSummary:
    used = {pool.method for pool in run.pools} | {run.processes[stage.process].method for stage in started(run)}
    methods = sorted(used - {""})
    return RunSummary(
        run.meta.command,
        run.meta.python,
        run.meta.wall_s,
        ", ".join(methods),
        run.meta.cpus_usable,
        len(run.processes),
        sum(pool.tasks for pool in run.pools),
        sum(pool.items for pool in run.pools),
        run.overhead.trace_bytes,
        ended_well(run),
        run.meta.exit_status,
    )


def _account(run: Run) -> Account:
    ledger = account(run)
    seconds = {name: ledger.seconds[name] for name in ACTIVITIES}
    # Time inside a task in which another process had the core is not computing.
    in_tasks = sum(pool.seconds["compute"] for pool in ledger.pools)
    seconds["wait_core"] = in_tasks * (1.0 - useful_share(run)) if in_tasks > 0 else 0.0
    seconds["wait_core"] += sum(stage.seconds["wait_core"] for stage in started(run))
    seconds["compute"] -= seconds["wait_core"]
    total = ledger.worker_seconds
    activities = (Activity(name, spent, spent / total if total > 0 else 0.0) for name, spent in seconds.items())
    return Account(total, tuple(activities), outside_pools_s(run))


def _channels(run: Run) -> tuple[ChannelSummary, ...]:
    """Queues, pipes, managers and locks by line, those that were waited for the longest first."""
    found: dict[tuple[str, str, Site], list[tuple[int, int, int, float]]] = defaultdict(list)
    for use in run.uses:
        found[use.kind, use.operation, use.site].append((use.process, use.count, use.bytes, use.blocked_s))
    for lock in run.locks:
        found[lock.kind, lock.operation, lock.site].append((lock.process, lock.acquired, 0, lock.waited_s))
    rows = (
        ChannelSummary(
            kind,
            operation,
            site,
            len({process for process, *_ in parts}),
            sum(count for _, count, *_ in parts),
            sum(size for *_, size, _ in parts),
            sum(waited for *_, waited in parts),
        )
        for (kind, operation, site), parts in found.items()
    )
    return tuple(sorted(rows, key=lambda row: (-row.waited_s, -row.count, row.kind, row.operation, str(row.site))))


def _pool_summaries(run: Run) -> tuple[PoolSummary, ...]:
    """The pools, those of the same site and kind as one."""
    alike: dict[tuple[object, ...], list[Pool]] = defaultdict(list)
    for pool in run.pools:
        alike[pool.site, pool.kind].append(pool)
    ledgers = account(run).pools
    return tuple(
        PoolSummary(
            pools[0].index,
            pools[0].kind,
            len(pools),
            max(pool.workers for pool in pools),
            ", ".join(sorted({pool.method for pool in pools})),
            pools[0].site,
            sum(pool.tasks for pool in pools),
            sum(pool.items for pool in pools),
            sum(pool.payload_bytes - pool.callable_bytes for pool in pools),
            sum(pool.callable_bytes for pool in pools),
            sum(pool.result_bytes for pool in pools),
            sum(pool.results for pool in pools),
            sum(ledgers[pool.index].seconds["compute"] for pool in pools),
            length(region(run, pool) for pool in pools),
        )
        for pools in alike.values()
    )
