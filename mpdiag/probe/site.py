"""The user's line behind a call: the first frame outside the standard library and the pool libraries."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

    from mpdiag.probe.recorder import Recorder

LIBRARIES = frozenset({"mpdiag", "joblib", "loky"})
"""Top-level packages whose frames are never the user's, beside the standard library."""
BEFORE_3_10 = frozenset(
    [
        "asyncio",
        "concurrent",
        "contextlib",
        "functools",
        "importlib",
        "multiprocessing",
        "queue",
        "runpy",
        "selectors",
        "threading",
        "weakref",
    ]
)
"""Python 3.9 does not tell its library's names: those that stand between a user and a pool."""


REMEMBERED = 1000
"""Places kept: a program that makes code anew all the time must not find all of it kept alive here."""


class Sites:
    """Finds call sites for one recorder; every (code, instruction) is resolved once."""

    __slots__ = ("_known", "_library", "_recorder", "_standard")

    def __init__(self, recorder: Recorder) -> None:
        """Intern sites into ``recorder``."""
        self._recorder = recorder
        # Keyed by id and not by code object, whose hash walks all its constants; the value keeps the code alive.
        self._known: dict[tuple[int, int], tuple[CodeType, int]] = {}
        self._library: dict[int, tuple[str | None, CodeType]] = {}
        """Of library code: the name under which the user knows it, if that is public."""
        self._standard = getattr(sys, "stdlib_module_names", BEFORE_3_10)

    def caller(self, frame: FrameType | None) -> tuple[int, str]:
        """Number of the user's site at or above ``frame`` (0 for none), and the library function that it called."""
        called = ""
        library = self._library
        while frame is not None:
            code = frame.f_code
            inner = library.get(id(code))
            if inner is None:
                entry = self._known.get((id(code), frame.f_lasti))
                if entry is not None:
                    return entry[1], called
                number, name = self._resolve(frame)
                if number:
                    return number, called
                inner = (name, code)
            called = inner[0] or called
            frame = frame.f_back
        return 0, called

    def adjacent(self, frame: FrameType) -> bool:
        """Whether ``frame`` is a library's and the one above it a known site of the user's."""
        back = frame.f_back
        return id(frame.f_code) in self._library and back is not None and (id(back.f_code), back.f_lasti) in self._known

    def is_users(self, frame: FrameType) -> bool:
        """Whether the code of ``frame`` belongs to the program and not to a library."""
        root = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        return root not in LIBRARIES and root not in self._standard

    def is_library(self, code: CodeType) -> bool:
        """Whether this code has been found to be a library's."""
        return id(code) in self._library

    def _resolve(self, frame: FrameType) -> tuple[int, str | None]:
        """The number of a frame's site, or 0 and the public name, if any, of library code; remembers which."""
        code = frame.f_code
        if not self.is_users(frame):
            name = code.co_name if code.co_name[0] not in "<_" else None
            if len(self._library) >= REMEMBERED:
                self._library.clear()
            self._library[id(code)] = (name, code)
            return 0, name
        function = getattr(code, "co_qualname", code.co_name)
        number = self._recorder.site(code.co_filename, frame.f_lineno or 0, function)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[id(code), frame.f_lasti] = (code, number)
        return number, None
