from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from mpdiag.model.change import Reuse
from mpdiag.rules.process_churn import FEWEST, SHORT_S, ProcessChurn
from tests.model.talking import STARTED_HERE, churn


def found(run):
    return list(ProcessChurn().check(run))


def test_process_for_every_item():
    (finding,) = found(churn())

    assert finding.title == "140 processes started here, each for 12 ms: starting takes 17 % of their time"
    assert finding.site == STARTED_HERE
    assert finding.change == Reuse(tuple(range(1, 141)), 2)
    assert {fact.label: fact.value for fact in finding.evidence} == {
        "processes": 140,
        "at a time": pytest.approx(1.0),
        "usable processors": 2,
        "start method": "fork",
        "starting one": pytest.approx(2e-3),
        "living, of one": pytest.approx(12e-3),
    }
    assert finding.fix.summary == "let 2 processes that last do all 140 pieces"
    ast.parse(finding.fix.snippet)
    assert finding.fix.snippet.startswith("with multiprocessing.Pool(2) as pool:")


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (churn(FEWEST), 1),
        (churn(FEWEST - 1), 0),
        (churn(life_s=SHORT_S * 0.999), 1),
        (churn(life_s=SHORT_S * 1.001), 0),
        (churn(at_once=2, life_s=0.1, startup_s=0.0051), 1),
        (churn(at_once=2, life_s=0.1, startup_s=0.0049), 0),
        (churn(at_once=1, life_s=0.1, startup_s=0.0), 1),
        (churn(at_once=2, life_s=0.1, startup_s=0.0, cpus=4), 1),
        (churn(at_once=4, life_s=0.1, startup_s=0.0, cpus=4), 0),
        (churn(at_once=1, life_s=0.1, startup_s=0.0, cpus=1), 0),
    ],
    ids=[
        "many",
        "fewer",
        "short",
        "long",
        "costly starts",
        "cheap starts",
        "one of two",
        "two of four",
        "three",
        "one of one",
    ],
)
def test_processes_are_churn_from_the_thresholds_on(run, count):
    assert len(found(run)) == count


def test_processes_that_all_run_side_by_side_cannot_be_reused():
    assert found(churn(16, at_once=16, life_s=0.1, startup_s=0.05)) == []
    assert len(found(churn(64, at_once=16, life_s=0.1, startup_s=0.05))) == 1


@pytest.mark.parametrize(("count", "at_once", "cpus", "lasting"), [(8, 1, 16, 8), (100, 8, 2, 8), (100, 2, 4, 4)])
def test_as_many_last_as_worked_at_a_time_or_as_there_are_processors_and_no_more_than_pieces(
    count, at_once, cpus, lasting
):
    (finding,) = found(churn(count, at_once=at_once, cpus=cpus))
    assert finding.change.lasting == lasting


def test_every_line_is_judged_by_itself():
    run = churn(FEWEST * 2 - 2)
    elsewhere = replace(STARTED_HERE, line=99)
    processes = [replace(one, site=elsewhere if place % 2 else one.site) for place, one in enumerate(run.processes)]
    assert found(replace(run, processes=tuple(processes))) == []


def test_processes_whose_start_was_not_seen_are_left_out():
    run = churn()
    assert found(replace(run, processes=tuple(replace(one, site=None) for one in run.processes))) == []


def test_processes_that_took_no_time_are_left_out():
    assert found(churn(life_s=0.0, startup_s=0.0, gap_s=0.0)) == []
