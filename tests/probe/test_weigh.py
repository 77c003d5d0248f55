import array
import pickle
from collections import Counter, OrderedDict, defaultdict, deque
from typing import NamedTuple

import numpy as np
import pytest

from mpdiag.probe.function import state
from mpdiag.probe.weigh import NODES, Weigher


class Plain:
    def __init__(self, **state):
        self.__dict__.update(state)


VALUES = {
    "integers": list(range(10_000)),
    "floats": [number / 7 for number in range(5000)],
    "strings": [f"name {number}" for number in range(3000)],
    "unicode": ["żółć" * 20 for _ in range(1)],
    "rows": [(number, f"row {number}", number / 3) for number in range(2000)],
    "mapping": {f"key {number}": number for number in range(5000)},
    "nested": {"a": [[1.5] * 100 for _ in range(50)], "b": {"c": ("x", "y")}},
    "bytes": b"x" * 100_000,
    "array": array.array("d", range(10_000)),
    "matrix": np.arange(90_000.0).reshape(300, 300),
    "instance": Plain(table=list(range(3000)), name="n"),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_estimate_is_near_the_pickled_size(name):
    value = VALUES[name]
    pickled = len(pickle.dumps(value, protocol=4))
    assert Weigher(value).size == pytest.approx(pickled, rel=0.35)


@pytest.mark.parametrize("name", VALUES)
def test_equal_content_has_an_equal_digest(name):
    value = VALUES[name]
    again = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
    assert Weigher(value).digest == Weigher(again).digest != 0


def test_other_content_has_another_digest():
    matrix = np.arange(90_000.0)
    assert Weigher(matrix).digest != Weigher(matrix + 1).digest
    assert Weigher(list(range(100))).digest != Weigher(list(range(1, 101))).digest


def test_a_cycle_and_a_deep_nest_end():
    cycle = []
    cycle.append(cycle)
    deep = []
    for _ in range(1000):
        deep = [deep]
    wide = [[number] for number in range(100 * NODES)]
    for value in (cycle, deep, wide):
        assert Weigher(value).size > 0


def test_no_code_of_the_program_runs():
    class Hostile:
        def __getattribute__(self, name):
            raise AssertionError(name)

        def __hash__(self):
            raise AssertionError

        def __len__(self):
            raise AssertionError

        def __reduce__(self):
            raise AssertionError

    class Text(str):
        __slots__ = ()

        def __hash__(self):
            raise AssertionError

    assert Weigher([Hostile(), Text("x"), {Plain(): Hostile}]).size > 0


def test_an_array_of_objects_and_a_strided_one_are_weighed_without_a_digest_of_their_bytes():
    assert Weigher(np.array([object()] * 10)).digest == 0
    assert Weigher(np.zeros((100, 100))[:, ::2]).size == pytest.approx(100 * 50 * 8, rel=0.01)


@pytest.mark.parametrize("value", [bytearray(b"x" * 10_000), array.array("d", range(1000))], ids=["bytes", "array"])
def test_what_is_weighed_can_be_resized_meanwhile(value, monkeypatch):
    # GIVEN another thread that resizes the value between any two steps
    mix = Weigher._mix

    def resize(self, number):
        value.extend(value[:1])
        mix(self, number)

    monkeypatch.setattr(Weigher, "_mix", resize)

    assert Weigher(value).size > 0


def test_a_long_string_is_not_hashed_as_a_whole():
    long = "x" * 100_000
    other = long[:50_000] + "y" * 100 + long[50_100:]
    assert Weigher(long).digest == Weigher("x" * 100_000).digest
    assert Weigher(long).digest != Weigher(long + "x").digest
    assert Weigher(other).size == Weigher(long).size


@pytest.mark.parametrize(
    ("dear", "cheap"),
    [
        ([str(number) for number in range(10_000)], "x" * 49_000),
        ({number: (number, "x") for number in range(1_000)}, list(range(1_000))),
        ([Plain() for _ in range(1_000)], [None] * 1_000),
    ],
    ids=["strings", "dict", "instances"],
)
def test_effort_tells_many_objects_from_many_bytes(dear, cheap):
    assert Weigher(dear).effort > 3 * Weigher(cheap).effort


def test_effort_is_in_proportion():
    assert Weigher(list(range(100_000))).effort == pytest.approx(10 * Weigher(list(range(10_000))).effort, rel=0.05)


class Slotted:
    __slots__ = ("content",)

    def __init__(self, content):
        self.content = content


class Table(dict):
    pass


class Row(NamedTuple):
    number: int
    text: str


def table(content):
    made = Table(content)
    made.__dict__["name"] = "table"
    return made


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Slotted("one"), Slotted("other")),
        (Plain(inner=Slotted("one")), Plain(inner=Slotted("other"))),
        ([1, {"k": deque([1])}], [1, {"k": deque([2])}]),
        (1j, 2j),
        (table({1: 1}), table({1: 2})),
        (np.array([object()] * 10), np.array([object()] * 10)),
        ([np.array([object()] * 10)], [np.array([object()] * 10)]),
    ],
)
def test_what_cannot_be_looked_into_is_like_nothing_else(one, other):
    assert [(Weigher(value).digest, Weigher(value).opaque) for value in (one, other)] == [(0, True)] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Counter("aab"), Counter("abb")),
        (OrderedDict(a=1), OrderedDict(a=2)),
        (defaultdict(list, a=[1]), defaultdict(list, a=[2])),
        (Row(1, "a"), Row(2, "a")),
        ([Row(1, "a")], [Row(1, "b")]),
        (Plain(rows=[Row(1, "a")]), Plain(rows=[Row(1, "b")])),
    ],
)
def test_containers_of_the_library_are_looked_into(one, other):
    again = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
    assert 0 != Weigher(one).digest == Weigher(again).digest != Weigher(other).digest
    assert not Weigher(one).opaque


def test_no_code_of_a_metaclass_or_a_property_runs():
    class Meta(type):
        def __eq__(cls, other):
            raise AssertionError

        def __hash__(cls):
            raise AssertionError

        def __getattribute__(cls, name):
            raise AssertionError

    class Odd(metaclass=Meta):
        pass

    class Pretending:
        @property
        def __dict__(self):  # type: ignore[override]
            raise AssertionError

    for value in (Odd(), [Odd()] * 100, {1: Odd()}, Pretending(), [Pretending()]):
        assert Weigher(value).opaque
    assert state(Odd()) == state(Pretending()) == {}
