"""The rule oversized-result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import Finding, Fix, Rule
from mpdiag.model.burden import LARGE_BYTES, burdens
from mpdiag.model.sites import about_origins
from mpdiag.wording import calls, edits, numbers
from mpdiag.wording.payload import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.burden import Burden
    from mpdiag.model.payload import Load
    from mpdiag.model.run import Origin, Pool, Run

REDUCED_BYTES = 100
"""What comes back instead: a number, a count, a file's name."""


class OversizedResult(Rule):
    """Big results on their way back from the workers.

    What it means: the workers return large objects, and their way to the parent
    takes a good part of the time that making them took.

    Why it costs: a result is pickled in the worker, written through a pipe and
    unpickled by one thread of the parent. That thread does so for all workers, one
    result at a time, and shares the interpreter with the thread that feeds them; a
    worker whose result is not yet read waits, as all workers write into the same
    pipe.

    Bad:

        with Pool() as pool:
            prices = [payoff(paths) for paths in pool.starmap(simulate, settings)]

    Good:

        def price(*setting):
            return payoff(simulate(*setting))

        with Pool() as pool:
            prices = pool.starmap(price, settings)
    """

    id = "oversized-result"
    needs = frozenset({"tasks", "parts"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each call with heavy results."""
        for burden in burdens(run, "result", lambda load: load.item_bytes >= LARGE_BYTES):
            yield _finding(run, burden)


def _finding(run: Run, burden: Burden) -> Finding:
    main, items = burden.main, burden.items
    return Finding(
        rule=OversizedResult.id,
        title=f"results of {numbers.size(main.item_bytes)} for each item: carrying one takes"
        f" {numbers.seconds(burden.carry_s / items)}, making it {numbers.seconds(main.compute_s / items)}",
        site=burden.origin.site,
        evidence=facts(burden),
        fix=Fix(
            "return what the parent needs of the result, and not all of it",
            (
                "Do in the worker what the parent does with each result: sum, filter, aggregate, write to a file.",
                _where_all_is_needed(main),
            ),
            _snippet(burden.pool, burden.origin, main),
        ),
        change=burden.shed(left=REDUCED_BYTES),
        confidence="medium",
        explains=("not-worth-it",),
        about=about_origins(run, burden.parts[0].origins),
    )


def _where_all_is_needed(main: Load) -> str:
    if "ndarray" in main.type:
        return (
            "Where the parent needs all of it, let the workers write into a block of shared memory"
            " (multiprocessing.shared_memory) and return nothing."
        )
    return "Where the parent needs all of it, let the workers write files and return their names."


def _snippet(pool: Pool, origin: Origin, main: Load) -> str:
    function, taken = calls.function_name(origin), calls.parameters(pool, origin)
    called = calls.function_text(origin)
    stays = f"{numbers.size(main.item_bytes)} stay in the worker"
    moved = edits.using_results(pool, origin, f"{function}_reduced")
    if moved:
        return "\n".join(
            (
                f"def {function}_reduced({taken}):",
                calls.beside(f"    {moved.variable} = {called}({taken})", stays),
                f"    return {moved.expression}",
                "",
                calls.whole(moved.statement),
            )
        )
    return "\n".join(
        (
            f"def {function}_reduced({taken}):",
            calls.beside(f"    result = {called}({taken})", stays),
            calls.beside("    return ...", "what the parent makes of the result"),
            "",
            calls.same_call(pool, origin, f"{function}_reduced"),
        )
    )
