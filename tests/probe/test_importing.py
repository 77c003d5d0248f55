"""The imports of a starting process: timed without a frame of ours in them."""

import importlib
import sys
import traceback
from itertools import count

import pytest

from mpdiag.probe import importing
from mpdiag.probe.importing import Mains, Stopwatch

MS = 1_000_000


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose module imports another one, and one that fails."""
    place = tmp_path / "timedpackage"
    place.mkdir()
    (place / "__init__.py").write_text("from timedpackage import inner\n")
    (place / "inner.py").write_text("")
    (place / "broken.py").write_text("raise KeyError('broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "timedpackage"
    for name in [name for name in sys.modules if name.startswith("timedpackage")]:
        del sys.modules[name]


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(importing, "perf_counter_ns", count(0, 10 * MS).__next__)
    stopwatch = Stopwatch()
    yield stopwatch
    stopwatch.cancel()


def test_imports_are_timed_with_and_without_what_they_import(watch, package):
    importlib.import_module(package)
    assert [(name, spent // MS, own // MS) for spent, own, _, name in watch.found] == [
        ("timedpackage.inner", 10, 10),
        ("timedpackage", 30, 20),
    ]


def test_specs_are_their_own_class_again(watch, package):
    module = importlib.import_module(package)
    assert type(module.__spec__) is type(sys.__spec__)
    assert not getattr(module.__spec__, "_initializing", True)
    assert watch.find_spec("no.such.module.at.all") is None


def test_import_that_fails_shows_no_frame_of_ours(watch, package):
    importlib.import_module(package)
    with pytest.raises(KeyError) as raised:
        importlib.import_module(package + ".broken")
    assert f'"{importing.__file__}"' not in "".join(traceback.format_exception(raised.value))
    assert watch.found[-1][3] == "timedpackage.broken"


def test_quick_imports_are_not_recorded(books, watch, package):
    importlib.import_module(package)
    watch.found.append((importing.LEAST_NS, 1, 0, "least"))
    watch.stop(books.recorder, 500 * MS)
    assert watch not in sys.meta_path
    rows = [(books.text(row["name"]), books.text(row["sort"]), row["spent"] // MS) for row in books.records("stage")]
    assert rows[0] == ("main", "stage", 500)
    assert rows[1:] == [("timedpackage", "module", 30), ("timedpackage.inner", "module", 10), ("least", "module", 2)]


def test_watch_begins_when_the_program_is_imported(books):
    mains = Mains(books.session, [1])
    mains.append(2)
    mains.append(3)
    assert list(mains) == [1, 2, 3]
    assert books.session.imports in sys.meta_path
    books.session.imports.cancel()
