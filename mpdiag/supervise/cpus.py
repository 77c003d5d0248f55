"""How many CPUs the run may use: the affinity mask, and the CPU quota of its control groups."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_ROOT = "/sys/fs/cgroup"
MEMBERSHIP = "/proc/self/cgroup"


def usable_cpus() -> int:
    """CPUs that this process and its children may use at the same time, at least one."""
    cpus = len(os.sched_getaffinity(0))
    quota = min((_quota(path) for path in _groups()), default=math.inf)
    return cpus if quota >= cpus else max(1, math.ceil(quota))


def _groups() -> list[str]:
    """Directories of the control groups that limit this process, the inner ones and all around them."""
    try:
        lines = Path(MEMBERSHIP).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    directories = []
    for line in lines:
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = f"{CGROUP_ROOT}/{controllers}" if controllers else CGROUP_ROOT
        parts = [part for part in path.split("/") if part]
        # In a container the path is the host's, while the mount shows only the container's own group: hence the root.
        directories += ["/".join([root, *parts[:depth]]) for depth in range(len(parts) + 1)]
    return directories


def _quota(directory: str) -> float:
    """The limit of one control group in CPUs; infinity when it has none."""
    limit = _read(f"{directory}/cpu.max").split()
    if not limit:
        limit = [_read(f"{directory}/cpu.cfs_quota_us").strip(), _read(f"{directory}/cpu.cfs_period_us").strip()]
    try:
        quota, period = (float(value) for value in limit)
    except ValueError:
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
