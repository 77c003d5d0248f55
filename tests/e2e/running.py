"""Running a program twice, bare and under ``mpdiag run``, and looking into what was recorded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mpdiag.trace.reader import read_trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mpdiag.trace.segment import Segment, Trace

PROGRAMS = Path(__file__).parent / "programs"
DEADLINE_S = 60.0
ADDRESS = re.compile(r"0x[0-9a-f]{6,}|(?<=pid=)\d+|(?<=PID )\d+")
"""What differs between two bare runs of one program: addresses of objects and process ids, as they are printed."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended and what it wrote; ``status`` is negative for a signal."""

    status: int
    out: str
    err: str


class Origin(NamedTuple):
    """The tasks of one function, submitted at one line by one method: exact counts of both directions."""

    line: int
    method: str
    function: str
    tasks: int
    items: int
    results: int
    failed: int


@dataclass(frozen=True)
class Pool:
    """A pool as its parent recorded it."""

    segment: Segment
    record: Any
    origins: tuple[Origin, ...]

    @property
    def site(self) -> tuple[str, int, str]:
        """File, line and function that made it."""
        return self.segment.site(int(self.record["site"]))

    @property
    def initializer(self) -> str:
        """Name of the initialiser."""
        return self.segment.text(int(self.record["initializer"]))

    @property
    def sent(self) -> int:
        """Tasks written to the workers."""
        return sum(origin.tasks for origin in self.origins)

    @property
    def collected(self) -> int:
        """Results read from the workers."""
        return sum(origin.results for origin in self.origins)


class Recorded:
    """A run file: its records and its report."""

    def __init__(self, path: Path) -> None:
        """Read ``path``."""
        self.path = path
        self.trace: Trace = read_trace(str(path))

    @property
    def programs(self) -> list[Segment]:
        """The program's processes, without the supervisor."""
        return [segment for segment in self.trace.segments if segment.header.cause != "supervisor"]

    @cached_property
    def pools(self) -> list[Pool]:
        """All pools, by the line that made them."""
        found = [
            Pool(segment, record, _origins(segment, record["id"]))
            for segment in self.programs
            for record in segment.records("pool")
        ]
        return sorted(found, key=lambda pool: pool.site[:2])

    def pool(self, line: int) -> Pool:
        """The only pool made at this line."""
        (pool,) = (pool for pool in self.pools if pool.site[1] == line)
        return pool

    def workers(self, pool: Pool) -> list[Segment]:
        """The processes that read tasks from the pool's pipe."""
        channel = pool.record["channel"]
        return [segment for segment in self.programs if channel in segment.records("worked")["channel"]]

    def worked(self, pool: Pool, what: str) -> int:
        """The total of one live counter of the pool's workers."""
        return sum(int(segment.records("worked")[what].sum()) for segment in self.workers(pool))

    @property
    def faults(self) -> list[tuple[str, str]]:
        """What the probe itself says it could not record, and why."""
        return [
            (segment.text(int(loss["what"])), segment.text(int(loss["why"])))
            for segment in self.trace.segments
            for loss in segment.records("loss")
        ]

    @cached_property
    def report(self) -> dict[str, Any]:
        """The report as JSON."""
        said = subprocess.run(
            [sys.executable, "-m", "mpdiag", "report", str(self.path), "--format", "json"],
            capture_output=True, text=True, check=True, timeout=DEADLINE_S,
        )  # fmt: skip
        report: dict[str, Any] = json.loads(said.stdout)
        return report

    @property
    def losses(self) -> str:
        """What the report names as lost, one sentence a line."""
        return "\n".join(f"{loss['what']}: {loss['why']}" for loss in self.report["losses"])


def _origins(segment: Segment, pool: int) -> tuple[Origin, ...]:
    found = []
    for origin in segment.records("origin"):
        if origin["pool"] != pool:
            continue
        sent, collected = (
            table[table["origin"] == origin["id"]] for table in map(segment.records, ("sent", "collected"))
        )
        found.append(
            Origin(
                segment.site(int(origin["site"]))[1],
                segment.text(int(origin["method"])),
                segment.text(int(origin["function"])),
                int(sent["tasks"].sum()),
                int(sent["items"].sum()),
                int(collected["tasks"].sum()),
                int(collected["failed"].sum()),
            )
        )
    return tuple(sorted(found))


class Runner:
    """Runs programs of one interpreter in one directory."""

    def __init__(self, interpreter: str, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        """Run in ``directory`` (which becomes the current one), with ``environment`` added to this process's."""
        self.interpreter = interpreter
        self.directory = directory
        self.temporary, self.runs = directory / "temporary", directory / "runs"
        self.temporary.mkdir()
        self.runs.mkdir()
        self.environment = {**os.environ, "TMPDIR": str(self.temporary), **(environment or {})}
        self._count = 0

    def bare(self, *arguments: str, **options: Any) -> Outcome:  # noqa: ANN401 - subprocess.run's
        """Run without mpdiag."""
        return self._outcome([self.interpreter, *arguments], self.environment, options)

    def recorded(self, *arguments: str, flags: Iterable[str] = (), **options: Any) -> tuple[Outcome, Recorded]:  # noqa: ANN401
        """Run under ``mpdiag run`` with options ``flags``."""
        self._count += 1
        run_file = self.runs / f"{self._count}.mpdiag"
        mpdiag = [sys.executable, "-m", "mpdiag", "run", "--quiet", "-o", str(run_file), *flags, "--"]
        # mpdiag itself need not run from where its checkout is; the program must not find the checkout.
        outcome = self._outcome([*mpdiag, self.interpreter, *arguments], self.environment, options)
        assert run_file.is_file(), outcome
        return outcome, Recorded(run_file)

    def both(self, *arguments: str, flags: Iterable[str] = (), **options: Any) -> Recorded:  # noqa: ANN401
        """Run bare and under mpdiag; that nothing differs; what was recorded."""
        bare = self.bare(*arguments, **options)
        outcome, recorded = self.recorded(*arguments, flags=flags, **options)
        assert outcome == bare, f"with mpdiag {outcome}, bare {bare}"
        return recorded

    def _outcome(self, command: list[str], environment: Mapping[str, str], options: Mapping[str, Any]) -> Outcome:
        settings = {"cwd": self.directory, "env": environment, "timeout": DEADLINE_S, **options}
        if "input" not in settings:
            settings.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)
        return Outcome(done.returncode, ADDRESS.sub("~", done.stdout), ADDRESS.sub("~", done.stderr))


def marked(program: Path) -> dict[str, int]:
    """The lines of a program that end in a comment of one word, ``# word``: word to line number."""
    found = {}
    for number, line in enumerate(program.read_text(encoding="utf-8").splitlines(), start=1):
        mark = re.search(r"  # ([\w-]+)$", line)
        if mark:
            found[mark.group(1)] = number
    return found


def repeated(values: Iterable[Any]) -> dict[Any, int]:
    """How often each value occurs."""
    return dict(Counter(values))
