"""What holds for every rule, on its own problem, on the others' and on healthy programs."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mpdiag.engine import all_rules, diagnose
from mpdiag.model.run import Meta, Run
from tests.model.synthetic import PoolPlan, simulate
from tests.model.talking import renamed
from tests.rules.problems import HEALTHY, PLANS, PROBLEMS, RUNS, run_of

if TYPE_CHECKING:
    from mpdiag.diagnosis import Finding

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
each_plan = pytest.mark.parametrize("rule", PLANS)
each_run = pytest.mark.parametrize("rule", RUNS)


def findings(rule: str, run: Run) -> list[Finding]:
    return list(RULES[rule].check(run))


def test_every_rule_has_a_problem():
    assert set(PROBLEMS) == set(RULES)


@each_problem
def test_problem_is_found_alone(rule):
    diagnosis = diagnose(run_of(PROBLEMS[rule]))

    assert diagnosis.failed == ()
    assert [finding.rule for finding in diagnosis.findings if finding.severity != "info"] == [rule]


@pytest.mark.parametrize("program", HEALTHY)
def test_healthy_program_has_no_finding(program):
    diagnosis = diagnose(run_of(HEALTHY[program]))

    assert diagnosis.failed == ()
    assert [finding for finding in diagnosis.findings if finding.severity != "info"] == []


def assert_whole(finding: Finding, rule: str) -> None:
    assert finding.rule == rule
    assert any(character.isdigit() for character in finding.title), "the title carries the measured number"
    assert finding.evidence
    assert finding.fix.summary
    assert finding.fix.steps
    assert finding.savings is None


@each_plan
@pytest.mark.parametrize("sample", [1, 4])
def test_finding_is_whole(rule, sample):
    plan = replace(PLANS[rule], sample=sample)
    (finding,) = findings(rule, simulate(plan, cpus=2))

    assert_whole(finding, rule)
    assert finding.site in {plan.site, plan.pool_site}
    assert finding.change is not None
    assert ("pool", 0) in finding.about
    assert ("origin", 0) in finding.about
    assert finding.severity == "info"


@each_run
def test_finding_without_a_pool_is_whole(rule):
    run = RUNS[rule]
    (finding,) = findings(rule, run)

    assert_whole(finding, rule)
    sites = {one.site for group in (run.uses, run.locks, run.blocks, run.processes) for one in group}
    assert finding.site in sites
    assert finding.about == ()
    assert (finding.change is None) == (rule == "shm-leak")
    assert (finding.severity == "info") == (finding.change is not None), "the engine finds out what a change saves"


@each_problem
def test_check_is_pure(rule):
    run = run_of(PROBLEMS[rule])
    tasks = run.tasks.copy()

    assert findings(rule, run) == findings(rule, run)
    assert (run.tasks == tasks).all() or run.tasks.tobytes() == tasks.tobytes()


@each_problem
def test_evidence_and_explanations_are_known_words(rule):
    (finding,) = findings(rule, run_of(PROBLEMS[rule]))

    assert {fact.unit for fact in finding.evidence} <= {"s", "bytes", "count", "share", "ratio", "text"}
    assert all(isinstance(fact.value, str) == (fact.unit == "text") for fact in finding.evidence)
    assert set(finding.explains) <= set(RULES) - {rule}


@each_plan
@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
@pytest.mark.parametrize(
    "method", ["map", "imap", "imap_unordered", "starmap_async", "apply_async", "submit", "odd one"]
)
def test_snippet_is_python_whatever_was_called(rule, kind, method):
    plan = replace(PLANS[rule], kind=kind, method=method)
    for finding in findings(rule, simulate(plan, cpus=2)):
        ast.parse(finding.fix.snippet)
        assert plan.function.rpartition(":")[2].rpartition(".")[2] in finding.fix.snippet or rule == "slow-startup"


def named(problem: PoolPlan | Run, name: str) -> PoolPlan | Run:
    """The same with this name wherever a program, or a damaged trace, could have put it."""
    if isinstance(problem, Run):
        return renamed(problem, name)
    parts = tuple(replace(part, name=name, type=name) for part in problem.parts)
    # By its method a call of a single item is known; of another name it is none.
    method = problem.method if problem.method == "apply" else name
    return replace(problem, function=name, method=method, initializer=name, start_method=name, parts=parts)


@each_problem
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_snippet_is_harmless_whatever_the_names(rule, name):
    (finding,) = findings(rule, run_of(named(PROBLEMS[rule], name)))

    compile(finding.fix.snippet, "snippet", "exec")  # not run; the compiler finds more than the parser
    assert finding.fix.snippet.isascii() or "µ" in finding.fix.snippet
    assert all(character.isprintable() or character == "\n" for character in finding.fix.snippet)
    assert len(finding.fix.snippet) < 2_000
    assert "abort" not in finding.fix.snippet
    assert "evil" not in finding.fix.snippet


@each_problem
def test_nothing_is_found_in_a_program_that_was_cut_off_at_once(rule):
    run = run_of(PROBLEMS[rule])
    cut = replace(run, tasks=run.tasks[:0], parts=())

    if all(len(getattr(cut, need)) for need in RULES[rule].needs):
        for finding in findings(rule, cut):
            ast.parse(finding.fix.snippet)
    assert diagnose(cut).failed == ()


@each_plan
def test_stamps_of_one_side_only_do_not_break_a_rule(rule):
    run = simulate(PLANS[rule], cpus=2)
    tasks = run.tasks.copy()
    for name in ("submitted", "pickled_from", "pickled", "sent", "arrived", "collected", "handled", "produce"):
        tasks[name] = float("nan")

    assert diagnose(replace(run, tasks=tasks)).failed == ()


@each_plan
@pytest.mark.parametrize("count", ["items", "tasks", "payload_bytes", "result_bytes"])
def test_damaged_counts_do_not_break_a_rule(rule, count):
    run = simulate(PLANS[rule], cpus=2)
    damage: Any = {count: 0}
    origins = tuple(replace(origin, **damage) for origin in run.origins)
    pools = tuple(replace(pool, **damage) for pool in run.pools)

    assert diagnose(replace(run, origins=origins, pools=pools)).failed == ()


@each_plan
def test_pools_that_take_no_time_do_not_break_a_rule(rule):
    run = simulate(PLANS[rule], cpus=2)
    pools = tuple(replace(pool, ended=pool.created, closing=pool.created) for pool in run.pools)

    assert diagnose(replace(run, pools=pools)).failed == ()


@each_run
@pytest.mark.parametrize("damage", [0, 1, 1 << 48])
@pytest.mark.parametrize(
    "counts",
    [
        ("count", "acquired", "calls", "size"),
        ("bytes", "received", "sent"),
        ("timed",),
        ("contended",),
        ("blocked_s", "waited_s"),
        ("busy_s", "held_s"),
        ("object",),
        ("process",),
    ],
    ids=lambda counts: counts[0],
)
def test_damaged_counters_do_not_break_a_rule(rule, damage, counts):
    if counts == ("process",):
        damage = min(damage, len(RUNS[rule].processes) - 1)  # the model names none that is not there
    assert diagnose(damaged(RUNS[rule], counts, damage)).failed == ()


def damaged(run: Run, counts: tuple[str, ...], value: float) -> Run:
    def spoilt(one: Any) -> Any:  # noqa: ANN401 - any record of a run
        return replace(one, **{name: value for name in counts if hasattr(one, name)})

    groups: Any = {
        name: tuple(spoilt(one) for one in getattr(run, name)) for name in ("uses", "locks", "served", "blocks")
    }
    return replace(run, **groups)


@each_run
@pytest.mark.parametrize("stamp", ["start", "ready", "end", "cpu_s", "launched"])
@pytest.mark.parametrize("value", [float("nan"), -1e9, 1e9])
def test_damaged_stamps_of_processes_do_not_break_a_rule(rule, stamp, value):
    damage: Any = {stamp: value}
    run = RUNS[rule]
    processes = tuple(replace(process, **damage) for process in run.processes)

    assert diagnose(replace(run, processes=processes)).failed == ()


@each_run
def test_run_that_took_no_time_does_not_break_a_rule(rule):
    run = RUNS[rule]
    assert diagnose(replace(run, meta=replace(run.meta, wall_s=0.0))).failed == ()


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_found_where_there_is_nothing(rule):
    empty = Run(Meta(("x",), "3.12", 1.0, 2, 0.0))
    alone = simulate()

    assert any(not len(getattr(empty, need)) for need in RULES[rule].needs), "it is skipped, and its reason said"
    assert findings(rule, empty) == []
    assert findings(rule, alone) == []
