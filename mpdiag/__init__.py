"""mpdiag: why a Python program that uses several processes is slower than it should be.

The public API is ``read_run`` and ``diagnose``; both load what they need when they are first asked for, because this
module is imported in every process of the user's program, where neither numpy nor anything else may come along.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mpdiag.engine import diagnose as diagnose
    from mpdiag.model.run import Run

__version__ = "0.1.0"
__all__ = ["__version__", "diagnose", "read_run"]


def read_run(path: str) -> Run:
    """Read a packed run file, a live one or a run directory into the run model.

    Raises MpdiagError, one line, for everything that is not a readable run.
    """
    from mpdiag.model.build import build_run
    from mpdiag.trace.reader import read_trace

    return build_run(read_trace(path))


def __getattr__(name: str) -> object:
    if name == "diagnose":
        from mpdiag.engine import diagnose

        return diagnose
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
