"""The diagnosis as JSON for other programs; ``schema.json`` beside this file is its schema."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mpdiag.diagnosis import SCHEMA
from mpdiag.model.accounting import ACTIVITIES
from mpdiag.reporters.derived import COMPUTE, overhead_share

if TYPE_CHECKING:
    from mpdiag.diagnosis import Account, ChannelSummary, Diagnosis, Finding, PoolSummary, RunSummary, Verdict
    from mpdiag.model.run import Site
    from mpdiag.reporters.style import Style


def render(diagnosis: Diagnosis, _style: Style) -> str:
    """Give the diagnosis as one JSON object, ASCII only: what cannot be encoded survives as an escape.

    Keys have a fixed order; numbers that are not finite become null.
    """
    return json.dumps(_plain(document(diagnosis)), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Give the object that is written (schema "mpdiag/1"), numbers still as they were measured."""
    return {
        "schema": SCHEMA,
        "run": _run(diagnosis.run),
        "verdict": _verdict(diagnosis.verdict),
        "accounting": _accounting(diagnosis.accounting),
        "pools": [_pool(pool) for pool in diagnosis.pools],
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "what_if": [
            {"change": case.change, "wall_s": case.wall_s, "low": case.low, "high": case.high}
            for case in diagnosis.what_if
        ],
        "skipped": [{"rule": skipped.rule, "reason": skipped.reason} for skipped in diagnosis.skipped],
        "failed": [{"rule": failed.rule, "error": failed.error} for failed in diagnosis.failed],
        "losses": [{"what": loss.what, "why": loss.why, "count": loss.count} for loss in diagnosis.losses],
        "overhead": _overhead(diagnosis),
        "channels": [_channel(channel) for channel in diagnosis.channels],
    }


def _run(run: RunSummary) -> dict[str, Any]:
    return {
        "command": list(run.command),
        "python": run.python,
        "wall_s": run.wall_s,
        "start_method": run.start_method,
        "cpus_usable": run.cpus_usable,
        "processes": run.processes,
        "tasks": run.tasks,
        "items": run.items,
        "trace_bytes": run.trace_bytes,
        "complete": run.complete,
        "exit_status": run.exit_status,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "headline": verdict.headline,
        "speedup_vs_serial": verdict.speedup_vs_serial,
        "serial_estimate_s": verdict.serial_estimate_s,
        "best_predicted_s": verdict.best_predicted_s,
        "bottleneck": verdict.bottleneck,
    }


def _accounting(account: Account) -> dict[str, Any]:
    shares = dict.fromkeys(ACTIVITIES, 0.0) | {part.name: part.share for part in account.activities}
    known = account.worker_seconds > 0
    return {
        "worker_seconds": account.worker_seconds,
        "shares": shares,
        "efficiency": {"useful": shares[COMPUTE] if known else None},
        "outside_pools_s": account.outside_pools_s,
    }


def _pool(pool: PoolSummary) -> dict[str, Any]:
    return {
        "id": pool.id,
        "kind": pool.kind,
        "count": pool.count,
        "workers": pool.workers,
        "method": pool.method,
        "site": _site(pool.site),
        "tasks": pool.tasks,
        "items": pool.items,
        "argument_bytes": pool.argument_bytes,
        "callable_bytes": pool.callable_bytes,
        "result_bytes": pool.result_bytes,
        "round_trips": pool.round_trips,
        "compute_s": pool.compute_s,
        "wall_s": pool.wall_s,
    }


def _channel(channel: ChannelSummary) -> dict[str, Any]:
    return {
        "kind": channel.kind,
        "operation": channel.operation,
        "site": _site(channel.site),
        "processes": channel.processes,
        "count": channel.count,
        "bytes": channel.bytes,
        "waited_s": channel.waited_s,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    savings = finding.savings
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "title": finding.title,
        "site": _site(finding.site) if finding.site else None,
        "evidence": [{"label": fact.label, "value": fact.value, "unit": fact.unit} for fact in finding.evidence],
        "fix": {
            "summary": finding.fix.summary,
            "steps": list(finding.fix.steps),
            "snippet": finding.fix.snippet,
        },
        "savings": {
            "seconds": savings.seconds,
            "share": savings.share,
            "low": savings.low,
            "high": savings.high,
            "basis": savings.basis,
        }
        if savings
        else None,
    }


def _site(site: Site) -> dict[str, Any]:
    return {"file": site.file, "line": site.line, "function": site.function}


def _overhead(diagnosis: Diagnosis) -> dict[str, Any]:
    overhead = diagnosis.overhead
    return {
        "seconds": overhead.seconds,
        "share": overhead_share(diagnosis),
        "counted": overhead.counted,
        "timed": overhead.timed,
        "trace_bytes": overhead.trace_bytes,
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Make numpy's numbers Python's and unmeasured ones null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value
