"""Shared memory blocks: who creates, attaches, closes and unlinks which, at which line.

A constructor that fails (there is no such block, there is one already) raises through no frame of ours: what it calls
last, when all is done, is ``memoryview``, which it finds in its module.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType
    from typing import Any

    from mpdiag.probe.session import Session

MOST = 1000
"""Records of one action in one process; a program that makes blocks all the time has said what there is to say."""


def install(module: ModuleType, session: Session) -> None:
    """Patch ``multiprocessing.shared_memory``."""
    Blocks(module, session)


class Blocks:
    """The blocks of this process."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        """Patch ``module``."""
        self.session = session
        self.getframe, self.clock = sys._getframe, perf_counter_ns  # finalisers still need them at the very end
        self.epoch = session.epoch
        self.counts: dict[str, int] = {}
        replace = session.patches.replace
        vars(module).setdefault("memoryview", memoryview)
        replace(module, "memoryview", self._memoryview)
        replace(module.SharedMemory, "close", self._close)
        replace(module.SharedMemory, "unlink", self._unlink)

    def _memoryview(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def view(mapping: Any) -> Any:
            result = original(mapping)
            try:
                self._constructed(self.getframe(1))
            except Exception as error:
                self.session.fail("shared memory", error)
            return result

        return view

    def _constructed(self, frame: FrameType) -> None:
        if frame.f_code.co_name != "__init__":
            return
        names = frame.f_locals
        self._put("create" if names.get("create") else "attach", names["self"], frame)

    def _close(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def close(block: Any) -> None:
            is_open = getattr(block, "_mmap", None) is not None
            original(block)
            if is_open:
                try:
                    # What nobody closes is closed by its finaliser, at whatever line the program has come to.
                    frame = self.getframe(1)
                    self._put("close", block, None if frame.f_code.co_name == "__del__" else frame)
                except Exception as error:
                    self.session.fail("shared memory", error)

        return close

    def _unlink(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def unlink(block: Any) -> None:
            original(block)
            try:
                if getattr(block, "_size", None) is not None:  # else a constructor that fails takes back what it made
                    self._put("unlink", block, self.getframe(1))
            except Exception as error:
                self.session.fail("shared memory", error)

        return unlink

    def _put(self, action: str, block: Any, frame: FrameType | None) -> None:
        recorder = self.session.recorder
        if recorder is None:
            return
        if self.epoch != self.session.epoch:
            self.epoch = self.session.epoch
            self.counts.clear()
        count = self.counts[action] = self.counts.get(action, 0) + 1
        if count > MOST:
            if count == MOST + 1:
                recorder.loss("shared memory", f"only the first {MOST} blocks are recorded: {action}")
            return
        text = recorder.text
        name = str(block._name).lstrip("/")
        site = recorder.sites.caller(frame)[0]
        recorder.put("memory", self.clock(), block._size, text(name), text(action), site)
