from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.engine import all_rules, diagnose
from mpdiag.model.change import Chunk, Fewer, KeepPool, QuickStart, Reuse, Serial, Shed
from mpdiag.model.run import Loss, Meta, Run
from mpdiag.model.whatif import replay
from tests.model.synthetic import HERE, PoolPlan, simulate
from tests.model.talking import CALL_HERE, GET_HERE, LOCK_HERE, PUT_HERE, churn, clients, contenders, pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.change import Change

TINY = PoolPlan(items=20_000, compute_s=5e-6)
FIX = Fix("send more at once", ("do it",), "pool.map(f, xs, chunksize=64)")


def finding(rule, change: Change | None, **more) -> Finding:
    return Finding(rule, f"{rule} found", HERE, (Evidence("tasks", 20_000, "count"),), FIX, change, **more)


def rule_of(*findings: Finding, name: str = "", needs=frozenset({"tasks"})) -> Rule:
    wanted = needs

    class Given(Rule):
        id: ClassVar[str] = name or findings[0].rule
        needs = wanted

        def check(self, run: Run) -> Iterator[Finding]:  # noqa: ARG002 - a rule's signature
            yield from findings

    return Given()


class Defective(Rule):
    id = "defective"

    def check(self, run: Run) -> Iterator[Finding]:  # noqa: ARG002 - a rule's signature
        yield finding("defective", None)
        message = "boom"
        raise ValueError(message)


def test_rules_are_found_in_order_and_once():
    names = [rule.id for rule in all_rules()]
    assert names == sorted(set(names))


def test_rule_that_lacks_its_data_is_skipped_with_the_reason():
    diagnosis = diagnose(simulate(TINY), [rule_of(name="chatty-tasks", needs=frozenset({"parts", "tasks"}))])
    assert [skipped.rule for skipped in diagnosis.skipped] == ["chatty-tasks"]
    assert "large enough" in diagnosis.skipped[0].reason
    assert not diagnosis.findings


def test_rule_that_raises_fails_alone_and_keeps_what_it_found():
    diagnosis = diagnose(simulate(TINY), [Defective(), rule_of(finding("other", None))])
    assert [(failed.rule, failed.error) for failed in diagnosis.failed] == [("defective", "ValueError: boom")]
    assert {found.rule for found in diagnosis.findings} == {"defective", "other"}


def test_change_of_something_that_is_not_there_fails_the_rule():
    diagnosis = diagnose(simulate(TINY), [rule_of(finding("wrong", QuickStart((7,), 0.1)))])
    assert [failed.rule for failed in diagnosis.failed] == ["wrong"]


def test_findings_are_priced_by_replay_and_ranked_by_saving():
    run = simulate(replace(TINY, startup_s=0.02))
    rules = [rule_of(finding("slow-startup", QuickStart((0,), 0.0))), rule_of(finding("chatty-tasks", Chunk(0, 64)))]
    diagnosis = diagnose(run, rules)
    chatty, slow = diagnosis.findings
    assert (chatty.rule, slow.rule) == ("chatty-tasks", "slow-startup")
    predicted = replay(run, [Chunk(0, 64)])
    assert chatty.savings.seconds == pytest.approx(run.meta.wall_s - predicted.wall_s)
    assert chatty.savings.low <= chatty.savings.seconds <= chatty.savings.high
    assert chatty.savings.share == pytest.approx(chatty.savings.seconds / run.meta.wall_s)
    assert chatty.severity == "high"


def test_severity_is_by_the_low_end():
    run = simulate(replace(TINY, startup_s=0.2, compute_s=1e-4))
    for change in (QuickStart((0,), start) for start in (0.199, 0.17, 0.1, 0.0)):
        found = diagnose(run, [rule_of(finding("slow-startup", change))]).findings[0]
        share = found.savings.low / run.meta.wall_s
        expected = next((name for name, at in (("high", 0.25), ("medium", 0.1), ("low", 0.03)) if share >= at), "info")
        assert found.severity == expected


