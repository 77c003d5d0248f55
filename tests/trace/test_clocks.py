"""Stamps and durations that make no sense are unknown, without a word on stderr (warnings are errors here)."""

from __future__ import annotations

import numpy as np

from mpdiag.trace.clocks import durations


def test_signalling_nan_is_no_duration() -> None:
    spans = np.array([0x7F800001, 0x7FC00000, 0x7F800000, 0xBF800000, 0x4E6E6B28], "u4").view("f4")
    assert np.isnan(durations(spans)).tolist() == [True, True, True, True, False]
    assert durations(spans)[-1] == 1.0
