from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from mpdiag.model.run import Block
from mpdiag.rules.shm_leak import SCARCE_BYTES, ShmLeak
from tests.model.talking import BLOCK_HERE, leak


def found(run):
    return list(ShmLeak().check(run))


def test_blocks_that_nobody_unlinks():
    (finding,) = found(leak(closed=5))

    assert finding.title == "20 blocks of shared memory created here, 48 MB in all, are never unlinked"
    assert finding.site == BLOCK_HERE
    assert finding.change is None, "it costs memory, not time"
    assert {fact.label: fact.value for fact in finding.evidence} == {
        "blocks": 20,
        "bytes of a block": 2_400_000,
        "bytes in all": 48_000_000,
        "never closed, where created or attached": 15,
    }
    ast.parse(finding.fix.snippet)
    assert "gives back 2.4 MB" in finding.fix.snippet


def test_one_block_is_one():
    (finding,) = found(leak(1))
    assert finding.title == "1 block of shared memory created here, 2.4 MB in all, is never unlinked"


@pytest.mark.parametrize(
    ("size", "severity"), [(SCARCE_BYTES, "medium"), (SCARCE_BYTES - 1, "low"), (1, "low"), (0, "low")]
)
def test_scarce_memory_weighs_more(size, severity):
    (finding,) = found(leak(1, size=size))
    assert finding.severity == severity


@pytest.mark.parametrize(("unlinked", "left"), [(0, 20), (19, 1)])
def test_only_what_is_left_counts(unlinked, left):
    (finding,) = found(leak(unlinked=unlinked))
    assert finding.title.startswith(f"{left} block")


def test_unlinked_blocks_are_no_leak_closed_or_not():
    assert found(leak(unlinked=20)) == []


def test_another_process_may_unlink():
    run = leak(1)
    assert found(replace(run, blocks=(*run.blocks, Block(3, 2.0, run.blocks[0].name, "unlink", 0, BLOCK_HERE)))) == []


def test_attached_blocks_of_others_are_not_ours():
    run = leak(1)
    assert found(replace(run, blocks=tuple(replace(block, action="attach") for block in run.blocks))) == []


def test_name_that_is_used_again_is_another_block():
    (created,) = leak(1).blocks
    blocks = [replace(created, t=t, action=action) for t, action in ((0.1, "create"), (0.2, "unlink"), (0.3, "create"))]
    (finding,) = found(replace(leak(1), blocks=tuple(blocks)))
    assert finding.title.startswith("1 block ")
    assert found(replace(leak(1), blocks=(*blocks, replace(created, t=0.4, action="unlink")))) == []


def test_program_that_still_runs_may_yet_unlink():
    run = leak()
    assert found(replace(run, meta=replace(run.meta, complete=False))) == []


def test_every_line_is_a_finding_of_its_own():
    run = leak(2)
    first, second = run.blocks
    elsewhere = replace(second, site=replace(BLOCK_HERE, line=99))
    assert [finding.site.line for finding in found(replace(run, blocks=(first, elsewhere)))] == [BLOCK_HERE.line, 99]
