"""The rule slow-startup."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.accounting import account
from mpdiag.model.change import QuickStart
from mpdiag.model.competition import slowdown
from mpdiag.model.sites import about_pools, pools_by_site
from mpdiag.wording import calls, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mpdiag.model.run import Pool, Run, Worker

SLOW_INITIALISER_S = 0.1
"""An initialiser that takes longer makes or loads something; seeding or keeping arguments takes milliseconds."""
SLOW_IMPORTS_S = 0.5
"""A spawned worker needs 30 to 130 ms for a small program and 70 to 220 ms more for numpy (measured on two machines):
what any numerical program pays. From here on there is something to take out."""
WORTH_SAYING = 0.05
"""Starting takes at least this share of the workers' time: less can hardly save 3 % of a run."""
BARE_S: Mapping[str, float] = {"fork": 0.003, "forkserver": 0.014, "spawn": 0.04}
"""Launch to first task of a worker that imports next to nothing: a program of ten lines, CPython 3.10 to 3.13."""
HEAVY_S = 0.01
"""An import from which it is worth naming: numpy takes 40 to 160 ms, most modules of the standard library 1 to 5 ms."""
NAMED = 3
"""Packages named, the longest ones."""
OTHERWISE_S = 0.04
"""The same for a start method that this list does not know: the dearest known."""


@dataclass(frozen=True, slots=True)
class _Start:
    """A typical worker's start, in seconds."""

    imports: float
    """Launch to being ready: the interpreter, the program's module, what came with the process object."""
    initialiser: float
    """From there to asking for the first task."""


