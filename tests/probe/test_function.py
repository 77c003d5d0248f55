import os
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
    wrapped.__setstate__((wrapped, (), {}, {}))  # type: ignore[attr-defined]
    assert function.filled(wrapped) == 0


class Lazy:
    """Evaluates itself as soon as somebody asks for its class."""

    def refuse(self):
        raise AssertionError

    __class__ = property(refuse)


def test_a_lazy_object_is_not_evaluated():
    lazy = Lazy()
    assert function.name(lazy).endswith(":Lazy")
    assert function.parameters(lazy) == ()
    assert function.filled(lazy) == 0
    assert function.state(lazy) == {}


@pytest.mark.parametrize(
    ("called", "name"),
    [
        (str.upper, "builtins:str.upper"),
        (int.__add__, "builtins:int.__add__"),
        ([].append, "?:list.append"),
        (dict, "builtins:dict"),
        (os.path.join, "posixpath:join"),
    ],
)
def test_functions_of_the_library_have_their_names(called, name):
    assert function.name(called) == name


def test_the_main_module_has_one_name_in_all_processes():
    scope = {"__name__": "__mp_main__"}
    exec("def f(): pass", scope)  # noqa: S102 - what multiprocessing.spawn does
    assert function.name(scope["f"]) == "__main__:f"
