"""What a large message is made of: no part is given bytes that nobody has seen in it."""

from collections import UserList

import pytest

from mpdiag.probe import parts

SIZE = 2_000_000
COLUMNS = [f"column {number}" for number in range(40)]


class Slotted:
    __slots__ = ("content",)

    def __call__(self, item):
        return item


def count(columns, blob):
    return columns, blob


def written(books, call, payload=SIZE):
    """(name, bytes, effort) of the parts recorded of a message, and the bytes of each role."""
    pieces = [*parts.captured(call.function), *parts.arguments(call)]
    ledger = parts.Ledger(books.recorder)
    totals = ledger.write(pieces, 20.0, payload, (1, 0, 0), len(call.batch), whole=parts.complete(call))
    return [(books.text(part["name"]), part["bytes"], part["effort"]) for part in books.records("part")], totals


def test_what_nobody_can_see_is_the_opaque_parts(books):
    ((name, size, effort),), totals = written(books, parts.Call(count, [(COLUMNS, Slotted())], {}, starred=True))
    assert (name, size, effort) == ("blob", pytest.approx(SIZE, rel=0.01), pytest.approx(1e6, rel=0.01))
    assert totals["argument"] == pytest.approx(SIZE, rel=0.01)


def test_beside_a_seen_part_an_opaque_one_has_the_rest(books):
    seen = b"x" * (SIZE // 4)
    (first, second), _ = written(books, parts.Call(count, [(seen, Slotted())], {}, starred=True))
    assert first[1:] == (pytest.approx(SIZE / 4, rel=0.01), pytest.approx(0.25e6, rel=0.01))
    assert second[1:] == (pytest.approx(SIZE * 3 / 4, rel=0.01), pytest.approx(0.75e6, rel=0.01))


def test_an_error_of_the_estimate_is_not_the_opaque_parts(books):
    seen = b"x" * int(SIZE * 0.8)
    ((name, size, _),), _ = written(books, parts.Call(count, [(seen, Slotted())], {}, starred=True))
    assert (name, size) == ("columns", pytest.approx(SIZE, rel=0.01))


@pytest.mark.parametrize(
    "call",
    [
        parts.Call(count, [UserList([COLUMNS, b"x" * SIZE])], {"columns": COLUMNS}, starred=True),
        parts.Call(count, [(COLUMNS,), (COLUMNS, b"x" * SIZE)], {}, starred=True),
        parts.Call(Slotted(), [COLUMNS], {}, starred=False),
        parts.Call(Slotted().__call__, [COLUMNS], {}, starred=False),
        parts.Call([].append, [COLUMNS], {}, starred=False),
    ],
    ids=["rows of its own", "rows of several lengths", "slotted instance", "method of one", "method of a list"],
)
def test_what_was_not_looked_into_is_nobodys(books, call):
    found, totals = written(books, call)
    assert found == []
    assert totals["argument"] < SIZE / 1000


@pytest.mark.parametrize("called", [count, len, str.upper, Slotted])
def test_what_was_looked_into_has_it_all(books, called):
    ((_, size, effort),), _ = written(books, parts.Call(called, [COLUMNS], {}, starred=False))
    assert (size, effort) == (pytest.approx(SIZE, rel=0.1), 1e6)
