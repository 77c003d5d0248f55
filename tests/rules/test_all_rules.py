"""What holds for every rule, on its own problem, on the others' and on healthy programs."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mpdiag.engine import all_rules, diagnose
from tests.model.synthetic import simulate
from tests.rules.problems import HEALTHY, PROBLEMS

if TYPE_CHECKING:
    from mpdiag.diagnosis import Finding
    from mpdiag.model.run import Run

RULES = {rule.id: rule for rule in all_rules()}
HOSTILE = (
    "",
    "m:<lambda>",
    "m:f.<locals>.g",
    "m:class",
    "m:f\nimport os; os.abort()",
    "m:f\x1b[31m",
    "m:x#",
    'm:"""',
    "m:\u202eevil",
    "m:ＦＵＬＬ",  # noqa: RUF001 - that is the point
    "m:" + "x" * 10_000,
    "m:_._",
    "m:A.B",
    "m:\\",
)

each_problem = pytest.mark.parametrize("rule", PROBLEMS)


def findings(rule: str, run: Run) -> list[Finding]:
    return list(RULES[rule].check(run))


def test_every_rule_has_a_problem():
    assert set(PROBLEMS) == set(RULES)


@each_problem
def test_problem_is_found_alone(rule):
    diagnosis = diagnose(simulate(PROBLEMS[rule], cpus=2))

    assert diagnosis.failed == ()
    assert [finding.rule for finding in diagnosis.findings if finding.severity != "info"] == [rule]


@pytest.mark.parametrize("program", HEALTHY)
def test_healthy_program_has_no_finding(program):
    diagnosis = diagnose(simulate(HEALTHY[program], cpus=2))

    assert diagnosis.failed == ()
    assert [finding for finding in diagnosis.findings if finding.severity != "info"] == []


@each_problem
@pytest.mark.parametrize("sample", [1, 4])
def test_finding_is_whole(rule, sample):
    plan = replace(PROBLEMS[rule], sample=sample)
    (finding,) = findings(rule, simulate(plan, cpus=2))

    assert finding.rule == rule
    assert any(character.isdigit() for character in finding.title), "the title carries the measured number"
    assert finding.site in {plan.site, plan.pool_site}
    assert finding.evidence
    assert finding.fix.summary
    assert finding.fix.steps
    assert finding.change is not None
    assert ("pool", 0) in finding.about
    assert ("origin", 0) in finding.about
    assert finding.severity == "info"
    assert finding.savings is None


@each_problem
def test_check_is_pure(rule):
    run = simulate(PROBLEMS[rule], cpus=2)
    tasks = run.tasks.copy()

    assert findings(rule, run) == findings(rule, run)
    assert (run.tasks == tasks).all() or run.tasks.tobytes() == tasks.tobytes()


@each_problem
def test_evidence_and_explanations_are_known_words(rule):
    (finding,) = findings(rule, simulate(PROBLEMS[rule], cpus=2))

    assert {fact.unit for fact in finding.evidence} <= {"s", "bytes", "count", "share", "ratio", "text"}
    assert all(isinstance(fact.value, str) == (fact.unit == "text") for fact in finding.evidence)
    assert set(finding.explains) <= set(RULES) - {rule}


@each_problem
@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
@pytest.mark.parametrize(
    "method", ["map", "imap", "imap_unordered", "starmap_async", "apply_async", "submit", "odd one"]
)
def test_snippet_is_python_whatever_was_called(rule, kind, method):
    plan = replace(PROBLEMS[rule], kind=kind, method=method)
    for finding in findings(rule, simulate(plan, cpus=2)):
        ast.parse(finding.fix.snippet)
        assert plan.function.rpartition(":")[2].rpartition(".")[2] in finding.fix.snippet or rule == "slow-startup"


@each_problem
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_snippet_is_harmless_whatever_the_names(rule, name):
    parts = tuple(replace(part, name=name, type=name) for part in PROBLEMS[rule].parts)
    plan = replace(PROBLEMS[rule], function=name, method=name, initializer=name, start_method=name, parts=parts)
    (finding,) = findings(rule, simulate(plan, cpus=2))

    compile(finding.fix.snippet, "snippet", "exec")  # not run; the compiler finds more than the parser
    assert finding.fix.snippet.isascii() or "µ" in finding.fix.snippet
    assert all(character.isprintable() or character == "\n" for character in finding.fix.snippet)
    assert len(finding.fix.snippet) < 2_000
    assert "abort" not in finding.fix.snippet
    assert "evil" not in finding.fix.snippet


@each_problem
def test_nothing_is_found_in_a_program_that_was_cut_off_at_once(rule):
    run = simulate(PROBLEMS[rule], cpus=2)
    cut = replace(run, tasks=run.tasks[:0], parts=())

    if all(len(getattr(cut, need)) for need in RULES[rule].needs):
        for finding in findings(rule, cut):
            ast.parse(finding.fix.snippet)
    assert diagnose(cut).failed == ()


@each_problem
def test_stamps_of_one_side_only_do_not_break_a_rule(rule):
    run = simulate(PROBLEMS[rule], cpus=2)
    tasks = run.tasks.copy()
    for name in ("submitted", "pickled_from", "pickled", "sent", "arrived", "collected", "handled", "produce"):
        tasks[name] = float("nan")

    assert diagnose(replace(run, tasks=tasks)).failed == ()


@each_problem
@pytest.mark.parametrize("count", ["items", "tasks", "payload_bytes", "result_bytes"])
def test_damaged_counts_do_not_break_a_rule(rule, count):
    run = simulate(PROBLEMS[rule], cpus=2)
    damage: Any = {count: 0}
    origins = tuple(replace(origin, **damage) for origin in run.origins)
    pools = tuple(replace(pool, **damage) for pool in run.pools)

    assert diagnose(replace(run, origins=origins, pools=pools)).failed == ()


@each_problem
def test_pools_that_take_no_time_do_not_break_a_rule(rule):
    run = simulate(PROBLEMS[rule], cpus=2)
    pools = tuple(replace(pool, ended=pool.created, closing=pool.created) for pool in run.pools)

    assert diagnose(replace(run, pools=pools)).failed == ()


@pytest.mark.parametrize("rule", RULES)
def test_rule_does_not_apply_without_a_pool(rule):
    # THEN a report of a run without pools need not name the skipped rules: they are all
    assert RULES[rule].needs & {"pools", "origins", "workers", "parts", "tasks"}
