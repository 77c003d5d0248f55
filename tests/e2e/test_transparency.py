"""A program cannot tell whether it runs under mpdiag, but by what is documented."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import available_interpreters
from tests.e2e.running import PROGRAMS, Outcome, Runner

BEHAVIOUR = str(PROGRAMS / "behaviour.py")
HABITS = str(PROGRAMS / "habits.py")
TRACEBACKS = str(PROGRAMS / "tracebacks.py")
VERSIONS = available_interpreters()


@pytest.fixture
def runner(tmp_path) -> Runner:
    return Runner(sys.executable, tmp_path)


@pytest.fixture
def on_every_python(interpreter, tmp_path) -> Runner:
    return Runner(interpreter, tmp_path)


# What a program sees


def test_patched_functions_look_pickle_and_unpickle_as_before(on_every_python):
    # GIVEN all functions and methods of multiprocessing, patched ones among them, WHEN they are described and pickled
    recorded = on_every_python.both(BEHAVIOUR, "functions")

    # THEN signatures, names, kinds and the very bytes are those of the bare run: a bare process can unpickle them
    assert recorded.faults == []


def test_objects_are_pickled_as_often_as_bare(on_every_python):
    on_every_python.both(BEHAVIOUR, "pickling")


def test_arguments_results_and_pools_live_as_long_as_bare(on_every_python):
    on_every_python.both(BEHAVIOUR, "lifetimes")


def test_threads_signals_descriptors_and_random_numbers_are_those_of_the_bare_run(interpreter, tmp_path):
    runner = Runner(interpreter, tmp_path, {"PYTHONHASHSEED": "1"})

    runner.both(BEHAVIOUR, "processes")


def test_little_recursion_depth_is_used(on_every_python):
    bare = on_every_python.bare(BEHAVIOUR, "depths")
    outcome, _ = on_every_python.recorded(BEHAVIOUR, "depths")

    before, after = json.loads(bare.out), json.loads(outcome.out)
    assert all(0 <= before[where] - after[where] <= 2 for where in before), (before, after)
    assert (outcome.status, outcome.err) == (bare.status, bare.err)


def test_the_interpreter_differs_by_what_is_documented(on_every_python):
    bare = json.loads(on_every_python.bare(BEHAVIOUR, "interpreter").out)
    outcome, _ = on_every_python.recorded(BEHAVIOUR, "interpreter")
    seen = json.loads(outcome.out)

    added = set(seen.pop("modules")) - set(bare.pop("modules"))
    assert {name for name in added if not name.startswith(("mpdiag.probe", "mpdiag.wire"))} <= {"mmap", "struct"}
    environment, before = seen.pop("environment"), bare.pop("environment")
    assert set(environment) - set(before) == {"MPDIAG_RUN", "MPDIAG_BUDGET", "PYTHONPATH"}
    assert {name: environment[name] for name in before} == before
    assert seen.pop("meta_path") in (bare["meta_path"], ["Finder", *bare["meta_path"]])
    bare.pop("meta_path")
    assert seen == bare


@pytest.mark.parametrize("when", ["patched-early", "patched-late"])
def test_what_the_program_patches_itself_is_called(on_every_python, when):
    on_every_python.both(HABITS, when)


def test_lazy_objects_are_not_evaluated(runner):
    runner.both(HABITS, "lazy")


def test_a_program_that_collects_garbage_all_the_time(on_every_python):
    on_every_python.both(HABITS, "collected-always")


def test_a_signal_handler_that_uses_the_pool(on_every_python):
    recorded = on_every_python.both(HABITS, "interrupted")

    assert recorded.faults == []


def test_forks_while_other_threads_are_in_hooks(on_every_python):
    recorded = on_every_python.both(HABITS, "forks")

    assert len(recorded.programs) == 1 + 80 + 2
    assert recorded.faults == []


def test_nothing_is_said_at_the_end(on_every_python):
    # Pools, executors, queues with feeders and proxies that are alive at exit.
    recorded = on_every_python.both(HABITS, "left-open")

    assert recorded.report["run"]["exit_status"] == 0


def test_nothing_is_said_where_a_pool_is_in_the_middle_of_its_work(interpreters, tmp_path):
    # From 3.12 on a bare pool may print a traceback there, and hang: its thread starts workers while Python shuts down.
    versions = sorted(interpreters.keys() & {"3.10", "3.11"})
    if not versions:
        pytest.skip("no Python before 3.12 is here")
    for version in versions:
        (tmp_path / version).mkdir()
        recorded = Runner(interpreters[version], tmp_path / version).both(HABITS, "left-in-use")

        assert recorded.report["run"]["exit_status"] == 0


# Tracebacks

WAITING = re.compile(r'(concurrent/futures/_base.py", line )\d+(, in result)')
"""Where Future.result stands depends on whether it had to wait."""


def traced(outcome: Outcome) -> Outcome:
    return Outcome(outcome.status, WAITING.sub(r"\1\2", outcome.out), outcome.err)


@pytest.mark.parametrize("what", ["pools", "executors", "processes"])
def test_tracebacks_are_those_of_the_bare_run(on_every_python, what):
    check_tracebacks(on_every_python, what, "fork")


@pytest.mark.parametrize("what", ["pools", "executors", "processes"])
def test_tracebacks_are_those_of_the_bare_run_when_spawned(runner, what):
    check_tracebacks(runner, what, "spawn")


def check_tracebacks(runner: Runner, what: str, method: str) -> None:
    bare = runner.bare(TRACEBACKS, what, method)
    outcome, _ = runner.recorded(TRACEBACKS, what, method)
    assert traced(outcome) == traced(bare)
    assert "mpdiag" not in outcome.out + outcome.err


FRAME = re.compile(r'^  File "([^"]+)", line \d+, in \w+\n(?:    .*\n)*', re.MULTILINE)


def test_pickling_errors_show_one_frame_of_the_probe_at_most(on_every_python):
    bare = on_every_python.bare(TRACEBACKS, "pickling", "fork")
    outcome, _ = on_every_python.recorded(TRACEBACKS, "pickling", "fork")

    assert FRAME.sub("", outcome.out) == FRAME.sub("", bare.out)
    assert (outcome.status, outcome.err) == (bare.status, bare.err)
    for before, after in zip(tracebacks(bare.out), tracebacks(outcome.out), strict=True):
        ours = [frame for frame in after if "mpdiag" in frame]
        assert len(ours) <= 1
        assert len(after) <= len(before)
        assert [frame for frame in after if frame not in ours] == [frame for frame in before if frame in after]


def tracebacks(text: str) -> list[list[str]]:
    """The files of the frames of each traceback."""
    return [FRAME.findall(part) for part in text.split("Traceback (most recent call last):\n")[1:]]


# Ways to start

INLINE = """\
import multiprocessing, sys
def main():
    pool = multiprocessing.get_context(sys.argv[1]).Pool(1)
    print(sum(pool.map(abs, range(10))), pool.apply(eval, ("__import__('sys').flags",)))
    pool.close()
    pool.join()
