"""The findings as the engine ranked them: what, where, how it was measured, what to change, what that saves."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mpdiag.reporters.derived import problems
from mpdiag.reporters.table import hanging
from mpdiag.wording import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mpdiag.diagnosis import Diagnosis, Evidence, Finding, Severity
    from mpdiag.reporters.pen import Look, Pen

DETAILED = 10
LISTED = 10
FACTS = 12
LABEL = 52
CODE_LINES = 40
"""The most that one page shows of each; it says so, and the JSON report has them all."""
_SEVERITY_LOOKS: Mapping[Severity, tuple[Look, ...]] = MappingProxyType(
    {"high": ("bold", "red"), "medium": ("bold", "yellow"), "low": ("bold", "cyan"), "info": ("dim",)}
)


def lines(diagnosis: Diagnosis, pen: Pen) -> list[str]:
    """Give the findings above info in full and the others by their titles, numbered by rank."""
    found = problems(diagnosis)
    notes = [finding for finding in diagnosis.findings if finding.severity == "info"]
    page = [pen.paint("Findings", "bold")] if found else [pen.paint("No finding.", "bold")]
    for number, finding in enumerate(found[:DETAILED], 1):
        page += [*([""] if number > 1 else []), *_detailed(finding, number, diagnosis, pen)]
    brief = found[DETAILED:] + notes
    if brief:
        page += ["", *_listed(brief[:LISTED], min(len(found), DETAILED), pen)]
    if len(brief) > LISTED:
        page += pen.wrap(f"and {numbers.count(len(brief) - LISTED)} more in the JSON report")
    return page


def _listed(findings: list[Finding], above: int, pen: Pen) -> Iterator[str]:
    for number, finding in enumerate(findings, above + 1):
        place = f" at {pen.site(finding.site, pen.width - 16)}" if finding.site else ""
        lead = f"{number}. "
        yield from pen.wrap(f"{finding.severity} {finding.rule}: {finding.title}{place}", lead, " " * len(lead))


def _detailed(finding: Finding, number: int, diagnosis: Diagnosis, pen: Pen) -> Iterator[str]:
    lead = f"{number}. "
    indent = " " * len(lead)
    yield from _head(finding, lead, pen)
    yield from (pen.paint(line, "bold") for line in pen.wrap(finding.title, indent))
    if finding.site:
        yield f"{indent}at {pen.site(finding.site, pen.width - len(indent) - len('at '))}"
    yield from _evidence(finding.evidence, f"{indent}  ", pen)
    yield from pen.wrap(f"Change: {finding.fix.summary}", indent, f"{indent}  ")
    for step in finding.fix.steps:
        yield from pen.wrap(step, f"{indent}  - ")
    if finding.fix.snippet.strip():
        yield from _code(finding.fix.snippet, f"{indent}    ", pen)
    yield from _prediction(finding, indent, diagnosis, pen)


def _head(finding: Finding, lead: str, pen: Pen) -> list[str]:
    savings = finding.savings
    saves = f", saves {pen.span(savings.low, savings.high)}" if savings else ""
    text = f"{finding.severity.upper()} {finding.rule} (confidence {finding.confidence}){saves}"
    return [pen.paint(line, *_SEVERITY_LOOKS[finding.severity]) for line in pen.wrap(text, lead)]


def _evidence(evidence: tuple[Evidence, ...], indent: str, pen: Pen) -> Iterator[str]:
    rows = [
        (pen.text(fact.label, min(LABEL, 3 * pen.width // 5)), pen.quantity(fact.value, fact.unit))
        for fact in evidence[:FACTS]
    ]
    yield from hanging(rows, pen, indent)
    if len(evidence) > FACTS:
        yield from pen.wrap(f"and {numbers.count(len(evidence) - FACTS)} more facts in the JSON report", indent)


def _code(snippet: str, indent: str, pen: Pen) -> Iterator[str]:
    code = pen.code(snippet, indent)
    yield ""
    yield from code[:CODE_LINES]
    if len(code) > CODE_LINES:
        yield from pen.wrap(f"# and {numbers.count(len(code) - CODE_LINES)} more lines in the JSON report", indent)
    yield ""


def _prediction(finding: Finding, indent: str, diagnosis: Diagnosis, pen: Pen) -> list[str]:
    savings = finding.savings
    if not savings:
        return pen.wrap("No saving of time is predicted.", indent)
    text = (
        f"Saves {pen.span(savings.low, savings.high)} of {pen.seconds(diagnosis.run.wall_s)},"
        f" best estimate {pen.seconds(savings.seconds)} ({numbers.share(savings.share)}; {savings.basis})"
    )
    return [pen.paint(line, "green") for line in pen.wrap(text, indent, f"{indent}  ")]
