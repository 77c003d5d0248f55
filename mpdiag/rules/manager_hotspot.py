"""The rule manager-hotspot."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.model.change import Fewer
from mpdiag.model.talk import calls_of_managers, life_s, pools_of, serving_s, spots, utilisation
from mpdiag.wording import calls, numbers
from mpdiag.wording.written import object_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.run import Run
    from mpdiag.model.talk import Spot

HOT = 100
"""Calls of one process from which a line is a loop: coordination (a flag, a result) takes a handful."""
WORTH_SAYING = 0.05
"""The calls take at least this share of their processes' time: less can hardly save 3 % of a run."""


class ManagerHotspot(Rule):
    """Objects of a manager used in a hot loop.

    What it means: a dict, list, Namespace or other object of a Manager lives in
    the manager's own process. Every use of it is a round trip: the arguments are
    pickled and sent, the manager does the work, the answer comes back. A loop
    does that for every item.

    Why it costs: a call takes 50 to 100 us where a dict of one's own takes less
    than one, and all processes queue up at the one manager, which answers one
    call at a time. Collect in the process, and tell the others once.

    Bad:

        def count(words, totals):
            for word in words:
                totals[word] = totals.get(word, 0) + 1

    Good:

        def count(words, totals):
            own = Counter(words)
            totals.update(own)
    """

    id = "manager-hotspot"
    needs = frozenset({"uses"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each line that calls a manager in a loop."""
        for spot in spots(run, calls_of_managers(run)):
            life = life_s(run, spot.processes)
            if spot.count >= HOT * len(spot.processes) and spot.blocked_s >= WORTH_SAYING * life > 0:
                yield _finding(run, spot, life)


def _finding(run: Run, spot: Spot, life: float) -> Finding:
    each, serving = spot.blocked_s / spot.count, serving_s(run, spot)
    methods = ", ".join(spot.operations)
    evidence = [
        Evidence("calls", spot.count, "count"),
        Evidence("methods", methods, "text"),
        Evidence("calling processes", len(spot.processes), "count"),
        Evidence("a call", each, "s"),
    ]
    if isfinite(serving):
        evidence.append(Evidence("of it, work of the manager", serving, "s"))
    if isfinite(busy := utilisation(run, spot)):
        evidence.append(Evidence("the manager works, of its time", min(1.0, busy), "share"))
    evidence += [
        Evidence("bytes of a call and its answer", spot.bytes / spot.count, "bytes"),
        Evidence("calling, of these processes' time", spot.blocked_s / life, "share"),
    ]
    pools = pools_of(run, spot.processes)
    return Finding(
        rule=ManagerHotspot.id,
        title=f"{spot.count:,} calls of a manager ({spot.kind}: {methods}), {numbers.seconds(each)} each:"
        f" {numbers.share(spot.blocked_s / life)} of the time of {len(spot.processes)}"
        f" process{'es' if len(spot.processes) > 1 else ''}",
        site=spot.site,
        evidence=tuple(evidence),
        fix=Fix(
            "collect in an object of the process's own, and tell the manager once",
            (
                "What other processes need to see only at the end can be a return value or one message of a queue.",
                "A counter that all must see at any time: a Value; a block of numbers: an Array or shared memory.",
            ),
            _snippet(spot, each),
        ),
        change=Fewer(spot.uses, share=len(spot.processes) / spot.count),
        explains=("not-worth-it",),
        about=tuple(("pool", pool) for pool in pools),
    )


def _snippet(spot: Spot, each: float) -> str:
    shared = object_at(spot.site, frozenset(spot.operations)) or "shared"
    name = calls.identifier(shared, "shared")
    if "append" in spot.operations or "extend" in spot.operations:
        start, once = "[]", f"{shared}.extend(own_{name})"
    else:
        start, once = "{}", f"{shared}.update(own_{name})"
    return "\n".join(
        (
            calls.beside(f"own_{name} = {start}", "before the loop: an object of this process"),
            calls.beside("...", f"in the loop, own_{name} for {shared}: {numbers.seconds(each)} less a call"),
            calls.beside(once, "after it: one call"),
        )
    )
