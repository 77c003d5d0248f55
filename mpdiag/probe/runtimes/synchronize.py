"""Locks: every acquisition is counted at the user's line, the contended ones are timed, the holding in samples.

A lock of the user's has its C object ``_semlock`` replaced by a ``Gate`` when its methods are made: what the library's
own code does with it (``with``, conditions, synchronised values) goes through the gate, and no class is touched. Locks
that the library makes for itself stay as they are.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter_ns

from mpdiag.probe.site import BEFORE_3_10, LIBRARIES, REMEMBERED
from mpdiag.probe.uses import NOWHERE, Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType, ModuleType
    from typing import Any

    from mpdiag.probe.session import Session

    Entry = tuple[CodeType | None, int, int, memoryview, int, int, Counter]
    """As a counter's ``last``, and the counter."""

MAKERS = frozenset({"multiprocessing.synchronize", "multiprocessing.context"})
SHARED = "multiprocessing.sharedctypes"
VALUE = "Value lock"
COMPOUND = ("Condition", "Event")
PERIOD = 61
"""The first so many acquisitions of a line have their holding timed, and then one in so many of the lock: a prime, so
that lines which take turns all have theirs."""


class Gate:
    """What stands in for the C object of a user's lock: the same methods, of which four are ours."""

    __slots__ = ("__enter__", "__exit__", "acquire", "release", "semaphore", "through", "watch")

    def __init__(self, semaphore: Any, watch: Watch) -> None:
        """Let through to ``semaphore``; the caller sets those of its methods that are ours."""
        self.semaphore, self.watch = semaphore, watch
        self.release, self.__exit__ = semaphore.release, semaphore.__exit__

    def __getattr__(self, name: str) -> Any:
        """Everything else is the semaphore's: handle, kind, maxvalue, name."""
        return getattr(self.semaphore, name)


def install(module: ModuleType, session: Session) -> None:
    """Patch ``multiprocessing.synchronize``."""
    Locks(module, session)


def plain(lock: Any) -> None:
    """Take the overlay off again: this lock, or condition, turned out to be the library's own."""
    waiting = getattr(lock, "_wait_semaphore", None)
    if waiting is not None:
        for part in (lock._lock, lock._sleeping_count, lock._woken_count, waiting):
            plain(part)
        waiting.acquire = waiting._semlock.acquire
        lock.acquire, lock.release = lock._lock.acquire, lock._lock.release
        return
    gate = getattr(lock, "_semlock", None)
    if type(gate) is Gate:
        lock._semlock = semaphore = gate.semaphore
        lock.acquire, lock.release = semaphore.acquire, semaphore.release


class Watch:
    """One operation on one lock in this process: what its callers' lines count into."""

    __slots__ = ("known", "label", "last", "locks", "object", "operation", "session", "unpickled")

    def __init__(self, locks: Locks, operation: str, identity: int, label: str, *, unpickled: bool) -> None:
        """Count ``operation`` on the lock of this identity, under ``label`` where no library function says better."""
        self.locks, self.session = locks, locks.session
        self.operation, self.object = operation, identity
        self.label, self.unpickled = label, unpickled
        self.known: dict[tuple[int, int], Entry] = {}
        self.last: Entry = (None, 0, -1, NOWHERE, 0, 0, Counter(self.session, label, operation, identity, lock=True))

    def find(self, frame: FrameType | None) -> Entry:
        """What the user's line at or above ``frame`` counts into."""
        between, label = self.locks.between, self.label
        if frame is not None and between.get(id(frame.f_code), ("",))[0] == "Event":  # its flag, never waited for
            return (None, 0, self.session.epoch, NOWHERE, 0, 0, self.last[6])
        while frame is not None:
            code = frame.f_code
            passed = between.get(id(code))
            if passed is None:
                found = self.known.get((id(code), frame.f_lasti))
                if found is not None and found[2] == self.session.epoch:
                    return found
                if not self.locks.passes(frame):
                    break
            else:
                label = passed[0] or label
            frame = frame.f_back
        return self._enter(frame, label)

    def _enter(self, frame: FrameType | None, label: str) -> Entry:
        session, uses = self.session, self.session.uses
        counter, site = Counter(session, label, self.operation, self.object, lock=True), uses.site(frame)
        words, first = uses.words(counter, site)
        if frame is None:
            return (None, 0, session.epoch, words, first, site, counter)
        found: Entry = (frame.f_code, frame.f_lasti, session.epoch, words, first, site, counter)
        if len(self.known) >= REMEMBERED:
            self.known.clear()
        self.known[id(frame.f_code), frame.f_lasti] = self.last = found
        return found


