"""One pool in its parent: which job comes from which line, and the live, exact counts of what was sent and collected.

Shared by ``Pool`` and ``ProcessPoolExecutor``. Submissions come from any thread, sending and collecting from one thread
each: a live counter has one writer, so no lock is needed.
"""

from __future__ import annotations

import _thread
import sys
import time
from time import perf_counter_ns

from mpdiag.probe import function
from mpdiag.probe.function import FUNCTION
from mpdiag.probe.loading import parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

    from mpdiag.probe.parts import Ledger as Parts
    from mpdiag.probe.session import Session


LARGEST = 0xFFFFFFFF
"""What a field of four bytes holds; a chunk size beyond it is as good as this."""
REFERENCE = 12
"""Pickled bytes of a function that goes by reference, beside its name."""


class Entry:
    """One origin's numbers: ``words[sent]`` and ``words[collected]`` are the first of their live counters."""

    __slots__ = ("callable", "collected", "collected_words", "number", "sent", "sent_words", "share")

    def __init__(self, number: int, sent: tuple[memoryview, int], collected: tuple[memoryview, int]) -> None:
        """Hold the places of origin ``number``."""
        self.number = number
        self.sent_words, self.sent = sent
        self.collected_words, self.collected = collected
        self.callable = 0
        """Estimated bytes of a small message that are its callable."""
        self.share = 0.0
        """The callable's share of a large message, as last looked into."""


class Place:
    """Where tasks of one pool are submitted from: a site and the library method it calls."""

    __slots__ = ("code", "entries", "entry", "mapped", "method", "site")

    def __init__(self, site: int, method: str) -> None:
        """Begin with no entry."""
        self.site = site
        self.method = method
        self.mapped = method.startswith("imap")
        """Its jobs have many tasks and no size that is known from the start."""
        self.code: CodeType | None = None
        self.entry: Any = None
        """The entry of the function called last, which is recognised by ``code``."""
        self.entries: dict[Any, Entry] = {}


