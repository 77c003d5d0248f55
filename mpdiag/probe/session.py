"""The probe's one session in this process: where to record, and what has gone wrong.

``recorder`` opens the memory-mapped segment when something is first recorded, so that a process which never uses
multiprocessing pays for a 512-byte header only.
"""

from __future__ import annotations

import _signal
import _thread
import os
import sys
from time import perf_counter_ns, time_ns

from mpdiag.probe import loading
from mpdiag.probe.function import FUNCTION, unwrap
from mpdiag.wire import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mpdiag.probe.importing import Stopwatch
    from mpdiag.probe.patch import Patches
    from mpdiag.probe.recorder import Recorder
    from mpdiag.probe.uses import Uses

PATIENCE_S = 1.0
"""How long a thread waits for another one that opens the recorder; then what it had to say is lost."""

current: Session | None = None
"""The session of this process: beside ``loading`` the only state the probe keeps in a global."""


class Session:
    """One process's recording; a forked child turns the inherited one into its own."""

    def __init__(self, directory: str, budget: float) -> None:
        """Record into run directory ``directory``, spending at most ``budget`` (a share of wall time) on timings."""
        self.directory = directory
        self.budget = budget
        self.uid = b""
        self.birth: tuple[str, bytes] | None = None
        self.targets: list[tuple[Any, Callable[..., None]]] = []
        """(function, overlay): what to do in a child whose Process target is that function."""
        self._patches: Patches | None = None
        self.faults: dict[str, str] = {}
        self._recorder: Recorder | None = None
        self._kind: type[Recorder] | None = None
        """Imported at its first use: a forked child need not go through the import system again."""
        self._units: tuple[float, float] | None = None
        self._image = b""
        """What the headers of this process image and of its forked children have in common."""
        self._kept: list[Recorder] = []
        self._lock = _thread.allocate_lock()
        self._opener = 0
        self.epoch = 0
        """Of this process: what was noted in another one, before a fork, is another process's."""
        self._uses: Uses | None = None
        self.imports: Stopwatch | None = None
        """Of a spawned process that is starting up."""
        self._unbooked = 0
        """Nanoseconds spent on setting up before there was a recorder to account for them."""

    def born(self, cause: str) -> None:
        """Write this process's header. A full disk or a missing directory leaves the process without a record."""
        name, raw = self._named(cause)
        self.birth = None
        try:
            header.create(self.directory, name, raw)
        except OSError:
            return  # the supervisor sees a process without a record and reports the loss
        self.birth = (name, raw)

    def _named(self, cause: str) -> tuple[str, bytes]:
        """A new identity: the name of this process's files, and their header."""
        parent, self.uid = self.uid, os.urandom(8)
        pid, now = os.getpid(), perf_counter_ns()
        if not self._image or not hasattr(sys, "orig_argv"):  # Python 3.9 knows its arguments only later
            self._image = header.encode(**header.fields(0, 0, 0, b""), python=sys.hexversion, argv=_command_line())
        number = header.CAUSES.index(cause)
        raw = header.renewed(self._image, number, pid, os.getppid(), self.uid, parent, now, time_ns())
        return header.identity(pid, now, self.uid), raw

    def book(self, began: int) -> None:
        """Account for what setting up has taken since ``began``."""
        spent = perf_counter_ns() - began
        if self._recorder is None:
            self._unbooked += spent
        else:
            self._recorder.booked(spent)

    def forked(self) -> None:
        """Begin anew in a forked child: its own file, before any other Python code runs."""
        # First of all: a child that is interrupted in here (KeyboardInterrupt, MemoryError) must not write into its
        # parent's file.
        inherited, self._recorder, self.birth = self._recorder, None, None
        watch, self.imports = self.imports, None
        self.epoch, self._uses = self.epoch + 1, None
        try:
            if inherited is not None:
                self._kept.append(inherited)  # its memory map must never go, see wire.segment
                inherited.abandon()
            began, self._unbooked = perf_counter_ns(), 0
            self._lock, self._opener = _thread.allocate_lock(), 0  # another thread of the parent may have held it
            loading.forked()
            if watch is not None:
                watch.cancel()
            self.faults.clear()
            if inherited is None:
                self.born("fork")
            else:
                self._succeed(inherited)
            self.book(began)
        except Exception as error:  # an exception here would be printed by the interpreter
            self.fail("fork", error)

    def _succeed(self, inherited: Recorder) -> None:
        """Open a recorder at once where the parent had one: to make the file and open it later would cost more."""
        parent, self._units = self.uid, inherited.units
        born = self._named("fork")
        try:
            self._recorder = type(inherited)(self.directory, born, self.budget, self._units, fresh=True)
            self.birth = born
        except (OSError, ValueError):  # no room for records, but perhaps for a header
            self.uid = parent
            self.born("fork")
            if self.birth is None:
                inherited.count_lost()

    @property
    def patches(self) -> Patches:
        """The patches made here."""
        if self._patches is None:
            from mpdiag.probe.patch import Patches

            self._patches = Patches()
        return self._patches

    @property
    def recorder(self) -> Recorder | None:
        """The open recorder, or None where it could not be opened or has been switched off."""
        if self._recorder is None and self.birth is not None:
            # Two recorders would overwrite each other. A finaliser or a signal handler that has interrupted the opening
            # in this very thread goes without; another thread waits, though not for ever.
            me = _thread.get_ident()
            if self._opener != me and self._lock.acquire(timeout=PATIENCE_S):
                self._opener = me
                try:
                    self._open()
                finally:
                    self._opener = 0
                    self._lock.release()
        return self._recorder

    @property
    def uses(self) -> Uses:
        """The books of what this process does with queues, pipes, managers and locks."""
        if self._uses is None:
            from mpdiag.probe.uses import Uses

            self._uses = Uses(self)
        return self._uses

    def _open(self) -> None:
        if self._recorder is not None or self.birth is None:
            return  # another thread was faster
        began = perf_counter_ns()
        try:
            if self._kind is None:
                with loading.loading():
                    from mpdiag.probe.recorder import Recorder
                self._kind = Recorder
            recorder = self._kind(self.directory, self.birth, self.budget, self._units)
            recorder.booked(self._unbooked + perf_counter_ns() - began)
            self._recorder = recorder
        except (OSError, ValueError) as error:  # no room, no rights, no descriptors
            self._give_up(getattr(error, "errno", None) or 0)

    def _give_up(self, errno: int) -> None:
        birth, self.birth = self.birth, None
        if birth is not None:
            try:
                header.mark_fault(header.path_of(self.directory, birth[0], 0), errno)
            except OSError:
                self.faults["open"] = "not noted"  # a worker that recorded nothing is reported as a loss all the same

    def fail(self, hook: str, error: BaseException) -> None:
        """Record that a hook failed (once each): a loss in the report, never an exception in the program.

        What a signal handler of the program's raised meanwhile is the program's, and goes on to it.
        """
        try:
            handlers = _is_a_handlers(error)
        except Exception:  # it cannot be told: what is left is to keep it from the program
            handlers = False
        if handlers:
            raise error
        if hook in self.faults:
            return
        self.faults[hook] = type(error).__name__
        try:
            recorder = self.recorder
            if recorder is not None:
                recorder.loss(hook, f"{type(error).__name__}: {error}")
        except Exception:  # the record of the failure failed: the fault is kept in self.faults
            self.birth = None


def _is_a_handlers(error: BaseException) -> bool:
    """Whether a signal handler raised ``error``: it has a frame of one.

    What a hook came across in the program's data, a hostile ``__getattr__`` say, may also have frames of the program's,
    and must not get out: it would end a handler thread or a worker's loop.
    """
    handlers = set()
    for number in range(1, _signal.NSIG):
        try:
            handler = unwrap(_signal.getsignal(number))
        except ValueError:  # the C library's own
            continue
        called = handler if type(handler) is FUNCTION else unwrap(type(handler).__call__)
        handlers.add(getattr(called, "__code__", None))
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in handlers:
            return True
        traceback = traceback.tb_next
    return False


def _command_line() -> bytes:
    arguments = getattr(sys, "orig_argv", None) or getattr(sys, "argv", [])
    return " ".join(arguments).encode("utf-8", "backslashreplace")