class Locks:
    """The locks of this process."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        """Patch ``module``."""
        self.module: Any = module
        self.session, self.shared = session, False
        self.standard = getattr(sys, "stdlib_module_names", BEFORE_3_10)
        self.between: dict[int, tuple[str, CodeType]] = {}
        """Code of the library between a lock and the user's line, and what a lock is that is used from there."""
        owners = {self.module.SemLock: "", self.module.threading.Barrier: "Barrier"}
        owners.update((getattr(self.module, name), name) for name in COMPOUND)
        for owner, label in owners.items():
            for function in vars(owner).values():
                code = getattr(function, "__code__", None)
                if code is not None:
                    self.between[id(code)] = (label, code)
        self.making = {id(getattr(self.module, name).__init__.__code__): name for name in COMPOUND}
        session.patches.replace(self.module.SemLock, "_make_methods", self._make_methods)
        session.patches.replace(self.module.Condition, "_make_methods", self._make_condition)

    def passes(self, frame: FrameType) -> bool:
        """Whether this is a library's code and not the user's; remembers it."""
        name, code = frame.f_globals.get("__name__"), frame.f_code
        # The accessors of a synchronised value are made by exec without a name.
        accessor = name is None and code.co_filename == "<string>" and code.co_name[:3] in {"get", "set"}
        if not accessor and not self.is_library(str(name)):
            return False
        if len(self.between) < REMEMBERED:
            self.between[id(code)] = ("", code)
        return True

    def is_library(self, name: str) -> bool:
        """Whether the module of this name is nobody's own."""
        root = name.partition(".")[0]
        return root in self.standard or root in LIBRARIES

    def _make_methods(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def _make_methods(lock: Any) -> None:
            original(lock)
            try:
                self._made(lock, sys._getframe(1))
            except Exception as error:
                self.session.fail("lock creation", error)

        return _make_methods

    def _made(self, lock: Any, frame: FrameType) -> None:
        unpickled = frame.f_code.co_name != "__init__"
        label, semaphore = type(lock).__name__, lock._semlock
        self._see_values()
        if not unpickled:
            maker = self._maker(frame)
            if maker is None or (maker in COMPOUND and semaphore.maxvalue != 1):
                return
            label = maker or label
        name = semaphore.name  # it ends in eight random characters
        identity = int.from_bytes(name.encode()[-8:] if name else os.urandom(8), "little") or 1
        watch = Watch(self, "acquire", identity, label, unpickled=unpickled)
        gate = overlay(watch, semaphore, recursive=semaphore.kind == self.module.RECURSIVE_MUTEX)
        lock._semlock, lock.acquire, lock.release = gate, gate.acquire, gate.release

    def _maker(self, frame: FrameType | None) -> str | None:
        """What the lock being made is for; None if the library makes it for itself, empty if it is just a lock."""
        inside = ""
        while frame is not None:
            name = str(frame.f_globals.get("__name__"))
            if name not in MAKERS:
                if name == SHARED:
                    return VALUE
                return None if self.is_library(name) else inside
            inside = self.making.get(id(frame.f_code), inside)
            frame = frame.f_back
        return inside

    def _make_condition(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def _make_methods(condition: Any) -> None:
            try:
                self._made_condition(condition)
            except Exception as error:
                self.session.fail("condition creation", error)
            original(condition)

        return _make_methods

    @staticmethod
    def _made_condition(condition: Any) -> None:
        gate = condition._lock._semlock
        for counting in (condition._sleeping_count, condition._woken_count, condition._wait_semaphore):
            plain(counting)
        if type(gate) is not Gate:
            return
        watch, semaphore = gate.watch, condition._wait_semaphore
        if watch.unpickled and watch.label == "RLock":
            watch.label = "Condition"
        waiting = Watch(watch.locks, "wait", watch.object, "Condition", unpickled=watch.unpickled)
        semaphore.acquire = overlay(waiting, semaphore._semlock).acquire

    def _see_values(self) -> None:
        """Synchronised values copy the methods of their lock; unpickled, it is only then known what that is for."""
        module = sys.modules.get(SHARED)
        if module is None or self.shared:
            return
        self.shared = True

        def make(original: Callable[..., None]) -> Callable[..., None]:
            def __init__(value: Any, *args: Any, **kwargs: Any) -> None:
                original(value, *args, **kwargs)
                try:
                    gate = getattr(value._lock, "_semlock", None)
                    if type(gate) is Gate:
                        value.acquire = gate.through
                        gate.watch.label = VALUE if gate.watch.unpickled else gate.watch.label
                except Exception as error:
                    self.session.fail("synchronised value", error)

            return __init__

        self.session.patches.replace(module.SynchronizedBase, "__init__", make)


def overlay(watch: Watch, semaphore: Any, *, recursive: bool = False) -> Any:  # noqa: C901, PLR0915 - closures
    """Make the gate to ``semaphore``: its callers are counted by ``watch``.

    The line is looked up before the lock is taken, and what can be written afterwards is written when it is released:
    what happens in between, all others wait for. To take a recursive lock again that one holds is not counted: nobody
    waits for that.
    """
    session, find, clock, getframe = watch.session, watch.find, perf_counter_ns, sys._getframe
    take, give, depth, mine = semaphore.acquire, semaphore.release, semaphore._count, semaphore._is_mine
    at_once, mutex = False, semaphore.maxvalue == 1
    gate: Any = Gate(semaphore, watch)
    since = waited = taken = 0
    lost = holding = older = watch.last

    def acquire(block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - the original's
        if recursive and depth() and mine():
            return take(block, timeout)
        if block is False:
            return attempt(timeout)
        entry = watch.last
        try:
            frame = getframe(1)
            if frame.f_code is not entry[0] or frame.f_lasti != entry[1] or session.epoch != entry[2]:
                entry = search(frame)
        except Exception as error:
            entry = nowhere(error)
        if (block is True and timeout is None) or (type(block) is bool and type(timeout) in {int, float}):
            return admit(entry, block, timeout)
        return take(block, timeout) and counted(entry)  # what the original would refuse, it refuses

    def enter() -> Any:
        nonlocal since, taken
        if recursive and depth() and mine():
            return take()
        entry = watch.last
        try:
            frame = getframe(2)
            if frame.f_code is not entry[0] or frame.f_lasti != entry[1] or session.epoch != entry[2]:
                entry = search(frame)
        except Exception as error:
            entry = nowhere(error)
        if not take(at_once):  # from here on as ``admit``, but without a call
            return acquire_blocked(entry)
        entry[3][entry[4]] += 1
        since, taken = 0, taken + 1
        if taken < PERIOD or not taken % PERIOD:
            begin_holding(entry, clock(), 0)
        return True

    def through(block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - the original's
        """``acquire``, called by an accessor of a synchronised value: one line often reads and writes it in turn."""
        nonlocal older
        if recursive and depth() and mine():
            return take(block, timeout)
        if block is not True or timeout is not None:
            return acquire(block, timeout)
        try:
            frame = getframe(2)
            code, instruction, entry = frame.f_code, frame.f_lasti, watch.last
            if code is not entry[0] or instruction != entry[1] or session.epoch != entry[2]:
                entry = older
                if code is not entry[0] or instruction != entry[1] or session.epoch != entry[2]:
                    older = watch.last
                    entry = search(getframe(1))
        except Exception as error:
            entry = nowhere(error)
        return admit(entry)

    def admit(entry: Entry, block: Any = True, timeout: Any = None) -> Any:  # noqa: FBT002 - the original's
        nonlocal since, taken
        if not take(at_once):
            return acquire_blocked(entry, block, timeout)
        entry[3][entry[4]] += 1
        since, taken = 0, taken + 1
        if taken < PERIOD or not taken % PERIOD:
            begin_holding(entry, clock(), 0)
        return True

    def nowhere(error: Exception) -> Entry:
        """The line could not be found; or there is none, where C itself calls: the lock's method is a thread's, say."""
        if type(error) is ValueError and error.__traceback__ is not None and error.__traceback__.tb_next is None:
            try:
                return find(None)
            except Exception as another:
                error = another
        session.fail("counting locks", error)  # the program's operation goes on uncounted
        return lost

    def search(frame: FrameType | None) -> Entry:
        nonlocal taken
        entry = find(frame)
        if entry[3][entry[4]] < PERIOD:
            taken = 0
        return entry

    def attempt(timeout: Any) -> Any:
        """Not wanting to wait; counted where it succeeds."""
        if not take(at_once, timeout):
            return False
        try:
            entry = search(getframe(2))
        except Exception as error:
            entry = nowhere(error)
        return counted(entry)

    def counted(entry: Entry) -> bool:
        entry[3][entry[4]] += 1
        begin_holding(entry, clock(), 0)
        return True

    def acquire_blocked(entry: Entry, block: Any = True, timeout: Any = None) -> Any:  # noqa: FBT002 - the original's
        words, first = entry[3], entry[4]
        words[first + 1] += 1
        began = now = clock()
        try:
            got = take(block, timeout)
        finally:
            now = clock()
            words[first + 2] += now - began
        if got:
            words[first] += 1
            if mutex:
                begin_holding(entry, now, now - began)
            else:
                note(entry, now, now - began, 0)
        return got

    def begin_holding(entry: Entry, now: int, blocked: int) -> None:
        nonlocal since, waited, holding
        if mutex:
            holding, waited, since = entry, blocked, now

    def release() -> Any:
        return end_holding() if since else give()

    def leave(*_: Any) -> Any:
        return end_holding() if since else give()

    def end_holding() -> Any:
        nonlocal since
        if recursive and (depth() != 1 or not mine()):
            return give()
        now, began, entry, blocked, since = clock(), since, holding, waited, 0
        result = give()
        if entry[2] == session.epoch:  # else begun by the parent, before a fork
            words, first = entry[3], entry[4]
            words[first + 3] += now - began
            words[first + 4] += 1
            if blocked:
                note(entry, began, blocked, now - began)
        return result

    def note(entry: Entry, now: int, blocked: int, held: int) -> None:
        try:
            session.uses.event(entry[6], entry[:6], now, 0, blocked, held)
        except Exception as error:
            session.fail("timing locks", error)

    gate.acquire, gate.__enter__, gate.through = acquire, enter, through
    if mutex:
        gate.release, gate.__exit__ = release, leave
    return gate
