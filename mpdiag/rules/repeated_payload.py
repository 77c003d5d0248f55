"""The rule repeated-payload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpdiag.diagnosis import Finding, Fix, Rule
from mpdiag.model.burden import LARGE_BYTES, burdens, repeats_itself
from mpdiag.model.sites import about_origins
from mpdiag.wording import calls, edits, numbers
from mpdiag.wording.payload import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.burden import Burden
    from mpdiag.model.payload import Load
    from mpdiag.model.run import Origin, Pool, Run


class RepeatedPayload(Rule):
    """The same argument is sent to the workers again and again.

    What it means: one of the arguments, or a large part of them, has the same
    content in most tasks: a table, a model, an archive that every task needs and
    none changes.

    Why it costs: a pool remembers nothing between tasks. The argument is pickled,
    sent and unpickled for every task as if it were new, and the parent does its
    part of that for all workers, one task at a time. A worker that got it when it
    started has it for all its tasks.

    Bad:

        with ProcessPoolExecutor() as executor:
            for query in queries:
                executor.submit(most_similar, query, archive)

    Good:

        def start_worker(archive):
            global ARCHIVE
            ARCHIVE = archive

        def look_up(query):
            return most_similar(query, ARCHIVE)

        with ProcessPoolExecutor(
            initializer=start_worker, initargs=(archive,)
        ) as executor:
            for query in queries:
                executor.submit(look_up, query)
    """

    id = "repeated-payload"
    needs = frozenset({"tasks", "parts"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each call that repeats a heavy argument."""
        for burden in burdens(run, "argument", lambda load: load.message_bytes >= LARGE_BYTES and repeats_itself(load)):
            yield _finding(run, burden)


def _finding(run: Run, burden: Burden) -> Finding:
    pool, main = burden.pool, burden.main
    # Equal samples make equal content likely, no more: whoever acts on it must look first.
    sampled = any(load.sampled for load in burden.parts)
    same = "what looks like the same" if sampled else "the same"
    already = f"The pool has an initialiser already, {pool.initializer}: let it do this too."
    return Finding(
        rule=RepeatedPayload.id,
        title=f"{same} {main.name} of {numbers.size(main.message_bytes)} goes out with {main.messages:,.0f} tasks,"
        " again and again",
        site=burden.origin.site,
        evidence=facts(burden),
        fix=Fix(
            f"send {main.name} once to each worker, through the initialiser",
            (
                "Define both functions at the top level of the module.",
                *((already,) if pool.initializer else ()),
                *(
                    (f"Make sure that {main.name} really is the same: only samples of it were compared.",)
                    if sampled
                    else ()
                ),
                f"Where {main.name} differs from task to task but comes back often, send its key and keep them all.",
            ),
            _snippet(pool, burden.origin, main, burden.task_bytes),
        ),
        confidence="low" if sampled else "high",
        change=burden.shed(once=sum(load.message_bytes for load in burden.parts)),
        explains=("oversized-argument", "not-worth-it"),
        about=about_origins(run, burden.parts[0].origins),
    )


def _snippet(pool: Pool, origin: Origin, main: Load, each: float) -> str:
    function, taken = calls.function_name(origin), calls.parameters(pool, origin)
    kept, kept_global = calls.constant(main.name, edits.taken_names(origin))
    passed = [taken, kept_global if main.name != kept else f"{kept}={kept_global}"]
    plain = f"{function}_kept"
    found = edits.without_argument(pool, origin, main.name, plain)
    if found:
        taken, passed = ", ".join(found.parameters), list(found.parameters)
        passed.insert(found.place, kept_global)
    given, body = (found.given, found.statement) if found else (kept, None)
    return "\n".join(
        (
            calls.beside(f"def start_worker({kept}):", f"once in each of {pool.workers} workers"),
            f"    global {kept_global}",
            f"    {kept_global} = {kept}",
            "",
            calls.beside(f"def {plain}({taken}):", f"called with what is left: {numbers.size(each)} less a task"),
            f"    return {calls.function_text(origin)}({', '.join(passed)})",
            "",
            calls.pooled(pool, origin, body, plain, initializer="start_worker", initargs=f"({given},)"),
        )
    )