if __name__ == "__main__":
    print(sys.flags, __name__, globals().get("__file__"), __spec__)
    main()
"""
FLAGS = ["-I", "-E", "-S", "-s", "-B", "-P", "-O", "-Xdev", "-Werror", "-Xutf8", "-bb", "-u"]
SEALED = ("-I", "-E", "-S")
"""With these the probe does not get in."""


@pytest.mark.parametrize(
    ("flag", "method"),
    [*((flag, "fork") for flag in FLAGS), *((flag, "spawn") for flag in ("-I", "-S", "-B", "-Xdev"))],
)
def test_options_of_python_work_as_bare(runner, flag, method):
    if flag == "-P" and sys.version_info < (3, 11):
        pytest.skip("this Python has no -P")
    (runner.directory / "program.py").write_text(INLINE)

    recorded = runner.both(flag, "program.py", method)

    if flag in SEALED:
        assert recorded.report["losses"], "that the probe did not get in is named"
    else:
        assert [(pool["kind"], pool["tasks"]) for pool in recorded.report["pools"]] == [("Pool", 5)]


def test_warnings_as_errors_bring_no_new_ones(on_every_python):
    # From 3.12 on a fork while there are threads is a warning: the probe must have none.
    program = "import os, threading; pid = os.fork(); pid or os._exit(3); print(os.waitpid(pid, 0)[1] >> 8)"

    on_every_python.both("-Werror", "-c", program)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_main_is_imported_again_as_often_as_bare(on_every_python, method):
    (on_every_python.directory / "package").mkdir()
    (on_every_python.directory / "package" / "__init__.py").touch()
    program = "print('imported as', __name__, flush=True)\n" + INLINE
    (on_every_python.directory / "package" / "__main__.py").write_text(program)
    (on_every_python.directory / "program.py").write_text(program)

    on_every_python.both("program.py", method)
    on_every_python.both("-m", "package", method)


def test_a_python_of_another_version_is_started_and_silent(runner):
    program = "import subprocess, sys; print(subprocess.run([sys.argv[1], '-c', 'print(1)'], capture_output=True))"

    for python in VERSIONS.values():
        recorded = runner.both("-c", program, python)
        assert len(recorded.programs) == 2, python


# The program's own customisation

CUSTOM = """\
import sys
if "mpdiag" not in sys.orig_argv:  # which is a Python program, too
    sys.customised = getattr(sys, "customised", []) + [{name!r}]
    print({name!r}, file=sys.stderr)
"""
FAILING = """\
import sys
if "mpdiag" not in sys.orig_argv:
    {}
"""
SEE = """\
import sys
names = ("sitecustomize", "usercustomize")
print(getattr(sys, "customised", None), [getattr(sys.modules.get(name), "__file__", None) for name in names])
"""


def test_sitecustomize_of_the_program_runs_once(interpreter, tmp_path):
    place = tmp_path / "customs"
    place.mkdir()
    (place / "sitecustomize.py").write_text(CUSTOM.format(name="sitecustomize"))

    Runner(interpreter, tmp_path, {"PYTHONPATH": str(place)}).both("-c", SEE)


def test_sitecustomize_that_fails_is_reported_as_bare(interpreter, tmp_path):
    place = tmp_path / "customs"
    place.mkdir()
    runner = Runner(interpreter, tmp_path, {"PYTHONPATH": str(place)})

    for failure in ("import no_such_module_at_all", "raise ValueError"):
        (place / "sitecustomize.py").write_text(FAILING.format(failure))
        runner.both("-c", SEE)


def test_usercustomize_of_the_program_runs_once(interpreter, tmp_path):
    # A virtual environment has no user site: ask the interpreter that it was made from.
    ask = "import sys; print(sys._base_executable)"
    base = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    environment = {"PYTHONUSERBASE": str(tmp_path / "user")}
    where = "import site; print(site.getusersitepackages() if site.ENABLE_USER_SITE else '')"
    place = subprocess.run(
        [base, "-c", where], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout.strip()
    if not place:
        pytest.skip("this Python has no user site")
    Path(place).mkdir(parents=True)
    (Path(place) / "usercustomize.py").write_text(CUSTOM.format(name="usercustomize"))

    Runner(base, tmp_path, environment).both("-c", SEE)
