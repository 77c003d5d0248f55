"""The rule lock-contention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.change import Fewer
from mpdiag.model.talk import holder, life_s, pools_of, waiting
from mpdiag.wording import calls, numbers
from mpdiag.wording.written import object_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.run import Run, Site

WORTH_SAYING = 0.05
"""Waiting takes at least this share of the time of the processes that wait: less can hardly save 3 % of a run."""


class LockContention(Rule):
    """Processes that wait for each other's locks.

    What it means: a Lock, RLock or Semaphore, or the lock of a Value or an Array,
    is mostly held by another process when one wants it, so that they take turns
    where they should work side by side.

    Why it costs: while one holds the lock the others stand still; the more of the
    work is done inside, the nearer the program comes to doing one thing at a time.
    Hold it only for what is shared, or share less often: add up in a variable of
    the process's own, and take the lock once.

    Bad:

        for _ in range(13_000):
            with total.get_lock():
                total.value += experiment()

    Good:

        own = 0
        for _ in range(13_000):
            own += experiment()
        with total.get_lock():
            total.value += own
    """

    id = "lock-contention"
    needs = frozenset({"locks"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each line that waits for locks much of its time."""
        for site, indices in waiting(run).items():
            locks = [run.locks[index] for index in indices]
            life = life_s(run, {lock.process for lock in locks})
            if sum(lock.waited_s for lock in locks) >= WORTH_SAYING * life > 0:
                yield _finding(run, site, indices, life)


def _finding(run: Run, site: Site, indices: Sequence[int], life: float) -> Finding:
    locks = [run.locks[index] for index in indices]
    waited, contended = sum(lock.waited_s for lock in locks), sum(lock.contended for lock in locks)
    acquired = sum(lock.acquired for lock in locks)
    processes = {lock.process for lock in locks}
    who = holder(run, frozenset(lock.object for lock in locks))
    evidence = [
        Evidence("acquisitions", acquired, "count"),
        Evidence("that had to wait", contended, "count"),
        Evidence("waiting, each of them", waited / max(1, contended), "s"),
        Evidence("waiting, of these processes' time", waited / life, "share"),
        Evidence("processes that wait", len(processes), "count"),
    ]
    if who is not None:
        evidence.append(Evidence("held, each time", who.each_s, "s"))
        evidence.append(Evidence("mostly by", f"{calls.identifier(who.site.function, 'line')} {who.site.line}", "text"))
    return Finding(
        rule=LockContention.id,
        title=f"{'1 process waits' if len(processes) == 1 else f'{len(processes)} processes wait'} for a"
        f" {locks[0].kind} {numbers.share(waited / life)} of {'its' if len(processes) == 1 else 'their'} time:"
        f" {contended:,} of {acquired:,} acquisitions had to wait",
        site=site,
        evidence=tuple(evidence),
        fix=Fix(
            "do the work outside the lock, and take it once",
            (
                "Only reading and writing what is shared belongs inside.",
                "Where all must see each step, give every process a place of its own, and add these up when reading.",
            ),
            _snippet(site, locks[0].kind),
        ),
        change=Fewer(locks=tuple(indices)),
        confidence="medium",
        explains=("not-worth-it",),
        about=tuple(("pool", pool) for pool in pools_of(run, processes)),
    )


def _snippet(site: Site, kind: str) -> str:
    lock = object_at(site, frozenset({"acquire", "get_lock"})) or ("total" if kind == "Value lock" else "lock")
    taking, keeping = (f"{lock}.get_lock()", f"{lock}.value") if kind == "Value lock" else (lock, "shared")
    return "\n".join(
        (
            "own = 0",
            calls.beside("...", "the loop, adding to own, without the lock"),
            calls.beside(f"with {taking}:", "once, after it"),
            f"    {keeping} += own",
        )
    )