class Ledger:
    """The books of one pool."""

    __slots__ = (
        "_created",
        "_creator",
        "_last",
        "_nowhere",
        "_opened",
        "_parts",
        "_places",
        "began_to_end",
        "broken",
        "channel",
        "ending",
        "live",
        "number",
        "pending",
        "plan",
        "recorder",
        "session",
        "site",
        "sites",
        "sized",
    )

    def __init__(self, session: Session, channel: int, frame: FrameType | None) -> None:
        """Open the books of the pool whose task pipe has inode ``channel``, made by the user's line above ``frame``.

        Raises RuntimeError when this process cannot record.
        """
        recorder = session.recorder
        if recorder is None:
            raise RuntimeError
        self.session = session
        self.recorder = recorder
        self.channel = channel
        self.number = recorder.text(f"pool {channel}")
        self._creator = _thread.get_ident()
        self._created = (perf_counter_ns(), self._creator_cpu())
        self._opened = False
        self.sites = recorder.sites
        self._parts: Parts | None = None
        self.plan = recorder.plan()
        """Shared by the sending and the collecting thread: only the latter sees the clock at every task."""
        self.broken = False
        self.ending = False
        self.began_to_end = 0
        self.sized: dict[int, tuple[int, int]] = {}
        """Job -> items and chunk size of a map call, until its first task is sent."""
        self.pending: dict[int, tuple[Place, int]] = {}
        """Job -> place and time of its submission, until its first task is sent."""
        self.live: dict[int, Entry] = {}
        """Job -> its entry, until its last result is collected."""
        self._places: dict[tuple[int, str], Place] = {}
        self._nowhere = (Place(0, ""), 0)
        self._last: tuple[Any, Any, int, Place] = (None, None, 0, self._nowhere[0])
        """Of the last submission: the library's code, the user's code that called it, the instruction, the place."""
        self.site = self.sites.caller(frame)[0]

    def opened(self, workers: int, maxtasks: int, method: str, initializer: str, flags: int = 0) -> None:
        """Record the pool: its workers have been started."""
        created, cpu = self._created
        text = self.recorder.text
        self._opened = True
        self.recorder.put(
            "pool",
            created,
            perf_counter_ns(),
            self.channel,
            self.number,
            self.site,
            min(workers, LARGEST),
            min(maxtasks, LARGEST),
            text(method),
            text(initializer),
            cpu,
            flags=flags,
        )

    def closed(self, begin: int) -> None:
        """Record, once, that the pool has ended just now and began to end at ``begin``."""
        if self._opened:
            self._opened = False
            self.recorder.put("pool_end", begin, perf_counter_ns(), self.number, self._creator_cpu())

    def _creator_cpu(self) -> int:
        """CPU time of the thread that made the pool (ns), 0 where it cannot be asked for from here."""
        if _thread.get_ident() == self._creator:
            return time.thread_time_ns()
        # Another thread's clock may be read only while that thread surely lives, as the main thread does.
        main = getattr(sys.modules.get("threading"), "_main_thread", None)
        if main is None or main.ident != self._creator:
            return 0
        return time.clock_gettime_ns(time.pthread_getcpuclockid(self._creator))

    def submitted(self, job: int, frame: FrameType) -> None:
        """Note that ``job`` was submitted now, by the user's line above ``frame``."""
        last = self._last
        back = frame.f_back
        # Nearly always the same line as the time before: compared here, a walk up the frames would cost three times as
        # much.
        if back is None or back.f_code is not last[1] or back.f_lasti != last[2] or frame.f_code is not last[0]:
            place = self._placed(frame)
        else:
            place = last[3]
        self.pending[job] = (place, perf_counter_ns())

    def _placed(self, frame: FrameType) -> Place:
        """The place of a submission by the user's line above ``frame``; remembered if that line called it directly."""
        key = self.sites.caller(frame)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(*key)
        if frame.f_back is not None and self.sites.adjacent(frame):
            self._last = (frame.f_code, frame.f_back.f_code, frame.f_back.f_lasti, place)
        return place

    def open(self, job: int, called: Any) -> tuple[Entry, int]:
        """The entry of ``job``, which calls ``called``, and when it was submitted."""
        place, submitted = self.pending.pop(job, self._nowhere)
        if type(called) is FUNCTION and called.__code__ is place.code:
            entry = place.entry
        else:
            entry = self._entry(place, called)
        self.live[job] = entry
        if place.mapped or self.sized:
            length, chunksize = self.sized.pop(job, (0, 0))
            if length or place.mapped:
                self.recorder.put("job", submitted, job, entry.number, length, min(chunksize, LARGEST))
        return entry, submitted

    def _entry(self, place: Place, called: Any) -> Entry:
        """The entry of what a place calls, which is not what it called the time before."""
        # A function is recognised by its code; what else is called must not be kept alive here, so by name.
        code = called.__code__ if type(called) is FUNCTION else None
        key = code or function.name(called)
        entry = place.entries.get(key)
        if entry is None:
            entry = place.entries[key] = self._origin(place.site, place.method, called)
        place.entry, place.code = entry, code
        return entry

    def _origin(self, site: int, method: str, called: Any) -> Entry:
        recorder = self.recorder
        name = function.name(called)
        number = recorder.text(f"origin {self.number} {site} {method} {name}")
        recorder.put("origin", number, self.number, site, recorder.text(name), recorder.text(method))
        sent = recorder.live("sent", 0, 0, 0, 0, self.number, number)
        collected = recorder.live("collected", 0, 0, 0, 0, self.number, number)
        entry = Entry(number, sent or _unrecorded(), collected or _unrecorded())
        entry.callable = len(name) + REFERENCE
        return entry

    @property
    def parts(self) -> Parts:
        """The account of what large messages are made of."""
        if self._parts is None:
            self._parts = parts().Ledger(self.recorder)
        return self._parts

    def fail(self, hook: str, error: BaseException) -> None:
        """Stop recording this pool; the program goes on, the report names the loss."""
        self.session.fail(hook, error)
        self.broken = True


def _unrecorded() -> tuple[memoryview, int]:
    """Counters that nobody will see, where there was no room for a record (the recorder has counted that)."""
    return memoryview(bytearray(32)).cast("Q"), 0
