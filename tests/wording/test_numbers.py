"""Numbers as people read them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.wording import numbers

NOT_FINITE = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (3e-10, "0.3 ns"),
        (3e-14, "0 s"),
        (42e-9, "42 ns"),
        (1.84e-6, "1.8 \u00b5s"),
        (18.04e-6, "18 \u00b5s"),
        (999.6e-6, "1.0 ms"),
        (4.12e-3, "4.1 ms"),
        (9.96e-3, "10 ms"),
        (0.34, "340 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.234, "1.23 s"),
        (9.996, "10.0 s"),
        (12.34, "12.3 s"),
        (99.96, "100 s"),
        (599.4, "599 s"),
        (599.6, "10 min 0 s"),
        (1801, "30 min 1 s"),
        (7199.4, "119 min 59 s"),
        (7201, "2 h 0 min"),
        (360_000, "100 h 0 min"),
        (-0.34, "-340 ms"),
        *((odd, "unknown") for odd in NOT_FINITE),
    ],
)
def test_seconds(value, text):
    assert numbers.seconds(value) == text


def test_micro_is_the_callers():
    assert numbers.seconds(18e-6, "u") == "18 us"
    assert numbers.span(18e-6, 21e-6, "u") == "18-21 us"
    assert numbers.quantity(18e-6, "s", "u") == "18 us"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (1234, "1.2 kB"),
        (42_000, "42 kB"),
        (999_600, "1.0 MB"),
        (4_200_000, "4.2 MB"),
        (31_440_000_000, "31 GB"),
        (5e15, "5,000 TB"),
        (-1500, "-1.5 kB"),
        (math.nan, "unknown"),
    ],
)
def test_size(value, text):
    assert numbers.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(30_000, "30,000"), (30_000.0, "30,000"), (2.5, "2.5"), (0, "0"), (math.inf, "unknown")]
)
def test_count(value, text):
    assert numbers.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"),
        (0.0002, "<0.1 %"),
        (0.082, "8.2 %"),
        (0.0996, "10 %"),
        (0.614, "61 %"),
        (0.9996, ">99 %"),
        (1.0, "100 %"),
        (1.2, "120 %"),
        (-0.02, "-2.0 %"),
        (math.nan, "unknown"),
    ],
)
def test_share(value, text):
    assert numbers.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.283, "0.28x"), (1.0, "1.0x"), (3.64, "3.6x"), (120.4, "120x"), (1850, "1,850x"), (math.nan, "unknown")],
)
def test_ratio(value, text):
    assert numbers.ratio(value) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.9, 2.3, "1.9-2.3 s"),
        (0.34, 1.2, "0.34-1.20 s"),
        (0.401, 0.712, "401-712 ms"),
        (8.3, 14.6, "8.3-14.6 s"),
        (71.5, 90.2, "72-90 s"),
        (0.0004, 2.3, "0-2.3 s"),
        (0, 0, "about 0 \u00b5s"),
        (2.12, 2.13, "about 2.1 s"),
        (540, 660, "9.0-11.0 min"),
        (7100, 9000, "2.0-2.5 h"),
        (-0.3, 1.2, "-0.30 to 1.20 s"),
        (math.nan, 1, "unknown"),
        (1, math.inf, "unknown"),
    ],
)
def test_span(low, high, text):
    assert numbers.span(low, high) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.34, "s", "340 ms"),
        (1234, "bytes", "1.2 kB"),
        (1234, "count", "1,234"),
        (0.5, "share", "50 %"),
        (2.0, "ratio", "2.0x"),
        ("list", "text", "list"),
        ("unknown", "s", "unknown"),
        (3, "furlongs", "3 furlongs"),
    ],
)
def test_quantity(value, unit, text):
    assert numbers.quantity(value, unit) == text


@given(st.floats(1e-9, 1e9))
def test_durations_keep_two_digits_and_never_show_a_thousand(value):
    text = numbers.seconds(value)
    units = {"ns": 1e-9, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
    parts = re.findall(r"([\d,.]+) (\w+)", text)
    shown = sum(float(number.replace(",", "")) * units[unit] for number, unit in parts)
    assert shown == pytest.approx(value, rel=0.051)
    assert len(parts) == 2 or float(parts[0][0]) < 1000


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_ranges_have_their_lower_end_first(one, other):
    text = numbers.span(min(one, other), max(one, other))
    ends = [float(number) for number in re.findall(r"[\d.]+", text)]
    assert ends == sorted(ends)
