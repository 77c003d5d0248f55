from __future__ import annotations

import pytest

from mpdiag.supervise.interpreter import Seen, obstacle, uninstrumented, with_shebang

NOTHING = Seen(target=False, anyone=False, notes=False)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("python x.py", ""),
        ("/usr/bin/python3.11 -u x.py -I", ""),
        ("python -m mod -I", ""),
        ("python -c pass -S", ""),
        ("python -mmod -S", ""),
        ("python -W error -X dev -B x.py", ""),
        ("python -Werror -Xdev x.py -E", ""),
        ("python -W -I x.py", ""),
        ("python - -I", ""),
        ("python -- -I", ""),
        ("python --check-hash-based-pycs never -P x.py", ""),
        ("pytest -I", ""),
        ("ls -S", ""),
        ("env", ""),
        ("env FOO=1 -u BAR python x.py -S", ""),
        ("python -I x.py", "-I"),
        ("python3 -Is x.py", "-I"),
        ("python -sI x.py", "-I"),
        ("python -uE x.py", "-E"),
        ("python -X dev -E -c pass", "-E"),
        ("python -Wignore -S x.py", "-S"),
        ("python --check-hash-based-pycs never -I x.py", "-I"),
        ("pypy3.10 -I x.py", "-I"),
        ("python3.13t -I x.py", "-I"),
        ("env python -I x.py", "-I"),
        ("/usr/bin/env FOO=1 python3 -E x.py", "-E"),
        ("env -C /tmp python -S x.py", "-S"),
        ("env -i python x.py", "-i"),
        ("env - PATH=/bin python x.py", "-i"),
        ("env -u PYTHONPATH python x.py", "-u PYTHONPATH"),
        ("env PYTHONPATH=lib python x.py", "PYTHONPATH=..."),
    ],
)
def test_obstacles_on_a_command_line(command, option):
    sentence = obstacle(command.split())

    assert bool(sentence) == bool(option)
    assert option in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"#!/usr/bin/python3 -Es\n", ["/usr/bin/python3", "-Es", "./tool", "x"]),
        (b"#!/usr/bin/env python\n", ["/usr/bin/env", "python", "./tool", "x"]),
        (b"#!/usr/bin/env -S python -I -u\n", ["/usr/bin/env", "-S python -I -u", "./tool", "x"]),
        (b"#! /bin/sh", ["/bin/sh", "./tool", "x"]),
        (b"#!\n", ["./tool", "x"]),
        (b"\x7fELF\x02\x01", ["./tool", "x"]),
        (b"", ["./tool", "x"]),
    ],
)
def test_first_line_of_a_script(line, command):
    assert with_shebang(["./tool", "x"], line) == command


@pytest.mark.parametrize("line", [b"#!/usr/bin/python3 -I", b"#!/usr/bin/env -S python3 -u -I", b"#!/bin/env -S 'py"])
def test_obstacle_behind_a_first_line(line):
    assert bool(obstacle(with_shebang(["./tool"], line))) == (b"-I" in line)


@pytest.mark.parametrize(
    ("command", "seen", "words"),
    [
        ("python x.py", NOTHING, "left no record"),
        ("python -I x.py", NOTHING, "ignores PYTHONPATH"),
        ("python -I x.py", Seen(target=False, anyone=True, notes=False), "ignores PYTHONPATH"),
        ("python -I x.py", Seen(target=True, anyone=True, notes=False), ""),
        ("python2.7 x.py", NOTHING, "older than Python 3.9"),
        ("python3.8 x.py", Seen(target=False, anyone=False, notes=True), ""),
        ("/bin/ls -l", NOTHING, "ls is not a Python program"),
        ("env -S 'ls -l'", NOTHING, "is not a Python program"),
        ("./run.sh", Seen(target=False, anyone=True, notes=False), ""),
        ("python x.py", Seen(target=True, anyone=True, notes=False), ""),
    ],
)
def test_what_is_said_at_the_end(command, seen, words):
    sentences = uninstrumented(command.split(), seen)

    assert len(sentences) == (1 if words else 0)
    assert words in "".join(sentences)
