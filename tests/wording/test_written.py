"""The object that a line uses, by its source: one that is sure, or none."""

from __future__ import annotations

import os

import pytest

from mpdiag.model.run import Site
from mpdiag.wording.written import LARGEST, LONGEST_NAME, object_at

DICT = frozenset({"get", "__setitem__"})
LOCK = frozenset({"acquire", "get_lock"})


@pytest.fixture
def used(tmp_path):
    """Give the object that the second line of a source file uses by these methods."""

    def ask(line, names):
        file = tmp_path / "program.py"
        file.write_text(f"import shared\n{line}\n", encoding="utf-8")
        return object_at(Site(str(file), 2, "main"), names)

    return ask


@pytest.mark.parametrize(
    ("line", "names", "expected"),
    [
        ("counts[key] = counts.get(key, 0) + 1", DICT, "counts"),
        ("self.totals.counts[key] = 1", DICT, "self.totals.counts"),
        ("counts.get(1)", DICT, "counts"),
        ("counts['a']['b'] = 1", DICT, "counts"),
        ("with total.get_lock(): pass", LOCK, "total"),
        ("lock.acquire(), lock.acquire()", LOCK, "lock"),
        # several, or none, or nothing that has a name
        ("counts[key] = others.get(key)", DICT, None),
        ("a.acquire(); b.acquire()", LOCK, None),
        ("counts.update(a=1)", DICT, None),
        ("with lock: pass", LOCK, None),
        ("locks[0].acquire()", LOCK, None),
        ("make().acquire()", LOCK, None),
        ("make().lock.acquire()", LOCK, None),
        ("counts.get(1), make().get(2)", DICT, None),
        ("'a'.get(1)", DICT, None),
        ("f'{counts}\\n'.get(1)", DICT, None),
        # what the line subscripts is something else's
        ("if words[3] in seen: pass", frozenset({"__contains__"}), None),
        ("with locks[3]: pass", LOCK, None),
        ("found.append(words[3])", frozenset({"append"}), "found"),
        # names
        ("x" * LONGEST_NAME + ".get(1)", DICT, "x" * LONGEST_NAME),
        ("x" * (LONGEST_NAME + 1) + ".get(1)", DICT, None),
        ("self." + "x" * LONGEST_NAME + ".get(1)", DICT, None),
        ("ünder.get(1)", DICT, "ünder"),
    ],
)
def test_one_named_object_is_found(used, line, names, expected):
    assert used(line, names) == expected


def test_other_lines_do_not_matter(used):
    assert used("\na.get(1)", DICT) is None
    assert used("a.get(\n1)", DICT) == "a"


@pytest.mark.parametrize(
    "line",
    [
        "a" + ".a" * 3000 + ".get(1)",
        "a" + "[0]" * 3000,
        "(" * 3000,
        "a.get(1" + " + 1" * 20_000 + ")",
        "a.get(1) # \x00",
        "def f(:",
        "\x0c\x0b\x1ca.get(1)",
        "#" * LARGEST,
    ],
    ids=range(8),
)
def test_no_source_breaks_it(used, line):
    assert used(line, DICT) in {None, "a"}


def test_what_is_no_source_has_no_object(tmp_path):
    binary = tmp_path / "program.py"
    binary.write_bytes(bytes(range(256)))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file in (str(binary), str(pipe), str(tmp_path), str(tmp_path / "missing"), "", "<string>", "a\0b", "/dev/zero"):
        assert object_at(Site(file, 1, "f"), DICT) is None


@pytest.mark.parametrize("line", [0, -1, 3, 1 << 40])
def test_line_that_is_not_there_has_no_object(tmp_path, line):
    file = tmp_path / "program.py"
    file.write_text("a.get(1)\nb.get(2)\n", encoding="utf-8")
    assert object_at(Site(str(file), line, "f"), DICT) is None
