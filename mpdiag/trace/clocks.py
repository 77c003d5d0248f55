"""Clocks of a trace to seconds of a run: stamps since the target's launch, durations, and what counts as unrecorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NS_PER_S = 1e9
HORIZON_NS = 10 * 365 * 86400 * 10**9
"""Ten years: a stamp farther from the launch, or a longer duration, can only come from a damaged or hostile trace."""


def seconds(stamps: NDArray[Any], launch_ns: int) -> NDArray[np.float64]:
    """Seconds since ``launch_ns`` of stamps in ns (u8); NaN for 0 (not recorded) and for what cannot be a stamp."""
    signed = stamps.astype(np.int64)
    since = signed - np.int64(launch_ns)
    known = (signed > 0) & (since > -HORIZON_NS) & (since < HORIZON_NS)
    return np.where(known, since / NS_PER_S, np.nan)


def durations(spans: NDArray[Any]) -> NDArray[np.float64]:
    """Seconds of durations in ns (f4 or u8); NaN for what is no duration (NaN, infinite, negative, beyond reason)."""
    with np.errstate(invalid="ignore"):  # a damaged trace may hold signalling NaNs
        wide = spans.astype(np.float64)
        return np.where((wide >= 0) & (wide < HORIZON_NS), wide / NS_PER_S, np.nan)
