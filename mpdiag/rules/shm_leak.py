"""The rule shm-leak."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mpdiag.diagnosis import Evidence, Finding, Fix, Rule
from mpdiag.wording import calls, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mpdiag.model.run import Block, Run, Site

SCARCE_BYTES = 33_554_432
"""Half of what a container has in /dev/shm unless it is given more (Docker: 64 MB): so much may stop the program."""


class ShmLeak(Rule):
    """Shared memory that is never given back.

    What it means: a SharedMemory block is created and no process unlinks it before
    the program ends.

    Why it costs: a block lives on when the processes that use it are gone, until
    somebody unlinks it: the memory of the machine is less by it. In a container
    /dev/shm is small, and the program stops when it is full. Python's resource
    tracker unlinks what is left when the program ends, with a warning, and not
    where it was killed along with it.

    Bad:

        block = SharedMemory(create=True, size=size)
        results.append(pool.map(work, parts(block.name)))

    Good:

        block = SharedMemory(create=True, size=size)
        try:
            results.append(pool.map(work, parts(block.name)))
        finally:
            block.close()
            block.unlink()
    """

    id = "shm-leak"
    needs = frozenset({"blocks"})

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for each line whose blocks nobody unlinks."""
        if not run.meta.complete:
            return
        left: dict[str, Block] = {}
        for block in run.blocks:  # in the order of time: a name may be used again
            if block.action == "create":
                left[block.name] = block
            elif block.action == "unlink":
                left.pop(block.name, None)
        by_site: dict[Site, list[Block]] = defaultdict(list)
        for block in left.values():
            by_site[block.site].append(block)
        for site, leaked in by_site.items():
            yield _finding(run, site, leaked)


def _finding(run: Run, site: Site, leaked: Sequence[Block]) -> Finding:
    size = sum(block.size for block in leaked)
    names = {block.name for block in leaked}
    # What the interpreter closes when an object goes, no line of the program has closed.
    closed = {(block.process, block.name) for block in run.blocks if block.action == "close" and block.site.line}
    opened = [block for block in run.blocks if block.name in names and block.action in {"create", "attach"}]
    still = sum((block.process, block.name) not in closed for block in opened)
    many = len(leaked) > 1
    return Finding(
        rule=ShmLeak.id,
        title=f"{len(leaked):,} block{'s' if many else ''} of shared memory created here, {numbers.size(size)} in all,"
        f" {'are' if many else 'is'} never unlinked",
        site=site,
        evidence=(
            Evidence("blocks", len(leaked), "count"),
            Evidence("bytes of a block", size / len(leaked), "bytes"),
            Evidence("bytes in all", size, "bytes"),
            Evidence("never closed, where created or attached", still, "count"),
        ),
        fix=Fix(
            "close and unlink each block when all are done with it",
            (
                "Every process closes what it has opened; one of them, mostly the one that created it, unlinks it.",
                "One block that is written anew each time serves as well as many.",
            ),
            "\n".join(
                (
                    calls.beside("try:", "right after creating it"),
                    "    ...",
                    "finally:",
                    "    block.close()",
                    calls.beside("    block.unlink()", f"gives back {numbers.size(size / len(leaked))}"),
                )
            ),
        ),
        change=None,
        severity="medium" if size >= SCARCE_BYTES else "low",
    )
