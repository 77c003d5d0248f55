"""The rule process-churn."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.change import Reuse
from mpdiag.model.regions import length
from mpdiag.model.stages import started
from mpdiag.wording import calls, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.run import Run, Site
    from mpdiag.model.stages import Stage

FEWEST = 8
"""Processes that one line starts: fewer may be one for each part of a program, or for each processor."""
SHORT_S = 2.0
"""A process that lives longer is worth its start, which takes 1 to 3 ms by fork and 30 to 130 ms by spawn."""
UNDERUSED = 0.75
"""Fewer at a time than this share of the usable processors leave processors idle: one of two, two of four."""
WORTH_SAYING = 0.05
"""The share of starting in the processes' lives, at least, where they use the processors."""


class ProcessChurn(Rule):
    """A process started for every little piece of work.

    What it means: a loop starts a Process for each item, which does it and ends.

    Why it costs: every start copies the page tables of its parent (fork) or starts
    an interpreter and imports the program anew (spawn, forkserver), and its end is
    waited for: milliseconds to tenths of a second each. Where each is joined before
    the next one starts, only one works at a time, too. A few processes that last
    take item after item.

    Bad:

        for row in range(140):
            process = Process(target=count_row, args=(row, counts))
            process.start()
            process.join()

    Good:

        with Pool() as pool:
            counts = pool.map(count_row, range(140))
    """

    id = "process-churn"
    needs = frozenset({"processes"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each line that starts short-lived processes again and again."""
        by_site: dict[Site, list[Stage]] = defaultdict(list)
        for stage in started(run):
            site = run.processes[stage.process].site
            if site is not None:
                by_site[site].append(stage)
        for site, lives in by_site.items():
            spent = sum(stage.end - stage.begin for stage in lives)
            starting = sum(stage.seconds["startup"] for stage in lives)
            if len(lives) >= FEWEST and spent < SHORT_S * len(lives) and spent > 0:
                at_once = spent / max(1e-9, length((stage.begin, stage.end) for stage in lives))
                if at_once > len(lives) / 2:
                    continue  # side by side, nearly all of them: there is nothing to reuse
                if starting >= WORTH_SAYING * spent or at_once < UNDERUSED * run.meta.cpus_usable:
                    yield _finding(run, site, lives, at_once)


def _finding(run: Run, site: Site, lives: Sequence[Stage], at_once: float) -> Finding:
    count = len(lives)
    spent = sum(stage.end - stage.begin for stage in lives)
    starting = sum(stage.seconds["startup"] for stage in lives)
    lasting = min(count, max(run.meta.cpus_usable, round(at_once)))
    return Finding(
        rule=ProcessChurn.id,
        title=f"{count:,} processes started here, each for {numbers.seconds(spent / count)}: starting takes"
        f" {numbers.share(starting / spent)} of their time",
        site=site,
        evidence=(
            Evidence("processes", count, "count"),
            Evidence("at a time", at_once, "ratio"),
            Evidence("usable processors", run.meta.cpus_usable, "count"),
            Evidence("start method", run.processes[lives[0].process].method, "text"),
            Evidence("starting one", starting / count, "s"),
            Evidence("living, of one", spent / count, "s"),
        ),
        fix=Fix(
            f"let {lasting} processes that last do all {count:,} pieces",
            (
                "A pool returns results, too: no queue or shared array is needed for them.",
                "What every process is to be given once belongs into the pool's initializer.",
            ),
            "\n".join(
                (
                    calls.beside(f"with multiprocessing.Pool({lasting}) as pool:", f"instead of {count:,} starts"),
                    "    results = pool.map(function, items)",
                )
            ),
        ),
        change=Reuse(tuple(stage.process for stage in lives), lasting),
    )
