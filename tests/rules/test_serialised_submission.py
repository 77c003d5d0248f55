from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from mpdiag.model.change import Overlap
from mpdiag.rules.serialised_submission import FEWEST, MOST_AT_ONCE, SerialisedSubmission
from tests.model.synthetic import HERE, simulate
from tests.rules.problems import PLANS

PLAN = PLANS["serialised-submission"]


def found(*plans):
    return list(SerialisedSubmission().check(simulate(*plans, cpus=2)))


def test_tasks_one_at_a_time():
    (finding,) = found(PLAN)

    assert finding.title == "200 tasks submitted one at a time: of 2 workers 1.0 had one, on average"
    assert finding.site == HERE
    assert finding.change == Overlap((0,))
    assert finding.explains == ("not-worth-it",)
    assert {fact.label: fact.value for fact in finding.evidence} == {
        "tasks": 200,
        "outstanding at a time, on average": pytest.approx(1.0, abs=0.01),
        "workers": 2,
        "usable processors": 2,
    }
    assert finding.fix.summary == "submit all 200 tasks, then collect the results"


@pytest.mark.parametrize(
    ("kind", "method", "line"),
    [
        ("Pool", "apply", "results = pool.starmap(align, arguments)"),
        ("Pool", "apply_async", "results = pool.starmap(align, arguments)"),
        ("ProcessPoolExecutor", "submit", "futures = [executor.submit(align, *one) for one in arguments]"),
        ("ProcessPoolExecutor", "run_in_executor", "futures = [executor.submit(align, *one) for one in arguments]"),
    ],
)
def test_snippet_submits_all_first(kind, method, line):
    (finding,) = found(replace(PLAN, kind=kind, method=method))
    ast.parse(finding.fix.snippet)
    assert finding.fix.snippet.startswith(line)


@pytest.mark.parametrize(
    ("plan", "count"),
    [
        (replace(PLAN, items=FEWEST, jobs=FEWEST), 1),
        (replace(PLAN, items=FEWEST - 1, jobs=FEWEST - 1), 0),
        (replace(PLAN, workers=1), 0),
        (replace(PLAN, method="map"), 0),
        (replace(PLAN, jobs=1), 0),
        (replace(PLAN, jobs=100), 0),
        (replace(PLAN, sample=8), 1),
    ],
    ids=["enough", "fewer", "one worker", "a map", "all at once", "two at a time", "a sample"],
)
def test_submission_is_serialised_from_the_thresholds_on(plan, count):
    assert len(found(plan)) == count


@pytest.mark.parametrize(("at_once", "count"), [(MOST_AT_ONCE - 0.05, 1), (MOST_AT_ONCE + 0.05, 0)])
def test_fewer_than_one_and_a_half_tasks_are_outstanding_on_average(at_once, count):
    run = simulate(PLAN, cpus=2)
    tasks = run.tasks.copy()
    tasks["submitted"] -= (at_once - 1.0) * (tasks["handled"] - tasks["submitted"])
    assert len(list(SerialisedSubmission().check(replace(run, tasks=tasks)))) == count


def test_pool_that_has_other_tasks_too_may_be_busy_with_them():
    run = simulate(PLAN, cpus=2)
    other = replace(run.origins[0], index=1, function="genes:load")
    assert list(SerialisedSubmission().check(replace(run, origins=(*run.origins, other)))) == []


def test_tasks_that_nobody_timed_tell_nothing():
    run = simulate(PLAN, cpus=2)
    tasks = run.tasks.copy()
    tasks["submitted"] = float("nan")
    assert list(SerialisedSubmission().check(replace(run, tasks=tasks))) == []
    assert list(SerialisedSubmission().check(replace(run, tasks=tasks[:0]))) == []
