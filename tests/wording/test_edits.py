"""Calls of real source files, rewritten: only where what comes of it is sure to run and to mean the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpdiag.model.run import Site
from mpdiag.wording import calls, edits
from mpdiag.wording.written import LARGEST, call_at
from tests.model.synthetic import PoolPlan, simulate

MODULE = """\
import functools
from shop import price, Shop

SCALE = 2
current = 3
def load(path, scale=1):
    return path

def main(path, orders, shop, price_of):
    local = 3
    with {creation} as pool:
        {code}
"""
CREATION, CALL = 11, 12
POOL = "make().Pool(2, maxtasksperchild=5)"


@pytest.fixture
def called(tmp_path):
    """Give a pool and an origin whose call is this code, in a source file."""

    def write(code, method="map", kind="Pool", function="shop:price", creation=POOL):
        file = tmp_path / "program.py"
        file.write_text(MODULE.format(code=code, creation=creation), encoding="utf-8")
        run = simulate(PoolPlan(items=10, method=method, kind=kind))
        origin = replace(run.origins[0], site=Site(str(file), CALL, "main"), function=function)
        return replace(run.pools[0], site=Site(str(file), CREATION, "main")), origin

    return write


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("results = pool.map(price, orders)", "results = pool.map(other, orders)"),
        ("return sorted(pool.map(price, orders, 8), key=len)", "return sorted(pool.map(other, orders, 8), key=len)"),
        ("for cents in pool.map(price, orders): print(cents)", "for cents in pool.map(other, orders):"),
        ("pool.map(functools.partial(price, shop), orders)", "pool.map(other, orders)"),
        ("pool.map(func=price, iterable=orders)", None),
        ("pool.map(*both)", None),
        ("pool.map(price, orders, **more)", None),
        ("pool.map(price, found := orders)", None),
        ("pool.map(another, orders)", None),
        ("both(pool.map(price, orders), pool.map(price, orders))", None),
        ("f'{pool.map(price, orders)=}'", None),
        ("pool.starmap(price, orders)", None),
        ("pool.map(price, [" + "1000, " * 100 + "])", None),
        ("pool.map(price, [" + " + ".join(["1"] * 3000) + "])", None),
        ("pool.map(price", None),
    ],
)
def test_function_is_replaced(called, code, expected):
    assert edits.with_function(called(code)[1], "other") == expected


@pytest.mark.parametrize(
    ("code", "method"),
    [
        ("pool.submit(price, shop, scale=2)", "submit"),
        ("pool.apply_async(price, (shop,), {'scale': 2})", "apply_async"),
        ("pool.apply(price, (shop,), kwds={'scale': 2})", "apply"),
        ("loop.run_in_executor(pool, price, shop)", "run_in_executor"),
    ],
)
def test_calls_with_more_than_positional_arguments_are_left_alone(called, code, method):
    assert edits.with_function(called(code, method)[1], "other") is None


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
        ("x = pool.map(item.price, [1])", "map", "Pool", "x = [item.price(each_item) for each_item in [1]]"),
        ("x = pool.starmap(price, orders, 5)", "starmap", "Pool", "x = [price(*arguments) for arguments in orders]"),
        ("x = list(pool.imap(price, orders, 5))", "imap", "Pool", "x = list(map(price, orders))"),
        ("x = list(pool.map(price, a, b))", "map", "ProcessPoolExecutor", "x = list(map(price, a, b))"),
        ("x = pool.map_async(price, orders)", "map_async", "Pool", None),
        ("x = [pool.submit(price, item) for item in orders]", "submit", "ProcessPoolExecutor", None),
    ],
)
def test_loop_stands_for_the_pool(called, code, method, kind, expected):
    assert edits.as_loop(*called(code, method, kind)) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pool.map(price, map(load, paths))", ("item", "load(item)", "pool.map(made, paths)")),
        ("pool.map(price, (load(p) * SCALE for p in paths), 1)", ("p", "load(p) * SCALE", "pool.map(made, paths, 1)")),
        ("pool.map(price, [load(p, local) for p in paths])", None),
        ("pool.map(price, [load(p, current) for p in paths])", None),
        ("pool.map(price, [shop(p) for p in paths])", None),
        ("pool.map(functools.partial(price, local), [load(p) for p in paths])", None),
        ("pool.map(price, [load(price) for price in paths])", None),
        ("pool.map(price, [load(p) for p in paths if p])", None),
        ("pool.map(price, [load(p) for p in paths for q in p])", None),
        ("pool.map(price, orders)", None),
    ],
)
def test_items_are_made_in_the_worker_where_it_can(called, code, expected):
    pool, origin = called(code)
    assert edits.making_items(pool, origin, "made") == expected


@pytest.mark.parametrize(
    ("code", "method", "kind"),
    [
        ("pool.submit(price, [load(p) for p in paths])", "submit", "ProcessPoolExecutor"),
        ("pool.map(price, [load(p) for p in paths], orders)", "map", "ProcessPoolExecutor"),
        ("pool.starmap(price, [load(p) for p in paths])", "starmap", "Pool"),
    ],
)
def test_only_single_items_are_made_in_the_worker(called, code, method, kind):
    pool, origin = called(code, method, kind)
    assert edits.making_items(pool, origin, "made") is None


@pytest.mark.parametrize(
    ("code", "method", "expected"),
    [
        ("x = [sum(r) for r in pool.map(price, orders)]", "map", ("r", "sum(r)", "x = pool.map(less, orders)")),
        ("x = sum(len(r) for r in pool.imap(price, o))", "imap", ("r", "len(r)", "x = sum(pool.imap(less, o))")),
        ("x = [len(r) for r in pool.imap(price, o)]", "imap", ("r", "len(r)", "x = list(pool.imap(less, o))")),
        ("x = next(len(r) for r in pool.map(price, o))", "map", None),
        ("x = [r for r in pool.map(price, o)]", "map", None),
        ("x = [len(r) for r in pool.map(functools.partial(price, local), o)]", "map", None),
        ("x = [len(price) for price in pool.map(price, o)]", "map", None),
        ("x = [local * len(r) for r in pool.map(price, o)]", "map", None),
        ("x = pool.map(price, o)", "map", None),
    ],
)
def test_results_are_used_in_the_worker_where_it_can(called, code, method, expected):
    pool, origin = called(code, method)
    assert edits.using_results(pool, origin, "less") == expected


@pytest.mark.parametrize(
    ("code", "method", "expected"),
    [
        ("f = pool.submit(load, path)", "submit", ("path", (), 0, "f = pool.submit(kept)")),
        ("f = pool.submit(load, path, 3)", "submit", ("path", ("scale",), 0, "f = pool.submit(kept, 3)")),
        ("f = pool.apply_async(load, (path,))", "apply_async", ("path", (), 0, "f = pool.apply_async(kept, ())")),
        ("f = pool.submit(load, path=path)", "submit", None),
        ("f = [pool.submit(load, one) for one in orders]", "submit", None),
        ("f = pool.submit(load)", "submit", None),
        ("f = pool.submit(functools.partial(load, 1), path)", "submit", None),
        ("f = pool.map(load, (path, path))", "map", None),
        ("f = pool.starmap(load, ((path, 1), (path, 2)))", "starmap", None),
    ],
)
def test_argument_goes_by_its_parameter(called, code, method, expected):
    pool, origin = called(code, method, function="program:load")
    assert edits.without_argument(pool, origin, "path", "kept") == expected


@pytest.mark.parametrize(
    ("code", "function", "given", "elsewhere"),
    [
        ("pool.map(shop.price, orders)", "shop:Shop.price", ("shop", True), None),
        ("pool.map(Shop.price, orders)", "shop:Shop.price", ("Shop", True), "Shop.price"),
        ("pool.map(functools.partial(price, 1), orders)", "shop:price", ("functools.partial(price, 1)", False), ...),
        ("[pool.map(item.price, orders) for item in shops]", "shop:Shop.price", None, None),
    ],
)
def test_what_is_given_as_the_function(called, code, function, given, elsewhere):
    pool, origin = called(code, function=function)
    assert edits.callable_given(pool, origin) == given
    assert edits.function_given(origin) == (given[0] if elsewhere is ... else elsewhere)


def test_pool_is_created_as_before_and_with_more(called):
    pool, _ = called("pass")
    assert edits.creation(pool, {"initializer": "f", "maxtasksperchild": "9"}) == (
        "with make().Pool(2, maxtasksperchild=9, initializer=f) as pool:"
    )
    assert edits.creation(replace(pool, site=replace(pool.site, line=1)), {}) is None


@pytest.mark.parametrize(
    ("creation", "kind"),
    [
        ("Pool(2, start, (3,))", "Pool"),
        ("Pool(2, initializer=start)", "Pool"),
        ("Pool(**settings)", "Pool"),
        ("ProcessPoolExecutor(2, None, start)", "ProcessPoolExecutor"),
    ],
)
def test_an_initialiser_that_is_there_is_not_replaced(called, creation, kind):
    pool, _ = called("pass", kind=kind, creation=creation)
    assert edits.creation(pool, {"initializer": "f"}) is None


def test_pool_and_call_are_both_the_users_or_neither(called):
    pool, origin = called("x = pool.map(price, orders)")
    written = calls.pooled(pool, origin, "x = pool.map(f, orders)", "f", initializer="start")
    assert written == "with make().Pool(2, maxtasksperchild=5, initializer=start) as pool:\n    x = pool.map(f, orders)"

    pool, origin = called("x = pool.map(price, orders)", creation="Pool(2, begin)")
    written = calls.pooled(pool, origin, "x = pool.map(f, orders)", "f", initializer="start")
    assert written == "with Pool(..., initializer=start) as pool:\n    pool.map(f, ...)"


def test_a_global_of_a_workers_is_none_of_the_modules(called):
    _, origin = called("pool.map(price, orders)")
    assert calls.constant("scale", edits.taken_names(origin)) == ("scale", "WORKER_SCALE")
    assert calls.constant("price", edits.taken_names(origin)) == ("price", "PRICE")


@pytest.mark.parametrize("content", [b"\x00", b"\xff\xfe", b"(" * 10_000, b"pool.map(f, x)\n" + b"#" * LARGEST])
def test_no_source_is_no_fault(tmp_path, content):
    (tmp_path / "program.py").write_bytes(content)
    assert call_at(Site(str(tmp_path / "program.py"), 1, ""), "map") is None


@pytest.mark.parametrize("link", [".b", "()", "[0]", "+1"])
def test_no_source_is_too_deep(tmp_path, link):
    (tmp_path / "program.py").write_text("a" + link * ((LARGEST - 1) // len(link)), encoding="ascii")
    assert call_at(Site(str(tmp_path / "program.py"), 1, ""), "map") is None


@pytest.mark.parametrize("file", ["", "<string>", "/dev/zero", "/", "a\x00b", "x" * 5000])
def test_a_file_that_is_none_is_no_fault(file):
    assert call_at(Site(file, 1, ""), "map") is None


def test_a_doubtful_escape_in_the_program_is_not_our_affair(tmp_path, recwarn):
    (tmp_path / "program.py").write_text('pool.map("\\d", x)\n', encoding="ascii")
    assert call_at(Site(str(tmp_path / "program.py"), 1, ""), "map") is not None
    assert not recwarn.list


def test_an_edited_file_is_read_again(called):
    assert edits.with_function(called("pool.map(price, orders)")[1], "f") == "pool.map(f, orders)"
    assert edits.with_function(called("pool.map(price, all_orders)")[1], "f") == "pool.map(f, all_orders)"


def test_pool_and_call_in_two_places_are_shown_as_two(called, tmp_path):
    file = tmp_path / "shop.py"
    file.write_text(
        "def start(self):\n    self.pool = Pool(2)\n\ndef run(self):\n    return self.pool.map(price, self.orders)\n"
    )
    pool, origin = called("pass")
    pool = replace(pool, site=Site(str(file), 2, "start"))
    origin = replace(origin, site=Site(str(file), 5, "run"))

    written = calls.pooled(pool, origin, edits.with_function(origin, "f"), "f", initializer="begin")

    assert written.splitlines() == [
        "self.pool = Pool(2, initializer=begin)",
        "",
        calls.beside("return self.pool.map(f, self.orders)", "in run()"),
    ]


@pytest.mark.parametrize("code", ["pool.map(shop.price, orders)", "x = [len(r) for r in pool.map(shop.price, orders)]"])
def test_a_method_of_a_local_object_is_not_called_by_its_bare_name(called, code):
    pool, origin = called(code, function="shop:Shop.price")
    assert edits.using_results(pool, origin, "less") is None