def test_change_that_costs_time_saves_nothing():
    found = diagnose(simulate(PoolPlan(items=100)), [rule_of(finding("chatty-tasks", Chunk(0, 100)))]).findings[0]
    assert (found.savings.seconds, found.savings.low, found.severity) == (0, 0, "info")


@pytest.mark.parametrize("severity", ["info", "low", "high"])
def test_finding_without_a_change_is_as_severe_as_its_rule_says(severity):
    found = diagnose(simulate(TINY), [rule_of(finding("remark", None, severity=severity))]).findings[0]
    assert (found.savings, found.severity) == (None, severity)


def test_cause_folds_what_it_explains_at_the_same_place():
    cause = finding("oversized-argument", Shed(0, "argument", 2e6), explains=("chatty-tasks",), about=(("origin", 0),))
    effect = finding("chatty-tasks", Chunk(0, 2), about=(("origin", 0), ("pool", 0)))
    elsewhere = replace(effect, about=(("origin", 1),), change=Chunk(1, 2))
    plan = PoolPlan(items=200, argument_bytes=2_000_000, byte_s=1e-9)
    diagnosis = diagnose(simulate(plan, plan), [rule_of(cause), rule_of(effect, elsewhere)])
    assert [found.rule for found in diagnosis.findings] == ["oversized-argument", "chatty-tasks"]
    assert diagnosis.findings[0].evidence[-1].value == "chatty-tasks found"
    assert diagnosis.findings[1].about == (("origin", 1),)


def test_cause_that_saves_nothing_hides_nothing():
    cause = finding("oversized-argument", Shed(0, "argument", 0.0), explains=("chatty-tasks",), about=(("origin", 0),))
    effect = finding("chatty-tasks", Chunk(0, 64), about=(("origin", 0),))
    diagnosis = diagnose(simulate(TINY), [rule_of(cause), rule_of(effect)])
    assert {found.rule for found in diagnosis.findings} == {"oversized-argument", "chatty-tasks"}


def test_of_two_that_explain_each_other_the_larger_stands():
    one = finding("one", Chunk(0, 4), explains=("two",), about=(("origin", 0),))
    two = finding("two", Chunk(0, 64), explains=("one",), about=(("origin", 0),))
    assert [found.rule for found in diagnose(simulate(TINY), [rule_of(one), rule_of(two)]).findings] == ["two"]


def test_best_is_all_changes_together():
    run = simulate(replace(TINY, startup_s=0.2))
    rules = [rule_of(finding("slow-startup", QuickStart((0,), 0.01))), rule_of(finding("chatty-tasks", Chunk(0, 64)))]
    diagnosis = diagnose(run, rules)
    both = replay(run, [Chunk(0, 64), QuickStart((0,), 0.01)])
    assert diagnosis.verdict.best_predicted_s == pytest.approx(both.wall_s)
    assert any("2 changes together" in row.change for row in diagnosis.what_if)


def test_changes_that_exclude_each_other_are_not_added():
    run = simulate(replace(TINY, startup_s=0.2))
    rules = [rule_of(finding("not-worth-it", Serial((0,)))), rule_of(finding("chatty-tasks", Chunk(0, 64)))]
    diagnosis = diagnose(run, rules)
    walls = [replay(run, [change]).wall_s for change in (Serial((0,)), Chunk(0, 64))]
    assert diagnosis.verdict.best_predicted_s == pytest.approx(min(walls))


def test_what_if_has_a_row_for_each_change_and_for_serial_code():
    run = simulate(replace(TINY, count=3))
    changes: tuple[Change, ...] = (
        Chunk(0, 64),
        Shed(1, "callable", 2e6),
        KeepPool((0, 1, 2)),
        QuickStart((0,), 0.012),
        Serial((0,)),
    )
    rules = [rule_of(finding(f"rule-{place}", change)) for place, change in enumerate(changes)]
    words = " | ".join(row.change for row in diagnose(run, rules).what_if)
    for part in ("chunksize 64 at program.py:10", "2 MB", "one pool instead of 3", "12 ms", "serial code"):
        assert part in words


