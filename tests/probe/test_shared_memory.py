"""Shared memory blocks: each made, attached, closed and unlinked is recorded, and failures are the program's own."""

import traceback
from multiprocessing import shared_memory
from multiprocessing.shared_memory import ShareableList, SharedMemory
from typing import Any

import pytest

from mpdiag.probe.runtimes import shared_memory as runtime


@pytest.fixture
def blocks(books):
    """The books of a session that has patched the library; undone afterwards."""
    runtime.install(shared_memory, books.session)
    yield books
    books.session.patches.undo()
    assert books.session.faults == {}


def recorded(books):
    text = books.text
    return [(text(entry["name"]), text(entry["action"]), entry["size"]) for entry in books.records("memory")]


def test_a_blocks_life(blocks):
    block = SharedMemory(create=True, size=100)
    other = SharedMemory(block.name)
    other.close()
    other.close()
    block.close()
    block.unlink()
    assert [action for _, action, _ in recorded(blocks)] == ["create", "attach", "close", "close", "unlink"]
    assert {(name, size) for name, _, size in recorded(blocks)} == {(block.name, block.size)}
    assert all(entry["site"] for entry in blocks.records("memory"))
    times = [entry["t"] for entry in blocks.records("memory")]
    assert times == sorted(times)


def test_a_list_is_a_block(blocks):
    shared = ShareableList([1, 2, 3])
    assert ShareableList[int](name=shared.shm.name)[1] == 2
    shared.shm.close()
    shared.shm.unlink()
    assert [action for _, action, _ in recorded(blocks)] == ["create", "attach", "close", "close", "unlink"]


def test_what_nobody_closes_is_closed_at_no_line(blocks):
    block = SharedMemory(create=True, size=1)
    block.unlink()
    del block
    assert [action for _, action, _ in recorded(blocks)] == ["create", "unlink", "close"]
    assert blocks.records("memory")[-1]["site"] == 0


def test_constructors_that_fail_show_no_frame_of_ours(blocks):
    block = SharedMemory(create=True, size=1)
    for wrong in ({"name": "mpdiag-no-such"}, {"name": block.name, "create": True, "size": 1}, {}):
        with pytest.raises((OSError, ValueError)) as caught:
            SharedMemory(**wrong)
        assert runtime.__file__ not in "".join(traceback.format_tb(caught.tb))
    block.close()
    block.unlink()
    with pytest.raises(FileNotFoundError):
        block.unlink()
    assert [action for _, action, _ in recorded(blocks)] == ["create", "close", "unlink"]


def test_a_block_with_views_on_it_is_not_closed(blocks):
    block: Any = SharedMemory(create=True, size=10)
    view = block.buf[:5]
    with pytest.raises(BufferError):
        block.close()
    view.release()
    block.close()
    block.unlink()
    assert [action for _, action, _ in recorded(blocks)] == ["create", "close", "unlink"]


def test_there_is_an_end_to_it(blocks, monkeypatch):
    monkeypatch.setattr(runtime, "MOST", 3)
    for _ in range(6):
        block = SharedMemory(create=True, size=1)
        block.close()
        block.unlink()
    actions = [action for _, action, _ in recorded(blocks)]
    assert {action: actions.count(action) for action in actions} == {"create": 3, "close": 3, "unlink": 3}
    assert len(blocks.records("loss")) == 3


def test_undone_all_is_as_before(books):
    before = dict(vars(SharedMemory))
    runtime.install(shared_memory, books.session)
    assert SharedMemory.close is not before["close"]
    books.session.patches.undo()
    assert dict(vars(SharedMemory)) == before
    assert vars(shared_memory)["memoryview"] is memoryview
