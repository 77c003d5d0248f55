"""Whatever happens to a program, it behaves as bare, what was recorded is reported, and what was not is named."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.running import PROGRAMS, Recorded, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEATHS = {"kill": -signal.SIGKILL, "exit": 7, "segfault": -signal.SIGSEGV, "abort": -signal.SIGABRT}
"""Ways to die and the exit status that each gives."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def runner(tmp_path) -> Runner:
    return prepared(sys.executable, tmp_path)


def prepared(interpreter: str, directory: Path, environment: dict[str, str] | None = None) -> Runner:
    for name in ("deaths.py", "limits.py"):
        shutil.copy(PROGRAMS / name, directory)
    return Runner(interpreter, directory, environment)


@pytest.fixture
def mounted(tmp_path) -> Iterator[Callable[[str], Path]]:
    """Give a function that mounts a small disk, with these options of mount(8); it is unmounted at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],  # noqa: S607
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
        return place

    yield mount
    while os.path.ismount(place):
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607


def tasks(recorded: Recorded) -> list[tuple[str, int]]:
    """Kind and tasks of each pool in the report, in the order of the program's lines."""
    pools = sorted(recorded.report["pools"], key=lambda pool: pool["site"]["line"])
    return [(pool["kind"], pool["tasks"]) for pool in pools]


BOTH = [("Pool", 100), ("ProcessPoolExecutor", 100)]
"""What limits.work() leaves in the report."""


# Deaths


@pytest.mark.parametrize("way", DEATHS)
def test_worker_of_a_pool_dies(runner, way):
    check_death_in_pool(runner.both("deaths.py", "pool", way))


def test_worker_of_a_pool_is_killed_on_every_python(interpreter, tmp_path):
    check_death_in_pool(prepared(interpreter, tmp_path).both("deaths.py", "pool", "kill"))


def check_death_in_pool(recorded: Recorded) -> None:
    (pool,) = recorded.pools
    assert tasks(recorded) == [("Pool", 91)]
    assert (pool.sent, pool.collected) == (91, 90)
    assert (recorded.worked(pool, "received"), recorded.worked(pool, "done")) == (91, 90)
    dead = [worker for worker in recorded.workers(pool) if worker.records("worked")["done"] == 50]
    assert len(dead) == 1
    assert len(dead[0].records("finish")) == 0
    assert recorded.faults == []


@pytest.mark.parametrize("way", DEATHS)
def test_worker_of_an_executor_dies(runner, way):
    check_death_in_executor(runner.both("deaths.py", "executor", way))


def test_worker_of_an_executor_is_killed_on_every_python(interpreter, tmp_path):
    check_death_in_executor(prepared(interpreter, tmp_path).both("deaths.py", "executor", "kill"))


def check_death_in_executor(recorded: Recorded) -> None:
    (pool,) = recorded.pools
    assert tasks(recorded) == [("ProcessPoolExecutor", 51)]
    assert (pool.sent, pool.collected) == (51, 50)
    assert (recorded.worked(pool, "received"), recorded.worked(pool, "done")) == (51, 50)
    assert recorded.faults == []


def test_pool_is_terminated(interpreter, tmp_path):
    recorded = prepared(interpreter, tmp_path).both("deaths.py", "terminated", "-")

    (pool,) = recorded.pools
    assert tasks(recorded) == [("Pool", 200)]
    assert (pool.sent, pool.collected) == (200, 200)
    assert (recorded.worked(pool, "received"), recorded.worked(pool, "done")) == (200, 200)
    assert recorded.losses == ""


@pytest.mark.parametrize("way", DEATHS)
def test_the_program_itself_dies(runner, way):
    bare = runner.bare("deaths.py", "program", way)
    outcome, recorded = runner.recorded("deaths.py", "program", way)

    assert outcome == bare, f"with mpdiag {outcome}, bare {bare}"
    assert outcome.status == DEATHS[way] == recorded.report["run"]["exit_status"]
    (pool,) = recorded.pools
    assert tasks(recorded) == [("Pool", 200)]
    assert (pool.sent, pool.collected) == (200, 200)
    assert (recorded.worked(pool, "received"), recorded.worked(pool, "done")) == (200, 200)


# Disks


def on_disk(mounted: Callable[[str], Path], tmp_path: Path, case: str, *flags: str) -> Recorded:
    """Run a case of limits.py, bare and recorded, each with a fresh small disk for temporary files."""
    disk = mounted("size=600k")
    runner = prepared(sys.executable, tmp_path, {"TMPDIR": str(disk)})
    bare = runner.bare("limits.py", case)
    mounted("size=600k")
    outcome, recorded = runner.recorded("limits.py", case, flags=flags)
    assert outcome == bare, f"with mpdiag {outcome}, bare {bare}"
    assert outcome.status == 0, outcome.err
    assert not list(disk.glob("mpdiag-*")), "the run directory is left behind"
    return recorded


def test_disk_is_full_from_the_start(mounted, tmp_path):
    recorded = on_disk(mounted, tmp_path, "full-disk")

    assert recorded.report["run"]["exit_status"] == 0
    assert "No space left on device" in recorded.losses


