"""``multiprocessing.spawn``: the probe travels in a child's preparation data, should the environment not carry it.

A program may clear ``os.environ`` before it starts children. What is sent must unpickle in any interpreter, with or
without mpdiag: it reduces to built-ins only, and does nothing where the probe runs already.
"""

from __future__ import annotations

from mpdiag.probe.importing import Mains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from mpdiag.probe.session import Session

SOURCE = """\
try:
    import sys
    if "mpdiag.probe.boot" not in sys.modules:
        scope = {{"__file__": {path!r}}}
        with open({path!r}, "rb") as file:
            exec(compile(file.read(), {path!r}, "exec"), scope)
        scope["start"]({directory!r})
except Exception:
    pass  # the program comes first: without a probe it simply runs, and the missing record is reported
"""


class Stowaway:
    """Unpickling this starts the probe where it does not run yet."""

    def __init__(self, directory: str) -> None:
        """Start it into run directory ``directory``."""
        path = __file__.rpartition("/runtimes/")[0] + "/inject/mpdiag_start.py"
        self._source = SOURCE.format(path=path, directory=directory)

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str, dict[str, Any]]]:
        """Reduce to what every interpreter has."""
        return exec, (self._source, {})


def install(module: ModuleType, session: Session) -> None:
    """Patch ``multiprocessing.spawn``."""

    def make(original: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
        def get_preparation_data(name: str) -> dict[str, Any]:
            data = original(name)
            try:
                data["mpdiag"] = Stowaway(session.directory)  # unknown keys are ignored by prepare()
            except Exception as error:
                session.fail("preparation of a spawned process", error)
            return data

        return get_preparation_data

    session.patches.replace(module, "get_preparation_data", make)
    session.patches.replace(module, "old_main_modules", lambda modules: Mains(session, modules))
