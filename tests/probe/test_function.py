from functools import partial

import pytest

from mpdiag.probe import function, parts


def task(table, item, extra=0):
    return table, item, extra


class Model:
    def __init__(self):
        self.weights = list(range(1000))

    def predict(self, item):
        return item

    def __call__(self, item):
        return item


@pytest.mark.parametrize(
    ("called", "name"),
    [
        (task, "task"),
        (partial(task, [1]), "task"),
        (partial(partial(task, [1]), extra=2), "task"),
        (Model().predict, "Model.predict"),
        (Model(), "Model"),
        (Model, "Model"),
        (len, "len"),
    ],
)
def test_the_users_function_is_found_behind_its_wrapping(called, name):
    assert function.name(called).rpartition(":")[2] == name


def test_a_function_has_no_captured_state():
    assert [*parts.captured(task)] == []


def test_a_partial_carries_its_bound_arguments_by_their_names():
    pieces = [*parts.captured(partial(task, list(range(500)), extra="x" * 100))]
    assert [(piece.role, piece.name, piece.type) for piece in pieces] == [
        ("callable", "table", "list of int"),
        ("callable", "extra", "str"),
    ]


@pytest.mark.parametrize("called", [Model().predict, Model()])
def test_a_bound_method_and_an_instance_carry_their_attributes(called):
    assert [(piece.name, piece.type) for piece in parts.captured(called)] == [("self.weights", "list of int")]


def test_arguments_have_the_names_of_the_parameters_that_are_left():
    call = parts.Call(partial(task, [1]), [("a" * 50,), ("b" * 50,)], {"extra": 3}, starred=True)
    assert [piece.name for piece in parts.arguments(call)] == ["item", "extra"]


def test_one_object_in_every_item_of_a_chunk_counts_once():
    table = list(range(1000))
    shared = parts.Call(task, [(table, number) for number in range(20)], {}, starred=True)
    copies = parts.Call(task, [(list(range(1000)), number) for number in range(20)], {}, starred=True)
    once, many = next(parts.arguments(shared)), next(parts.arguments(copies))
    assert many.size == pytest.approx(20 * once.size, rel=0.01)


def test_cyclic_wrapping_ends():
    wrapped = partial(task)
    wrapped.__setstate__((wrapped, (), {}, {}))
    assert function.filled(wrapped) == 0