def test_disk_fills_up(mounted, tmp_path):
    # WHEN everything is timed, so that records do not fit the room that there was before
    recorded = on_disk(mounted, tmp_path, "disk-fills-up", "--budget", "100")

    # THEN counts are exact, and the lost records and processes are named
    assert tasks(recorded) == [("Pool", 6010)]
    (pool,) = recorded.pools
    assert (pool.sent, pool.collected) == (6010, 6010)
    assert (recorded.worked(pool, "received"), recorded.worked(pool, "done")) == (6010, 6010)
    assert "the disk was full" in recorded.losses
    dropped = sum(int(segment.records("cost")["dropped"].sum()) for segment in recorded.programs)
    timed = sum(len(segment.records(kind)) for segment in recorded.programs for kind in ("send", "work", "collect"))
    assert timed + dropped >= 3 * 6010


def test_run_directory_is_deleted(runner):
    recorded = runner.both("limits.py", "deleted-directory")

    assert recorded.report["run"]["exit_status"] == 0
    assert "the run directory was deleted" in recorded.losses
    assert "older than Python" not in recorded.losses


def test_current_directory_is_read_only(mounted, tmp_path):
    runner = prepared(sys.executable, tmp_path)
    place = mounted("ro")

    recorded = runner.both(str(tmp_path / "limits.py"), "read-only-directory", cwd=place)

    assert tasks(recorded) == BOTH
    assert recorded.losses == ""


def test_current_directory_may_not_be_written_to(runner, tmp_path):
    place = tmp_path / "place"
    place.mkdir(mode=0o555)

    recorded = runner.both(str(tmp_path / "limits.py"), "few-descriptors", cwd=place)

    assert list(place.iterdir()) == []
    assert recorded.losses == ""


# Limits


def test_few_descriptors_and_none_is_taken(interpreter, tmp_path):
    # The program prints how many files it can open: as many as bare.
    recorded = prepared(interpreter, tmp_path).both("limits.py", "few-descriptors")

    assert tasks(recorded) == [("Pool", 101), *BOTH] or tasks(recorded) == [*BOTH, ("Pool", 101)]
    assert recorded.losses == ""


def test_no_descriptor_is_left(interpreter, tmp_path):
    recorded = prepared(interpreter, tmp_path).both("limits.py", "no-descriptors", flags=["--budget", "100"])

    assert tasks(recorded) == [("Pool", 6010)]
    (pool,) = recorded.pools
    assert (pool.sent, pool.collected) == (6010, 6010)
    assert "a record" in recorded.losses


def test_closed_descriptors_are_the_programs_own(interpreter, tmp_path):
    recorded = prepared(interpreter, tmp_path).both("limits.py", "closed-descriptors")

    assert sum(count for _kind, count in tasks(recorded)) == 410
    assert recorded.losses == ""


@pytest.mark.parametrize(
    ("case", "status", "loss"),
    [
        ("small-files", 0, "File too large"),
        ("small-files-and-a-signal", -signal.SIGXFSZ, "File too large"),
        ("no-files", 0, "it left no record"),
    ],
)
def test_files_are_limited_in_size(runner, case, status, loss):
    recorded = runner.both("limits.py", case)

    assert recorded.report["run"]["exit_status"] == status
    assert loss in recorded.losses


def test_environment_is_emptied(runner):
    recorded = runner.both("limits.py", "empty-environment")

    # Both halves are recorded: what is forked, and what is spawned after os.environ was cleared.
    assert sum(count for _kind, count in tasks(recorded)) == 400
    assert recorded.faults == []


@needs_root
def test_program_becomes_another_user(runner):
    runner.directory.chmod(0o755)
    recorded = runner.both("limits.py", "other-user")

    assert tasks(recorded) == [*BOTH, ("Pool", 10)]
    assert "it left no record" in recorded.losses


@needs_root
def test_program_changes_its_root(tmp_path):
    runner = prepared(sys.executable, tmp_path)
    bare = runner.bare("limits.py", "other-root")
    shutil.rmtree(tmp_path / "root")
    outcome, recorded = runner.recorded("limits.py", "other-root")

    assert outcome == bare, f"with mpdiag {outcome}, bare {bare}"
    assert tasks(recorded) == [("Pool", 10)]
    assert "a record" in recorded.losses


def test_a_thousand_short_processes(runner):
    recorded = runner.both("limits.py", "many-processes")

    assert recorded.report["run"]["processes"] == 1001
    assert len(recorded.programs) == 1001
    finished = sum(len(segment.records("finish")) for segment in recorded.programs)
    assert finished == 800
    assert recorded.losses == ""


# Torn records


def test_workers_killed_anywhere_leave_whole_records(runner):
    # GIVEN workers that are killed at arbitrary points of their loops, while everything is timed
    recorded = runner.both("deaths.py", "anywhere", "30", flags=["--budget", "100"])

    # THEN all records that are there make sense
    assert len(recorded.pools) == 30
    assert all("just being born" in loss for loss in recorded.trace.losses)
    for results, pool in enumerate(sorted(recorded.pools, key=lambda pool: pool.record["created"])):
        workers = sorted(recorded.workers(pool), key=lambda segment: segment.header.perf_ns)
        assert workers or not results
        if not workers:
            continue
        work, (worked,) = workers[0].records("work"), workers[0].records("worked")
        assert results <= worked["done"] <= worked["received"] <= pool.sent + 1, "its parent's last task is not counted"
        assert len(work) <= worked["received"]
        assert (work["run"] >= 0).all()
        assert (work["bytes"] > 0).all()
        assert (work["t"] >= workers[0].header.perf_ns).all()
