"""The page as a reader finds it: what is said, in which order, within the columns."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.diagnosis import Account, Activity, Evidence, Fix, Savings, Skipped
from mpdiag.model.run import Loss, Overhead, Site
from mpdiag.reporters.columns import columns
from mpdiag.reporters.pen import Pen
from mpdiag.reporters.style import Style
from mpdiag.reporters.terminal import render
from tests.reporters.hostile import NAMES, poisoned
from tests.reporters.samples import BIG_ARGUMENT, CHATTY, CUT_OFF, EMPTY, HEALTHY, SAMPLES

SGR = re.compile(r"\x1b\[[0-9;]*m")


def page(diagnosis, width=80, *, colour=False, ascii_only=False, encoding="utf-8"):
    return render(diagnosis, Style(width, colour, ascii_only, encoding))


def widest(report):
    return max(columns(SGR.sub("", line)) for line in report.split("\n"))


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("width", [40, 47, 60, 79, 80, 81, 100, 120, 200])
def test_no_line_is_wider_than_the_page(sample, colour, width):
    assert widest(page(SAMPLES[sample], width=width, colour=colour)) <= min(width, 120)


@pytest.mark.parametrize("hostile", NAMES)
@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("plain", [False, True])
def test_no_hostile_name_makes_a_line_wider_or_the_page_endless(hostile, width, plain):
    for sample in SAMPLES.values():
        report = page(poisoned(sample, NAMES[hostile]), width=width, ascii_only=plain)
        assert widest(report) <= width
        assert report.count("\n") < 400


@given(st.text(max_size=200), st.integers(40, 130))
def test_no_text_makes_a_line_wider(text, width):
    assert widest(page(poisoned(BIG_ARGUMENT, text), width=width)) <= width


def test_width_is_used_up_to_120_columns():
    assert widest(page(CHATTY, width=120)) == widest(page(CHATTY, width=300)) == 120


def test_nothing_is_narrower_than_40_columns():
    assert page(CHATTY, width=1) == page(CHATTY, width=40)


def test_order_is_verdict_time_pools_findings_what_if_notes():
    report = page(CHATTY)
    marks = [CHATTY.verdict.headline[:40], "Where ", "Pools", "Findings", "What if", "Rules skipped", "mpdiag's own"]
    places = [report.index(mark) for mark in marks]
    assert places == sorted(places)
    assert places[0] == 0


def test_first_screen_answers_the_three_questions():
    first_screen = "\n".join(page(CHATTY).split("\n")[:24])
    for said in ("3.6x slower", "the speed-up is 0.28x", "waiting for a task", "save 2.7-3.0 s", "classify.py:58"):
        assert said in first_screen


def test_healthy_program_is_told_so_in_three_lines():
    report = page(HEALTHY)
    assert report.count("\n") == 3
    assert "Healthy" in report
    assert "Findings" not in report


def test_healthy_program_with_losses_gets_the_losses_too():
    report = page(replace(HEALTHY, losses=(Loss("records of process 7", "no space left on device", 3),)))
    assert "Healthy" in report
    assert "  - records of process 7: no space left on device (3 times)\n" in report
    assert report.count("\n") == 6


def test_long_headline_of_a_healthy_program_stays_on_its_line():
    verdict = replace(HEALTHY.verdict, headline="very " * 100)
    assert page(replace(HEALTHY, verdict=verdict)).count("\n") == 3


def test_notes_and_skipped_rules_of_a_healthy_program_are_mentioned():
    note = replace(CHATTY.findings[0], severity="info")
    report = page(replace(HEALTHY, findings=(note, note), skipped=(Skipped("shm-leak", "no shared memory"),)))
    assert report.count("\n") == 3
    assert "(2 notes, 1 skipped rule)" in report


@pytest.mark.parametrize(
    "doubt",
    [
        {"run": replace(HEALTHY.run, complete=False)},
        {"run": replace(HEALTHY.run, tasks=0)},
        {"failed": CUT_OFF.failed},
        {"verdict": replace(HEALTHY.verdict, speedup_vs_serial=0.97)},
        {"verdict": replace(HEALTHY.verdict, speedup_vs_serial=1.03)},
        {"verdict": replace(HEALTHY.verdict, speedup_vs_serial=None, serial_estimate_s=None)},
        {"findings": CHATTY.findings},
    ],
    ids=lambda doubt: next(iter(doubt)),
)
def test_doubtful_program_is_not_called_healthy(doubt):
    report = page(replace(HEALTHY, **doubt))
    assert "Healthy" not in report
    assert report.count("\n") > 10


def test_no_finding_is_said():
    assert "\nNo finding.\n" in page(EMPTY)
    assert "\nNo finding.\n" in page(CUT_OFF)


def test_finding_says_what_where_how_measured_what_to_change_and_what_that_saves():
    report = page(BIG_ARGUMENT)
    said = (
        "1. HIGH oversized-callable (confidence high), saves 72-90 s",
        "every task carries its Scorer along",
        "at /srv/forecast/jobs/nightly/score_customers.py:214 (Scorer.run)",
        "callable, of a task  ",
        "Change: send the model once to each worker",
        "       def _score(customer):",
        "Saves 72-90 s of 148 s, best estimate 84.1 s (57 %; ",
        "2. LOW pool-churn (confidence medium), saves 8.3-14.6 s",
        "3. info oversized-result: ",
    )
    places = [report.index(text) for text in said]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("directory", "shown"),
    [
        ("/srv", "shop/price.py:7 (main)"),
        ("/srv/shop/", "price.py:7 (main)"),
        ("/srv/sh", "/srv/shop/price.py:7 (main)"),
    ],
)
def test_sites_are_named_as_seen_from_the_reader(directory, shown):
    assert Pen(Style(directory=directory)).site(Site("/srv/shop/price.py", 7, "main"), 60) == shown


def test_finding_without_prediction_site_evidence_or_snippet():
    bare = replace(CHATTY.findings[0], site=None, savings=None, evidence=(), fix=Fix("batch", (), ""))
    report = page(replace(CHATTY, findings=(bare,)))
    assert "1. HIGH chatty-tasks (confidence high)\n" in report
    assert "No saving of time is predicted" in report
    assert "First change" not in report


def test_many_findings_facts_pools_and_losses_are_cut_and_the_rest_is_counted():
    facts = tuple(Evidence(f"fact {number}", number, "count") for number in range(30))
    finding = replace(CHATTY.findings[0], evidence=facts, fix=Fix("all", (), "line()\n" * 100))
    many = replace(
        CHATTY,
        findings=(finding,) * 50,
        pools=CHATTY.pools * 30,
        losses=(Loss("a", "b"),) * 1_000,
        what_if=CHATTY.what_if * 30,
    )
    report = page(many)
    for rest in ("18 more facts", "60 more lines", "30 more in", "20 more in", "980 more in", "78 more in"):
        assert rest in report


def test_accounting_shows_computing_first_and_unaccounted_last_even_when_there_is_none():
    parts = (Activity("compute", 0.0, 0.0), Activity("idle", 2.0, 1.0), Activity("unaccounted", 0.0, 0.0))
    report = page(replace(CHATTY, accounting=Account(2.0, parts)))
    bars = report.split("Where ")[1].split("\n\n")[0].split("\n")[1:]
    assert [bar.split()[0] for bar in bars] == ["computing", "idle,", "unaccounted"]


def test_activity_without_plain_words_is_shown_by_its_name():
    account = Account(2.0, (Activity("run_queue", 2.0, 1.0),))
    assert "run queue" in page(replace(CHATTY, accounting=account))


def test_unknown_numbers_are_said_to_be_unknown():
    nan = math.nan
    savings = Savings(nan, nan, nan, nan, "a guess")
    unknown = replace(
        CHATTY,
        run=replace(CHATTY.run, wall_s=nan),
        verdict=replace(CHATTY.verdict, speedup_vs_serial=nan, serial_estimate_s=nan, best_predicted_s=nan),
        accounting=Account(2.0, (Activity("compute", nan, nan), Activity("unaccounted", nan, nan)), nan),
        findings=(replace(CHATTY.findings[0], savings=savings),),
        overhead=Overhead(nan),
    )
    report = page(unknown)
    assert "nan" not in report
    assert "saves unknown" in report


def test_no_worker_time_of_a_pool_is_said():
    assert "No worker's time was recorded." in page(replace(CHATTY, accounting=Account(0.0, ())))


def test_few_skipped_rules_are_named_with_reasons_and_many_counted():
    two = (Skipped("shm-leak", "no shared memory"), Skipped("chatty-pipe", "no pipe"))
    assert "\nRules skipped: shm-leak (no shared memory); chatty-pipe (no pipe)\n" in page(replace(CHATTY, skipped=two))
    alike = (Skipped("one", "no pipe"), Skipped("two", "no pipe"))
    assert "\nRules skipped: one, two (no pipe)\n" in page(replace(CHATTY, skipped=alike))
    many = "\nRules skipped: 4 (no pipe); mpdiag explain lists the rules\n"
    assert many in page(replace(CHATTY, skipped=2 * alike))


def test_skipped_rules_are_not_mentioned_where_none_can_apply():
    assert "Rules skipped" not in page(EMPTY)
    assert "JSON" not in page(EMPTY)


def test_unknown_interpreter_is_left_out():
    run = replace(CHATTY.run, command=("x",), python="")
    assert "\nThis run: x (fork)\n" in page(replace(CHATTY, run=run))
    assert "\nThis run: x\n" in page(replace(CHATTY, run=replace(run, start_method="")))


def test_what_if_rows_name_files_without_their_folders():
    changes = (
        "chunksize 256 at /very/long/path/to/the nightly, or weekly/jobs/of/somebody/score_customers.py:214",
        "workers ready in 21.5 ms at /a/one.py:1, /a/very/long/path/to/the/jobs/of/everybody/else/two.py:22",
    )
    report = page(replace(CHATTY, what_if=tuple(replace(CHATTY.what_if[0], change=change) for change in changes)))
    assert " chunksize 256 at score_customers.py:214\n" in report
    assert " workers ready in 21.5 ms at one.py:1, two.py:22\n" in report


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0, "fork)"),
        (1, "fork, exit status 1)"),
        (-9, "fork, killed by SIGKILL)"),
        (-99, "fork, killed by signal 99)"),
        (None, "fork, end not seen)"),
    ],
)
def test_end_of_the_program_is_said(status, said):
    run = replace(CHATTY.run, exit_status=status, command=("x",))
    assert said in page(replace(CHATTY, run=run))


def test_colour_only_where_the_style_has_it():
    assert "\x1b" not in page(BIG_ARGUMENT)
    coloured = page(BIG_ARGUMENT, colour=True)
    assert "\x1b[" in coloured
    assert SGR.sub("", coloured) == page(BIG_ARGUMENT)


def test_ascii_page_is_ascii():
    for sample in SAMPLES.values():
        report = page(sample, ascii_only=True, encoding="ascii")
        assert report.isascii()
        assert "\\x" not in report
    assert "19 us" in page(CHATTY, ascii_only=True, encoding="ascii")


def test_wide_names_keep_the_columns_aligned():
    pools = (CHATTY.pools[0], replace(CHATTY.pools[0], site=replace(CHATTY.pools[0].site, file="\u540d\u524d.py")))
    head, *rows = page(replace(CHATTY, pools=pools)).split("Pools\n")[1].split("\n")[:3]
    place = head.index("created at")
    assert [row[place:] for row in rows] == ["classify.py:58 (main)", "\u540d\u524d.py:58 (main)"]
