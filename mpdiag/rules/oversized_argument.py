"""The rule oversized-argument."""

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

NAME_BYTES = 100
"""What goes out instead: a path, a key or an index."""


class OversizedArgument(Rule):
    """Big arguments on their way to the workers.

    What it means: the tasks bring their data along, and the data is large: the
    content of a file, an image, a table. Its way to the worker takes a good part of
    the time that the worker then needs for it.

    Why it costs: every byte is copied when it is pickled, written to a pipe in
    pieces of 64 KiB, read, and unpickled: 2 to 4 ns a byte in all for arrays, far
    more for lists and dicts of small objects. The parent does its part for all
    workers, one task at a time. A worker that is told where the data is gets it
    without the parent.

    Bad:

        with Pool() as pool:
            for digest in pool.imap(pack, map(Path.read_bytes, paths)):
                print(digest)

    Good:

        def pack_file(path):
            return pack(path.read_bytes())

        with Pool() as pool:
            for digest in pool.imap(pack_file, paths):
                print(digest)
    """

    id = "oversized-argument"
    needs = frozenset({"tasks", "parts"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each call with heavy arguments."""
        for burden in burdens(
            run, "argument", lambda load: load.item_bytes >= LARGE_BYTES and not repeats_itself(load)
        ):
            yield _finding(run, burden)


def _finding(run: Run, burden: Burden) -> Finding:
    main, items = burden.main, burden.items
    return Finding(
        rule=OversizedArgument.id,
        title=f"{main.name} of {numbers.size(main.item_bytes)} for each item: carrying it takes"
        f" {numbers.seconds(burden.carry_s / items)}, the work on it {numbers.seconds(main.compute_s / items)}",
        site=burden.origin.site,
        evidence=facts(burden),
        fix=_fix(burden.pool, burden.origin, main),
        change=burden.shed(left=NAME_BYTES, made_there="ndarray" not in main.type),
        confidence="medium",
        explains=("not-worth-it",),
        about=about_origins(run, burden.parts[0].origins),
    )


def _fix(pool: Pool, origin: Origin, main: Load) -> Fix:
    if "ndarray" in main.type:
        return Fix(
            f"put {main.name} into shared memory and send an index",
            (
                "Copy the data into the block once, before the pool is made; unlink the block when the pool is done.",
                "If the arrays come from files, send paths, or open one in every worker with numpy.load and mmap_mode.",
            ),
            _shared(pool, origin, main),
        )
    return Fix(
        f"send what {main.name} is made from, and make it in the worker",
        (
            "If it is read from a file, send the path; from a database, the key; if it is a slice, its bounds.",
            "Send only the fields and rows that the function uses.",
        ),
        _from_source(pool, origin, main),
    )


def _from_source(pool: Pool, origin: Origin, main: Load) -> str:
    function = calls.function_name(origin)
    called, size = calls.function_text(origin), numbers.size(main.item_bytes)
    moved = edits.making_items(pool, origin, f"{function}_made")
    if moved:
        return "\n".join(
            (
                f"def {function}_made({moved.variable}):",
                calls.beside(f"    return {called}({moved.expression})", f"{size} made here, not sent"),
                "",
                calls.whole(moved.statement),
            )
        )
    read = "file.read()" if main.type in {"bytes", "str"} else "load(file)"
    mode = ', "rb"' if main.type != "str" else ""
    return "\n".join(
        (
            calls.beside(f"def {function}_file(path):", f"a path instead of {size}"),
            f"    with open(path{mode}) as file:",
            f"        return {called}({read})",
            "",
            calls.call(pool, origin, f"{function}_file"),
        )
    )


def _shared(pool: Pool, origin: Origin, main: Load) -> str:
    function = calls.function_name(origin)
    _, kept = calls.constant(main.name)
    return "\n".join(
        (
            "def start_worker(name, shape, dtype):",
            f"    global BLOCK, {kept}",
            "    BLOCK = shared_memory.SharedMemory(name)",
            f"    {kept} = numpy.ndarray(shape, dtype, BLOCK.buf)",
            "",
            calls.beside(f"def {function}_at(index):", f"a number instead of {numbers.size(main.item_bytes)}"),
            f"    return {calls.function_text(origin)}({kept}[index])",
            "",
            calls.pooled(
                pool,
                origin,
                None,
                f"{function}_at",
                initializer="start_worker",
                initargs="(block.name, shape, dtype)",
            ),
        )
    )