def headline(run, rules=()):
    return diagnose(run, rules).verdict.headline


def test_headlines_say_the_speed_in_words():
    assert "slower than serial code" in headline(simulate(TINY, cpus=2))
    assert "1.9x faster than serial code" in headline(simulate(PoolPlan(items=2000), before_s=0, after_s=0, cpus=2))
    even = simulate(PoolPlan(items=1000, workers=1), before_s=0, after_s=0)
    assert "s fast as serial code" in headline(even)


def test_run_without_a_pool_has_no_verdict():
    diagnosis = diagnose(Run(Meta(("x.py",), "3.12", 1.0, 2, 0.0)))
    assert "No pool was used" in diagnosis.verdict.headline
    assert diagnosis.verdict.speedup_vs_serial is None
    assert diagnosis.accounting.worker_seconds == 0
    assert diagnosis.accounting.outside_pools_s == pytest.approx(1.0)
    assert not diagnosis.what_if
    assert {skipped.rule for skipped in diagnosis.skipped} == {rule.id for rule in all_rules()}


def test_pool_without_tasks_is_said():
    run = simulate(PoolPlan(items=0))
    assert "no task was recorded" in headline(run)


def test_failed_tasks_are_no_serial_work():
    assert "every task failed" in headline(simulate(PoolPlan(items=10, failed=10), before_s=0, after_s=0))


def test_cut_off_run_is_of_low_confidence():
    run = simulate(TINY, complete=False)
    found = diagnose(run, [rule_of(finding("chatty-tasks", Chunk(0, 64)))]).findings[0]
    assert found.confidence == "low"


def test_few_tasks_give_low_confidence_and_rules_may_lower_it():
    few = simulate(PoolPlan(items=2000, argument_bytes=2_000_000, byte_s=1e-9, sample=200))
    assert diagnose(few, [rule_of(finding("x", Shed(0, "argument", 2e6)))]).findings[0].confidence == "low"
    run = simulate(replace(TINY, startup_s=0.5))
    quick = QuickStart((0,), 0.0)
    assert diagnose(run, [rule_of(finding("x", quick))]).findings[0].confidence == "high"
    assert diagnose(run, [rule_of(finding("x", quick, confidence="medium"))]).findings[0].confidence == "medium"


def test_pools_alike_are_one_summary():
    run = simulate(replace(TINY, items=100, count=4), PoolPlan(items=50, pool_site=HERE))
    first, second = diagnose(run, ()).pools
    assert (first.count, first.tasks, first.items, first.round_trips) == (4, 400, 400, 400)
    assert first.compute_s == pytest.approx(4 * 100 * 5e-6)
    assert first.wall_s == pytest.approx(sum(pool.ended - pool.created for pool in run.pools[:4]))
    assert (second.count, second.site) == (1, HERE)


def test_account_and_losses_are_passed_on():
    run = replace(simulate(TINY), losses=(Loss("a worker's last tasks", "it was killed"),))
    diagnosis = diagnose(run, ())
    assert sum(activity.seconds for activity in diagnosis.accounting.activities) == pytest.approx(
        diagnosis.accounting.worker_seconds
    )
    assert sum(activity.share for activity in diagnosis.accounting.activities) == pytest.approx(1)
    assert diagnosis.losses == run.losses
    assert diagnosis.run.tasks == 20_000
    assert diagnosis.run.start_method == "fork"


def test_channels_are_lines_added_up_over_processes_the_longest_wait_first():
    one, other = clients(calls=1000), contenders()
    diagnosis = diagnose(replace(one, locks=other.locks), ())
    rows = [(row.kind, row.operation, row.site, row.processes, row.count, row.bytes) for row in diagnosis.channels]
    assert rows == [
        ("Value lock", "acquire", LOCK_HERE, 2, 26_000, 0),
        ("DictProxy", "__setitem__", CALL_HERE, 2, 2000, 184_000),
        ("DictProxy", "get", CALL_HERE, 2, 2000, 184_000),
        ("DictProxy", "connect", CALL_HERE, 2, 2, 0),
    ]
    assert [row.waited_s for row in diagnosis.channels] == pytest.approx([1.3, 0.2, 0.2, 4e-3])


