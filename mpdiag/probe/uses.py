"""What this process does with queues, pipes, managers and locks: exact counts by object, operation and user's line.

A ``Counter`` is one operation on one object in one process. Hooks compare the calling frame with the counter's last
one themselves (a call would cost as much as the counting) and ask ``Counter.find`` only where another line calls:

    last = counter.last
    try:
        frame = getframe(2)
        if frame.f_code is not last[0] or frame.f_lasti != last[1] or session.epoch != last[2]:
            last = counter.find(frame)
    except ValueError:  # the program's function was called by C itself, by atexit say
        last = counter.find(None)
    words, first = last[3], last[4]
    words[first] += 1
    if not words[first] & counter.mask:
        counter.sample(last, now, size, blocked, busy)

``words[i] += n`` is one step for other threads: the interpreter switches at calls and jumps, and there is none in it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

    from mpdiag.probe.recorder import Recorder
    from mpdiag.probe.sampling import Plan
    from mpdiag.probe.session import Session

    Last = tuple[CodeType | None, int, int, memoryview, int, int]

MOST = 2000
"""Objects of one kind told apart in one process; further ones are counted together, as object 0."""
COUNT, BYTES, BLOCKED, BUSY, TIMED = range(5)
"""Words of a ``use`` from its first one; of a ``lock``: acquired, contended, waited, held, timed."""
NOWHERE = memoryview(bytearray(64)).cast("Q")
"""Counters that nobody will see, where there is no room for a record (the recorder has counted that)."""


class Counter:
    """One operation on one object; ``last`` is what its last caller's line counts into.

    ``last`` holds the caller's code and instruction, the session's epoch, the words and the index of the first, and the
    number of the site.
    """

    __slots__ = ("kind", "last", "lock", "mask", "object", "operation", "session")

    def __init__(self, session: Session, kind: str, operation: str, identity: int, *, lock: bool = False) -> None:
        """Count ``operation`` on the object of this identity and kind; acquisitions, if it is a ``lock``."""
        self.session = session
        self.kind = kind
        self.operation = operation
        self.object = identity
        self.lock = lock
        self.last: Last = (None, 0, -1, NOWHERE, 0, 0)
        self.mask = 0
        """Of a line's operations those are timed whose number has none of these bits."""

    def find(self, frame: FrameType | None) -> Last:
        """Where the user's line at or above ``frame`` counts into; remembered if that is the frame's own line."""
        session = self.session
        try:
            uses = session.uses
            while frame is not None and uses.is_library(frame.f_code):
                frame = frame.f_back
            last = self.last
            if frame is not None and frame.f_code is last[0] and frame.f_lasti == last[1] and session.epoch == last[2]:
                return last
            site = uses.site(frame)
            words, first = uses.words(self, site)
            found: Last = (None, 0, session.epoch, words, first, site)
            if frame is not None and not uses.is_library(frame.f_code):
                found = (frame.f_code, frame.f_lasti, session.epoch, words, first, site)
                self.last = found
        except Exception as error:  # the program's operation goes on uncounted; the loss is reported
            session.fail("counting " + self.operation, error)
            return (None, 0, -1, NOWHERE, 0, 0)
        return found

    def sample(self, last: Last, now: int, size: int, blocked: int, busy: int) -> None:
        """Record one operation, whatever its number."""
        try:
            self.session.uses.record(self, last, now, size, blocked, busy)
        except Exception as error:  # the program's operation goes on; the loss is reported
            self.session.fail("timing " + self.operation, error)


class Uses:
    """The books of one process."""

    __slots__ = ("_entries", "_objects", "_recorder", "plan", "session")

    def __init__(self, session: Session) -> None:
        """Begin with none; the recorder is opened with the first entry."""
        self.session = session
        self._recorder: Recorder | None = session.recorder
        self.plan: Plan | None = None if self._recorder is None else self._recorder.plan()
        self._entries: dict[tuple[str, str, int, int], tuple[memoryview, int]] = {}
        self._objects: dict[str, set[int]] = {}

    def is_library(self, code: CodeType) -> bool:
        """Whether this code has been found to be a library's."""
        return self._recorder is not None and self._recorder.sites.is_library(code)

    def site(self, frame: FrameType | None) -> int:
        """The number of the user's line at or above ``frame``."""
        return 0 if self._recorder is None else self._recorder.sites.caller(frame)[0]

    def words(self, counter: Counter, site: int) -> tuple[memoryview, int]:
        """The live words of a counter at a site, and the index of their first."""
        recorder = self._recorder
        if recorder is None:
            return NOWHERE, 0
        identity = self._told_apart(counter.kind, counter.object)
        key = (counter.kind, counter.operation, identity, site)
        entry = self._entries.get(key)
        if entry is None:
            kind, operation = recorder.text(counter.kind), recorder.text(counter.operation)
            name = "lock" if counter.lock else "use"
            made = recorder.live(name, 0, 0, 0, 0, 0, identity, site, operation, kind)
            entry = self._entries[key] = made or (NOWHERE, 0)
        return entry

    def _told_apart(self, kind: str, identity: int) -> int:
        known = self._objects.get(kind)
        if known is None:
            known = self._objects[kind] = set()
        if identity in known:
            return identity
        if len(known) >= MOST:
            return 0
        known.add(identity)
        return identity

    def event(  # noqa: PLR0913, PLR0917 - positional and flat: this is the hot path
        self, counter: Counter, last: Last, now: int, size: int, blocked: int, busy: int
    ) -> None:
        """Record the operation that was just counted in ``last``, if its number is one to be timed; see ``record``."""
        if not last[3][last[4]] & counter.mask:
            self.record(counter, last, now, size, blocked, busy)

    def record(  # noqa: PLR0913, PLR0917 - positional and flat: this is the hot path
        self, counter: Counter, last: Last, now: int, size: int, blocked: int, busy: int
    ) -> None:
        """Record one operation of ``size`` bytes that ended ``now``, blocked and busy for so long (ns)."""
        plan, recorder = self.plan, self._recorder
        if plan is None or recorder is None:
            return
        text = recorder.text
        recorder.put(
            "event",
            now,
            last[3][last[4]],
            size,
            counter.object,
            blocked,
            busy,
            last[5],
            text(counter.operation),
            text(counter.kind),
            weight=counter.mask.bit_length(),
        )
        plan.spend(now)
        if now > plan.until:
            plan.relax(now)
        counter.mask = (1 << plan.shift) - 1