class SlowStartup(Rule):
    """Workers that take long to start.

    What it means: before its first task, each worker is busy for long: with its
    initialiser, or with importing the program and its modules and unpickling what
    it is given (spawn and forkserver do that in every worker; fork inherits it).

    Why it costs: until then the worker does nothing useful, every worker does the
    same again, and if there are more workers than processors they do so in each
    other's way. What was made once in the parent, and is handed over, is not made
    again.

    Bad:

        def start_worker():
            global MODEL
            MODEL = train(load_mail())

        model = train(load_mail())
        with Pool(initializer=start_worker) as pool:
            spam = sum(pool.imap_unordered(count_spam, batches))

    Good:

        def start_worker(model):
            global MODEL
            MODEL = model

        model = train(load_mail())
        with Pool(initializer=start_worker, initargs=(model,)) as pool:
            spam = sum(pool.imap_unordered(count_spam, batches))
    """

    id = "slow-startup"
    needs = frozenset({"pools", "workers"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each line whose pools start slowly."""
        for pools in pools_by_site(run):
            start = _typical(run, pools)
            if start and _slow(start, slowdown(run, pools[0])) and _share(run, pools) >= WORTH_SAYING:
                yield _finding(run, pools, start)


def _slow(start: _Start, longer: float) -> bool:
    """Whether it is slow, and would be if everything did not take so many times longer on a busy machine."""
    return start.initialiser >= SLOW_INITIALISER_S * longer or start.imports >= SLOW_IMPORTS_S * longer


def _typical(run: Run, pools: Sequence[Pool]) -> _Start | None:
    """The typical start of these pools' workers; None where no worker was seen to start and ask for a task."""
    indices = {pool.index for pool in pools}
    stamps = [(w.launched, w.ready, w.first) for w in run.workers if w.pool in indices]
    known = [stamp for stamp in stamps if np.isfinite(stamp).all()]
    if not known:
        return None
    return _Start(
        median(max(0.0, ready - launched) for launched, ready, _ in known),
        median(max(0.0, first - ready) for _, ready, first in known),
    )


def _share(run: Run, pools: Sequence[Pool]) -> float:
    ledgers = [account(run).pools[pool.index] for pool in pools]
    total = sum(ledger.worker_seconds for ledger in ledgers)
    return sum(ledger.seconds["startup"] for ledger in ledgers) / total if total > 0 else 0.0


def _finding(run: Run, pools: Sequence[Pool], start: _Start) -> Finding:
    pool = pools[0]
    by_initialiser = start.initialiser / SLOW_INITIALISER_S >= start.imports / SLOW_IMPORTS_S
    bare = BARE_S.get(pool.method, OTHERWISE_S)
    remaining = max(start.imports, bare) if by_initialiser else bare + start.initialiser
    cause = (
        f"the initialiser takes {numbers.seconds(start.initialiser)}"
        if by_initialiser
        else f"imports and arguments take {numbers.seconds(start.imports)}"
    )
    total = start.imports + start.initialiser
    return Finding(
        rule=SlowStartup.id,
        title=f"each of {pool.workers * len(pools):,} workers needs {numbers.seconds(total)} to start: {cause}",
        site=pool.site,
        evidence=(
            Evidence("workers", pool.workers * len(pools), "count"),
            Evidence("usable processors", run.meta.cpus_usable, "count"),
            Evidence("start method", pool.method, "text"),
            Evidence("launch, imports and arguments", start.imports, "s"),
            *_breakdown(run, pools),
            Evidence(f"initialiser {pool.initializer}".rstrip(), start.initialiser, "s"),
            Evidence("starting, of the workers' time", _share(run, pools), "share"),
        ),
        fix=_initialiser_fix(pool, start) if by_initialiser else _imports_fix(run, pools),
        change=QuickStart(tuple(pool.index for pool in pools), remaining),
        confidence="medium",
        explains=("not-worth-it",),
        about=about_pools(run, pools),
    )


def _initialiser_fix(pool: Pool, start: _Start) -> Fix:
    name = calls.identifier(pool.initializer, "start_worker")
    snippet = (
        calls.beside(f"def {name}(prepared):", f"instead of {numbers.seconds(start.initialiser)} in each worker"),
        "    global PREPARED",
        "    PREPARED = prepared",
        "",
        calls.beside("prepared = ...", "made once, in the parent"),
        calls.block(calls.creation(pool, initializer=name, initargs="(prepared,)"), "..."),
    )
    return Fix(
        "make in the parent, once, what the initialiser makes, and hand it over",
        (
            "This saves all of it where the parent has it already; otherwise the parent now takes its time once.",
            "If it is large, hand over a file's name or shared memory; under fork a module's global is inherited.",
            "If few tasks need it, make it when the first of them asks (functools.cache).",
        ),
        "\n".join(snippet),
    )


def _breakdown(run: Run, pools: Sequence[Pool]) -> Iterator[Evidence]:
    """What a typical spawned worker's launch consists of: interpreter, the program's module, its longest imports."""
    workers = [worker for worker in _workers(run, pools) if worker.process in run.mains]
    began = [(w.launched, run.mains[w.process], w.ready) for w in workers]
    known = [stamps for stamps in began if np.isfinite(stamps).all()]
    if known:
        yield Evidence("of it, until the program is imported", median(at - launched for launched, at, _ in known), "s")
        yield Evidence("importing the program, and unpickling", median(ready - at for _, at, ready in known), "s")
    for name, seconds in heaviest(run, pools):
        yield Evidence(f"import {name}", seconds, "s")


def _workers(run: Run, pools: Sequence[Pool]) -> list[Worker]:
    indices = {pool.index for pool in pools}
    return [worker for worker in run.workers if worker.pool in indices]


def heaviest(run: Run, pools: Sequence[Pool]) -> list[tuple[str, float]]:
    """The packages that these pools' workers took longest to import, and how long (s, median), the longest first."""
    processes = {worker.process for worker in _workers(run, pools)}
    spent: dict[str, dict[int, float]] = {}
    for one in run.imports:
        if one.process in processes and one.seconds >= HEAVY_S:
            by_process = spent.setdefault(one.module.partition(".")[0], {})
            # A package contains what its modules take.
            by_process[one.process] = max(one.seconds, by_process.get(one.process, 0.0))
    typical = [(name, median(seconds.values())) for name, seconds in spent.items()]
    return sorted(typical, key=lambda pair: -pair[1])[:NAMED]


def _imports_fix(run: Run, pools: Sequence[Pool]) -> Fix:
    pool = pools[0]
    heavy = ", ".join(f'"{name}"' for name, _ in heaviest(run, pools) if name.isidentifier()) or "..."
    if pool.method == "fork":
        return Fix(
            "start the pool early, before the parent is large",
            ("A fork copies the page tables of all the parent's memory: make the pool before the data is loaded.",),
            calls.block(calls.creation(pool), "..."),
        )
    snippet = (
        "import multiprocessing",
        "",
        'context = multiprocessing.get_context("forkserver")',
        calls.beside(f"context.set_forkserver_preload([{heavy}])", "imported once for all workers"),
        *(
            ("with context.Pool(...) as pool:",)
            if pool.kind == "Pool"
            else ("with ProcessPoolExecutor(..., mp_context=context) as executor:",)
        ),
        "    ...",
    )
    return Fix(
        "import less in the workers, or import it once for all",
        (
            'Move work at the top level of the program under if __name__ == "__main__": every worker runs it.',
            "Import heavy modules in the functions that use them, if the workers do not.",
            "Look at initargs: what is in them is pickled and unpickled for every worker.",
        ),
        "\n".join(snippet),
    )