def test_channels_of_one_line_are_told_apart_by_kind_and_objects_are_not():
    first, second = pipeline(1000), pipeline(1000, kind="SimpleQueue")
    uses = (*first.uses, *(replace(use, object=9) for use in first.uses), *second.uses)
    channels = diagnose(replace(first, uses=uses), ()).channels
    assert [(row.kind, row.operation, row.site, row.count) for row in channels] == [
        ("Queue", "get", GET_HERE, 2000),
        ("SimpleQueue", "get", GET_HERE, 1000),
        ("Queue", "put", PUT_HERE, 2000),
        ("SimpleQueue", "put", PUT_HERE, 1000),
    ]
    assert {row.processes for row in channels} == {1}, "two objects of one process are no two processes"
    assert diagnose(simulate(TINY), ()).channels == ()


def test_run_without_a_pool_is_judged_and_accounted_for():
    run = clients()
    diagnosis = diagnose(run)
    assert diagnosis.verdict.speedup_vs_serial == pytest.approx(0.35, abs=0.01)
    assert diagnosis.verdict.best_predicted_s == pytest.approx(run.meta.wall_s - diagnosis.findings[0].savings.seconds)
    assert diagnosis.run.start_method == "fork"
    assert (diagnosis.run.processes, diagnosis.run.tasks) == (4, 0)
    assert diagnosis.accounting.worker_seconds == pytest.approx(2 * 2.4, rel=0.01)
    shares = {activity.name: activity.share for activity in diagnosis.accounting.activities}
    assert shares["manager"] == pytest.approx(0.83, abs=0.01)
    assert sum(shares.values()) == pytest.approx(1)
    assert "chatty-tasks" in {skipped.rule for skipped in diagnosis.skipped}
    assert not any("serial code" in row.change for row in diagnosis.what_if)


def test_bottleneck_of_a_pipeline_is_in_the_verdict():
    assert diagnose(pipeline(), ()).verdict.bottleneck.startswith("Process-1 works")
    assert diagnose(simulate(TINY), ()).verdict.bottleneck is None


@pytest.mark.parametrize(
    ("run", "change"),
    [(contenders(), Fewer(locks=(0, 1))), (churn(), Reuse(tuple(range(1, 141)), 2)), (pipeline(), Fewer((0, 1)))],
)
def test_processes_outside_pools_are_priced_with_medium_confidence(run, change):
    assert (
        diagnose(run, [rule_of(finding("x", change), needs=frozenset({"processes"}))]).findings[0].confidence
        == "medium"
    )
    cut = replace(run, meta=replace(run.meta, complete=False))
    assert (
        diagnose(cut, [rule_of(finding("x", change), needs=frozenset({"processes"}))]).findings[0].confidence == "low"
    )


def test_the_same_messages_are_not_saved_twice():
    run = pipeline()
    rules = [
        rule_of(finding("one", Fewer((0, 1))), needs=frozenset({"uses"})),
        rule_of(finding("two", Fewer((1,))), finding("two", Fewer((0,))), needs=frozenset({"uses"})),
    ]
    diagnosis = diagnose(run, rules)
    assert diagnosis.verdict.best_predicted_s == pytest.approx(replay(run, [Fewer((0, 1))]).wall_s)
    assert not any("together" in row.change for row in diagnosis.what_if)


def test_serial_code_needs_no_fewer_calls_in_its_workers():
    run = simulate(TINY)
    use = replace(clients().uses[1], process=run.workers[0].process, blocked_s=0.1)
    rules = [rule_of(finding("not-worth-it", Serial((0,)))), rule_of(finding("manager-hotspot", Fewer((0,))))]
    diagnosis = diagnose(replace(run, uses=(use,)), rules)
    assert not any("together" in row.change for row in diagnosis.what_if)
