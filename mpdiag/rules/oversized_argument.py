"""The rule oversized-argument."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from mpdiag.diagnosis import Finding, Fix, Rule
from mpdiag.model.change import Shed
from mpdiag.model.payload import loads
from mpdiag.model.sites import about_origins
from mpdiag.wording import calls, numbers
from mpdiag.wording.payload import facts, heaviest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpdiag.model.payload import Load
    from mpdiag.model.run import Origin, Pool, Run

LARGE_BYTES = 16_384
"""An item's argument from this size on: below, its message costs more (30-60 us in a Pool, measured with tasks that do
nothing) than these bytes at 2-4 ns each for pickling, transfer and unpickling."""
MOSTLY = 0.5
"""From this share of messages that carry what was sent before, repeated-payload speaks."""
WORTH_SAYING = 0.1
"""Carrying takes at least this share of carrying and computing: less can hardly save 3 % of a run, and is not said."""
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
        heavy = [
            load
            for load in loads(run)
            if load.role == "argument" and load.item_bytes >= LARGE_BYTES and load.repeats < MOSTLY
        ]
        for origins, group in groupby(heavy, key=lambda load: load.origins):
            parts = list(group)
            # A damaged trace may tell of tasks without items.
            counted = any(run.origins[index].items for index in origins)
            if counted and sum(load.share for load in parts) >= WORTH_SAYING:
                yield _finding(run, origins, parts)


def _finding(run: Run, origins: tuple[int, ...], parts: list[Load]) -> Finding:
    origin = max((run.origins[index] for index in origins), key=lambda origin: origin.tasks)
    pool = run.pools[origin.pool]
    tasks = sum(run.origins[index].tasks for index in origins)
    items = sum(run.origins[index].items for index in origins)
    each = sum(load.task_bytes for load in parts)
    carry = sum(load.carry_s for load in parts)
    main = heaviest(parts)
    return Finding(
        rule=OversizedArgument.id,
        title=f"{main.name} of {numbers.size(main.item_bytes)} for each item: carrying it takes"
        f" {numbers.seconds(carry / items)}, the work on it {numbers.seconds(main.compute_s / items)}",
        site=origin.site,
        evidence=facts(parts, tasks),
        fix=_fix(pool, origin, main),
        change=Shed(origin.index, "argument", max(0.0, each - NAME_BYTES * items / tasks)),
        confidence="medium",
        explains=("not-worth-it",),
        about=about_origins(run, origins),
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
    read = "file.read()" if main.type in {"bytes", "str"} else "load(file)"
    mode = ', "rb"' if main.type != "str" else ""
    return "\n".join(
        (
            calls.beside(f"def {function}_file(path):", f"a path instead of {numbers.size(main.item_bytes)}"),
            f"    with open(path{mode}) as file:",
            f"        return {function}({read})",
            "",
            calls.same_call(pool, origin, f"{function}_file"),
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
            f"    return {function}({kept}[index])",
            "",
            calls.creation(pool, "initializer=start_worker, initargs=(block.name, shape, dtype)"),
            f"    {calls.same_call(pool, origin, f'{function}_at')}",
        )
    )
