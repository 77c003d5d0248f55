"""The table of queues, pipes, managers and locks: on any page, whatever they are called."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.diagnosis import ChannelSummary
from mpdiag.model.run import Site
from mpdiag.reporters.columns import columns
from mpdiag.reporters.pen import Pen
from mpdiag.reporters.sections import channels
from mpdiag.reporters.style import Style
from mpdiag.reporters.terminal import render
from tests.reporters.hostile import NAMES, poisoned
from tests.reporters.pipelines import PIPELINE
from tests.reporters.samples import HEALTHY

WIDTHS = (40, 47, 60, 80, 100, 120)


def section(diagnosis, width=80, **style):
    return channels.lines(diagnosis, Pen(Style(width, **style)))


@pytest.mark.parametrize(
    ("width", "header"),
    [
        (40, "  object            waited  at"),
        (80, "  object            operation      times   bytes  waited  at"),
        (120, "  object            operation      times   bytes  processes  waited  at"),
    ],
)
def test_columns_give_way_to_the_site(width, header):
    title, head, *rows = section(PIPELINE, width)
    assert title == "Queues, pipes, managers and locks"
    assert head == header
    assert len(rows) == 5
    place = head.rindex("at")
    assert [row[place - 2 : place] for row in rows] == ["  "] * 5
    assert rows[0][place:].rpartition("/")[2].startswith("chart.py:40")
    assert rows[3][place:].rpartition("/")[2].startswith("chart.py:74")


def test_numbers_are_those_of_the_line():
    rows = section(PIPELINE, 120)[2:]
    assert rows[0].split()[:7] == ["JoinableQueue", "put", "100,000", "5.4", "MB", "1", "1.38"]
    assert rows[4].split()[:8] == ["Value", "lock", "acquire", "12,004", "-", "2", "110", "ms"]


def test_lines_that_hardly_waited_are_left_out():
    least = channels.WORTH_A_ROW * PIPELINE.run.wall_s
    enough, less = (replace(PIPELINE.channels[0], waited_s=waited) for waited in (least, least * 0.99))
    assert len(section(replace(PIPELINE, channels=(enough, less)))) == 3
    assert section(replace(PIPELINE, channels=(less,))) == []
    assert section(replace(PIPELINE, channels=())) == []


def test_many_lines_are_cut_and_the_rest_is_counted():
    many = section(replace(PIPELINE, channels=PIPELINE.channels[:1] * 30))
    assert len(many) == 2 + channels.MOST + 1
    assert many[-1] == "  and 22 more lines in the JSON report"


@pytest.mark.parametrize("waited", [nan, inf, -1.0])
def test_waiting_that_is_no_time_does_not_break_the_page(waited):
    odd = replace(PIPELINE.channels[0], waited_s=waited)
    report = section(replace(PIPELINE, channels=(odd, *PIPELINE.channels)))
    assert "nan" not in "\n".join(report)
    assert section(replace(PIPELINE, run=replace(PIPELINE.run, wall_s=nan))) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("hostile", NAMES)
def test_no_hostile_name_makes_a_line_wider(hostile, width):
    for plain in (False, True):
        report = section(poisoned(PIPELINE, NAMES[hostile]), width, ascii=plain)
        assert len(report) == 7
        assert max(map(columns, report)) <= width
        assert all(line.isprintable() for line in report)


@given(
    st.text(max_size=40),
    st.text(max_size=20),
    st.integers(0, 1 << 55),
    st.integers(0, 1 << 55),
    st.floats(0.1, 1e13),
    st.integers(40, 130),
)
def test_no_name_and_no_number_makes_a_line_wider(kind, operation, count, size, waited, width):  # noqa: PLR0913, PLR0917 - what a row consists of
    row = ChannelSummary(kind, operation, Site(kind, count, operation), 1 << 20, count, size, waited)
    report = section(replace(PIPELINE, channels=(row, *PIPELINE.channels)), width)
    assert max(map(columns, report)) <= min(width, 120)


def test_table_stands_between_the_time_and_the_findings():
    report = render(PIPELINE, Style())
    marks = ["2.7x slower", "busiest", "Where 4.71 s", "waiting to send", "Queues, pipes", "Findings", "What if"]
    places = [report.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "Pools" not in report
    assert "the main process works 97 % of its time" in report
    assert "no pool, 4 processes, 4 CPUs" in report


def test_healthy_program_gets_no_table():
    assert "Queues" not in render(replace(HEALTHY, channels=PIPELINE.channels), Style())


def test_program_of_processes_can_be_healthy_without_a_task():
    run = replace(PIPELINE.run, tasks=0)
    fast = replace(PIPELINE.verdict, speedup_vs_serial=3.7)
    assert "Healthy" in render(replace(PIPELINE, run=run, verdict=fast, findings=()), Style())
    assert "Healthy" not in render(replace(PIPELINE, findings=()), Style())
