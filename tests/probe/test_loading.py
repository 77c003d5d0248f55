"""Imports of the probe's own: by several threads at once, and across a fork in the middle of one."""

import importlib.util
import os
import sys
import threading
from importlib.machinery import PathFinder

import pytest

from mpdiag.probe import loading as loading_module
from mpdiag.probe.loading import forked, loading, parts

NAMES = ("mpdiag.probe.parts", "mpdiag.probe.weigh")
LIMIT_S = 10


@pytest.fixture(autouse=True)
def unloaded(monkeypatch):
    """Nothing of it loaded, and all of it as before afterwards."""
    import mpdiag.probe.parts as module  # noqa: PLC0415
    import mpdiag.probe.weigh as other  # noqa: PLC0415

    for name, loaded in zip(NAMES, (module, other), strict=True):
        monkeypatch.setitem(sys.modules, name, loaded)
        del sys.modules[name]
    monkeypatch.setattr(loading, "parts", None)
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)


class Pause:
    """A finder that lets the import of one module wait half-way, before it runs what it imports itself.

    Not in the finder, where the import system holds a lock that a fork waits for.
    """

    def __init__(self):
        self.reached, self.go_on = threading.Event(), threading.Event()

    def find_spec(self, name, path=None, _target=None):
        if name != NAMES[1] or self.reached.is_set():
            return None
        spec = PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def exec_module(module):
            self.reached.set()
            assert self.go_on.wait(LIMIT_S)
            execute(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


@pytest.fixture
def pause(monkeypatch):
    finder = Pause()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    return finder


def test_a_module_that_another_thread_still_executes_is_waited_for(pause):
    found = []
    threads = [threading.Thread(target=lambda: found.append(parts().Call)) for _ in range(3)]
    threads[0].start()
    assert pause.reached.wait(LIMIT_S)
    for thread in threads[1:]:
        thread.start()
    threads[1].join(0.1)
    pause.go_on.set()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert loading.depth == 0


@pytest.mark.timeout(60)
def test_a_child_forked_in_the_middle_of_a_load_loads_for_itself(pause, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    thread = threading.Thread(target=parts)
    thread.start()
    assert pause.reached.wait(LIMIT_S)
    assert NAMES[0] in sys.modules
    pid = os.fork()
    if pid == 0:
        try:
            forked()
            os._exit(0 if sys.dont_write_bytecode and NAMES[0] not in sys.modules and parts().Call else 1)
        finally:
            os._exit(2)
    pause.go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("name", [True, False], ids=["with mpdiag", "without"])
def test_overlapping_loads_leave_everything_as_it_was(before, name, monkeypatch):
    if not name:
        monkeypatch.delitem(sys.modules, "mpdiag")
    monkeypatch.setattr(sys, "dont_write_bytecode", before)
    first, second = loading(), loading()
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert (sys.dont_write_bytecode, "mpdiag" in sys.modules) == (False, True)
    second.__exit__()
    assert (sys.dont_write_bytecode, "mpdiag" in sys.modules) == (before, name)


def test_a_load_begun_before_a_fork_ends_without_effect(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    begun = loading()
    begun.__enter__()
    forked()
    assert sys.dont_write_bytecode
    begun.__exit__()
    assert loading.depth == 0


def test_without_the_import_systems_locks_a_fork_is_survived(monkeypatch):
    monkeypatch.setitem(sys.modules, "_frozen_importlib", importlib.util)
    with loading():
        loading_module.forked()
    assert loading.depth == 0
