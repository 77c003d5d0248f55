"""The rule oversized-callable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import Finding, Fix, Rule
from mpdiag.model.burden import LARGE_BYTES, burdens
from mpdiag.model.sites import about_origins
from mpdiag.wording import calls, edits, numbers
from mpdiag.wording.payload import facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.burden import Burden
    from mpdiag.model.payload import Load
    from mpdiag.model.run import Origin, Pool, Run


class OversizedCallable(Rule):
    """A callable that carries state: a bound method's object, a partial's arguments.

    What it means: the function given to the pool is not a plain function. A bound
    method brings its whole object along, a partial its bound arguments, and every
    task, or chunk of tasks, carries all of that to a worker again.

    Why it costs: the state is pickled in the parent, written through a pipe and
    unpickled in the worker for every task. The parent does so for all workers, one
    task at a time, so that they wait for it; more workers do not help.

    Bad:

        shop = Shop(load_catalogue())
        with ProcessPoolExecutor() as executor:
            totals = list(executor.map(shop.price, orders, chunksize=200))

    Good:

        def start_worker(shop):
            global SHOP
            SHOP = shop

        def price(order):
            return SHOP.price(order)

        shop = Shop(load_catalogue())
        with ProcessPoolExecutor(
            initializer=start_worker, initargs=(shop,)
        ) as executor:
            totals = list(executor.map(price, orders, chunksize=200))
    """

    id = "oversized-callable"
    needs = frozenset({"tasks", "parts"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each call whose callable is heavy."""
        for burden in burdens(run, "callable", lambda load: load.message_bytes >= LARGE_BYTES):
            yield _finding(run, burden)


def _finding(run: Run, burden: Burden) -> Finding:
    pool, origin, tasks = burden.pool, burden.origin, burden.tasks
    name, each = burden.main.name, burden.task_bytes
    return Finding(
        rule=OversizedCallable.id,
        title=f"every task carries {name} along: {numbers.size(each)} in each of {tasks:,} messages",
        site=burden.origin.site,
        evidence=facts(burden),
        fix=Fix(
            f"send {name} once to each worker, through the initialiser, and give the pool a plain function",
            (
                "Define both functions at the top level of the module.",
                *_with_initializer(pool),
                "What the workers change in their copies stays in the worker, as it did before.",
            ),
            _snippet(pool, origin, burden.parts, tasks, each),
        ),
        change=burden.shed(once=each),
        explains=("repeated-payload", "not-worth-it"),
        about=about_origins(run, burden.parts[0].origins),
    )


def _with_initializer(pool: Pool) -> tuple[str, ...]:
    already = f"The pool has an initialiser already, {pool.initializer}: let it do this too."
    return (already,) if pool.initializer else ()


def _snippet(pool: Pool, origin: Origin, parts: Sequence[Load], tasks: int, each: float) -> str:
    function, owner = calls.function_name(origin), calls.class_name(origin)
    found, names = edits.callable_given(pool, origin), edits.taken_names(origin)
    if (found and not found.owner) or not all(load.name.startswith("self.") for load in parts):
        (kept, kept_global), invoked, plain = calls.constant("call", names), "", f"{function}_item"
        given = f"partial({function}, ...)"
    elif owner:
        (kept, kept_global), invoked, plain = calls.constant(owner, names), f".{function}", function
        given = kept
    else:
        (kept, kept_global), invoked, plain = calls.constant(function, names), "", f"call_{function.lower()}"
        given = kept
    if plain in names:
        plain = f"{plain}_item"
    body = edits.with_function(origin, plain) if found else None
    given = found.text if found else given
    taken = calls.parameters(pool, origin)
    return "\n".join(
        (
            calls.beside(f"def start_worker({kept}):", f"{numbers.size(each)} once in each of {pool.workers} workers"),
            f"    global {kept_global}",
            f"    {kept_global} = {kept}",
            "",
            calls.beside(f"def {plain}({taken}):", f"and in none of {tasks:,} messages"),
            f"    return {kept_global}{invoked}({taken})",
            "",
            calls.pooled(pool, origin, body, plain, initializer="start_worker", initargs=f"({given},)"),
        )
    )
