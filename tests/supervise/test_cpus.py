from __future__ import annotations

import os

import pytest

from mpdiag.supervise import cpus


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Eight CPUs, and a function that sets the control groups of this process."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    monkeypatch.setattr(cpus, "CGROUP_ROOT", str(tmp_path))

    def build(membership: str, files: dict[str, str]) -> None:
        (tmp_path / "membership").write_text(membership)
        monkeypatch.setattr(cpus, "MEMBERSHIP", str(tmp_path / "membership"))
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    return build


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "200000 100000\n"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "150000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2),
        ("0::/../host\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/a\n", {"a/cpu.max": "1600000 100000\n"}, 8),
        (
            "4:cpu,cpuacct:/a\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "300000", "cpu,cpuacct/a/cpu.cfs_period_us": "1e5"},
            3,
        ),
        ("4:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, 8),
        ("4:memory:/a\n", {"memory/a/cpu.max": "100000 100000"}, 8),
        ("0::/a\n", {"a/cpu.max": "nonsense\n"}, 8),
        ("nonsense\n", {}, 8),
    ],
)
def test_quota_of_the_control_groups(groups, membership, files, expected):
    groups(membership, files)

    assert cpus.usable_cpus() == expected


def test_system_without_control_groups(groups, monkeypatch):
    groups("0::/\n", {})
    monkeypatch.setattr(cpus, "MEMBERSHIP", "/nonexistent")

    assert cpus.usable_cpus() == 8
