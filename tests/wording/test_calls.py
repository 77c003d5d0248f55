from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mpdiag.wording import calls
from tests.model.synthetic import PoolPlan, simulate

if TYPE_CHECKING:
    from mpdiag.model.run import Origin, Pool


def site(**changes: str | int) -> tuple[Pool, Origin]:
    """Give the pool and the origin of a simulated call."""
    run = simulate(replace(PoolPlan(items=10), **changes))  # type: ignore[arg-type]
    return run.pools[0], run.origins[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m:f", "f"),
        ("m:Class.method", "method"),
        ("m:f.<locals>.inner", "inner"),
        ("f", "f"),
        ("m:<lambda>", "other"),
        ("m:class", "other"),
        ("m:", "other"),
        ("", "other"),
        ("args[0]", "other"),
        ("self.table", "table"),
        ("m:f\n", "other"),
        ("m:ünder", "other"),
        ("m:" + "x" * 61, "other"),
    ],
)
def test_only_identifiers_get_into_code(name, expected):
    assert calls.identifier(name, "other") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("archive", ("archive", "ARCHIVE")),
        ("self.Table", ("table", "TABLE")),
        ("args[0]", ("state", "STATE")),
        ("Class", ("state", "STATE")),
        ("_", ("state", "STATE")),
    ],
)
def test_global_differs_from_the_parameter(name, expected):
    assert calls.constant(name) == expected


def test_class_of_a_method():
    assert calls.class_name(site(function="m:Shop.price")[1]) == "Shop"
    assert calls.class_name(site(function="m:f.<locals>.Shop.price")[1]) == "Shop"
    assert calls.class_name(site(function="m:price")[1]) == ""
    assert calls.class_name(site(function="m:f.<locals>.price")[1]) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"method": "map", "chunksize": 4}, "pool.map(f, ...)"),
        ({"method": "imap", "chunksize": 4}, "pool.imap(f, ..., chunksize=4)"),
        ({"method": "imap"}, "pool.imap(f, ...)"),
        ({"method": "starmap_async"}, "pool.starmap_async(f, ...)"),
        ({"method": "apply_async"}, "pool.apply_async(f, (...,))"),
        ({"method": "map", "kind": "ProcessPoolExecutor", "chunksize": 4}, "executor.map(f, ..., chunksize=4)"),
        ({"method": "submit", "kind": "ProcessPoolExecutor"}, "executor.submit(f, ...)"),
        ({"method": "not a method"}, "pool.map(f, ...)"),
    ],
)
def test_same_call_keeps_the_users_chunk_size(changes, expected):
    assert calls.same_call(*site(**changes), "f") == expected


def test_creation_repeats_nothing_that_was_not_recorded():
    assert calls.creation(site()[0]) == "with Pool(...) as pool:"
    executor = calls.creation(site(kind="ProcessPoolExecutor")[0], initializer="f")
    assert executor == "with ProcessPoolExecutor(..., initializer=f) as executor:"
