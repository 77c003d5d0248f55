"""Importing the probe's own modules in a process that has no mpdiag."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def parts() -> ModuleType:
    """The module ``mpdiag.probe.parts``, which a program without large messages never needs."""
    known = sys.modules.get("mpdiag.probe.parts")
    if known is None:
        with loading():
            known = __import__("mpdiag.probe.parts", fromlist=["parts"])
    return known


class loading:  # noqa: N801 - a context manager
    """Around every import of the probe's own.

    The bytecode may be cached, whatever the program wants for its own: that saves a process some 5 ms. And the import
    system looks for the top-level package, which the program may not have and which must not stay.
    """

    def __enter__(self) -> None:
        """Allow writing bytecode; lend the name."""
        self._before = sys.dont_write_bytecode
        sys.dont_write_bytecode = False
        self._lent = "mpdiag" not in sys.modules
        if self._lent:
            sys.modules["mpdiag"] = type(sys)("mpdiag")

    def __exit__(self, *_: object) -> None:
        """Put both back."""
        sys.dont_write_bytecode = self._before
        if self._lent:
            sys.modules.pop("mpdiag", None)
