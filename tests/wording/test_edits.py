"""Calls of real source files, rewritten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpdiag.model.run import Site
from mpdiag.wording import edits
from mpdiag.wording.written import LARGEST, call_at
from tests.model.synthetic import PoolPlan, simulate

MODULE = """\
import functools
from shop import price, Shop

SCALE = 2

def load(path):
    return path

def main(path, orders, shop):
    local = 3
    with make().Pool(2, maxtasksperchild=5) as pool:
        {code}
"""
CREATION, CALL = 11, 12


@pytest.fixture
def called(tmp_path):
    """Give a pool and an origin whose call is this code, in a source file."""

    def write(code, method="map", kind="Pool"):
        file = tmp_path / "program.py"
        file.write_text(MODULE.format(code=code), encoding="utf-8")
        run = simulate(PoolPlan(items=10, method=method, kind=kind))
        origin = replace(run.origins[0], site=Site(str(file), CALL, "main"))
        return replace(run.pools[0], site=Site(str(file), CREATION, "main")), origin

    return write


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("results = pool.map(price, orders)", "results = pool.map(other, orders)"),
        ("return sorted(pool.map(price, orders, 8), key=len)", "return sorted(pool.map(other, orders, 8), key=len)"),
        ("for cents in pool.map(price, orders): print(cents)", "for cents in pool.map(other, orders):"),
        ("pool.map(func=price, iterable=orders)", None),
        ("pool.map(*both)", None),
        ("both(pool.map(price, orders), pool.map(price, orders))", None),
        ("pool.starmap(price, orders)", None),
        ("pool.map(price, [" + "1000, " * 100 + "])", None),
        ("pool.map(price", None),
    ],
)
def test_function_is_replaced(called, code, expected):
    assert edits.with_function(called(code)[1], "other") == expected


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        ("pool.map(price, orders)", "Pool", "pool.map(price, orders, chunksize=64)"),
        ("pool.map(price, orders, chunksize=1)", "Pool", "pool.map(price, orders, chunksize=64)"),
        ("pool.map(price, orders, 1)", "Pool", "pool.map(price, orders, 64)"),
        ("pool.map(price, orders, more)", "ProcessPoolExecutor", "pool.map(price, orders, more, chunksize=64)"),
    ],
)
def test_chunksize_is_given_once(called, code, kind, expected):
    pool, origin = called(code, kind=kind)
    assert edits.with_chunksize(pool, origin, 64) == expected


@pytest.mark.parametrize(
    ("code", "method", "kind", "expected"),
    [
        ("x = pool.map(price, orders)", "map", "Pool", "x = [price(item) for item in orders]"),
        ("x = pool.starmap(price, orders, 5)", "starmap", "Pool", "x = [price(*arguments) for arguments in orders]"),
        ("x = list(pool.imap(price, orders, 5))", "imap", "Pool", "x = list(map(price, orders))"),
        ("x = list(pool.map(price, a, b))", "map", "ProcessPoolExecutor", "x = list(map(price, a, b))"),
        ("x = pool.map_async(price, orders)", "map_async", "Pool", None),
    ],
)
def test_loop_stands_for_the_pool(called, code, method, kind, expected):
    assert edits.as_loop(*called(code, method, kind)) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pool.map(price, map(load, paths))", ("item", "load(item)", "pool.map(made, paths)")),
        ("pool.map(price, (load(p) * SCALE for p in paths))", ("p", "load(p) * SCALE", "pool.map(made, paths)")),
        ("pool.map(price, [load(p, local) for p in paths])", None),
        ("pool.map(price, [load(p) for p in paths if p])", None),
        ("pool.map(price, [load(p) for p in paths for q in p])", None),
        ("pool.map(price, orders)", None),
    ],
)
def test_items_are_made_in_the_worker_where_it_can(called, code, expected):
    assert edits.making_items(called(code)[1], "made") == expected


@pytest.mark.parametrize(
    ("code", "method", "expected"),
    [
        ("x = [sum(r) for r in pool.map(price, orders)]", "map", ("r", "sum(r)", "x = pool.map(less, orders)")),
        ("x = sum(len(r) for r in pool.imap(price, o))", "imap", ("r", "len(r)", "x = sum(pool.imap(less, o))")),
        ("x = [len(r) for r in pool.imap(price, o)]", "imap", ("r", "len(r)", "x = list(pool.imap(less, o))")),
        ("x = [local * len(r) for r in pool.map(price, o)]", "map", None),
        ("x = pool.map(price, o)", "map", None),
    ],
)
def test_results_are_used_in_the_worker_where_it_can(called, code, method, expected):
    assert edits.using_results(called(code, method)[1], "less") == expected


@pytest.mark.parametrize(
    ("code", "method", "expected"),
    [
        ("f = pool.submit(load, path)", "submit", ("path", "f = pool.submit(kept)")),
        ("f = pool.submit(load, path=here.path)", "submit", ("here.path", "f = pool.submit(kept)")),
        ("f = pool.apply_async(load, (path,))", "apply_async", ("path", "f = pool.apply_async(kept, ())")),
        ("f = pool.submit(elsewhere, path)", "submit", None),
        ("f = pool.submit(load)", "submit", None),
    ],
)
def test_argument_goes_by_its_parameter(called, code, method, expected):
    assert edits.without_argument(called(code, method)[1], "path", "kept") == expected


def test_what_is_given_as_the_function(called):
    for code, owner, function in [
        ("pool.map(shop.price, orders)", "shop", None),
        ("pool.map(Shop.price, orders)", "Shop", "Shop.price"),
        ("pool.map(functools.partial(price, shop), orders)", "functools.partial(price, shop)", None),
    ]:
        origin = called(code)[1]
        assert edits.callable_given(origin) == owner
        assert edits.function_given(origin) == function


def test_pool_is_created_as_before_and_with_more(called):
    pool, _ = called("pass")
    assert edits.creation(pool, {"initializer": "f", "maxtasksperchild": "9"}) == (
        "with make().Pool(2, maxtasksperchild=9, initializer=f) as pool:"
    )
    assert edits.creation(replace(pool, site=replace(pool.site, line=1)), {}) is None


@pytest.mark.parametrize("content", [b"\x00", b"\xff\xfe", b"(" * 10_000, b"pool.map(f, x)\n" + b"#" * LARGEST])
def test_no_source_is_no_fault(tmp_path, content):
    (tmp_path / "program.py").write_bytes(content)
    assert call_at(Site(str(tmp_path / "program.py"), 1, ""), "map") is None


@pytest.mark.parametrize("file", ["", "<string>", "/dev/zero", "/", "a\x00b", "x" * 5000])
def test_a_file_that_is_none_is_no_fault(file):
    assert call_at(Site(file, 1, ""), "map") is None


def test_a_doubtful_escape_in_the_program_is_not_our_affair(tmp_path, recwarn):
    (tmp_path / "program.py").write_text('pool.map("\\d", x)\n')
    assert call_at(Site(str(tmp_path / "program.py"), 1, ""), "map") is not None
    assert not recwarn.list


def test_an_edited_file_is_read_again(called):
    assert edits.with_function(called("pool.map(price, orders)")[1], "f") == "pool.map(f, orders)"
    assert edits.with_function(called("pool.map(price, all_orders)")[1], "f") == "pool.map(f, all_orders)"
