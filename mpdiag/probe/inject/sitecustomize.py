# Started by the interpreter itself (PYTHONPATH names this directory). Must be silent and harmless in any Python, 2.7 too;
# afterwards the interpreter finds the sitecustomize it would have found without us, or none.
import os
import sys


def start():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if entry != here]
    directory = os.environ.get("MPDIAG_RUN")
    if not directory:
        return
    if sys.version_info < (3, 9):
        note = os.path.join(directory, "%d.note" % os.getpid())
        with open(note, "w") as file:
            file.write("Python %d.%d.%d is too old to be instrumented (3.9 or newer)\n" % sys.version_info[:3])
        return
    home = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    sys.path.insert(0, home)
    try:
        from mpdiag.probe import boot
    finally:
        sys.path.remove(home)
    boot.start(directory)


try:
    start()
except Exception:
    # The program comes first: without a probe it simply runs, and the missing record is reported.
    pass
del start, os
del sys.modules["sitecustomize"]
import sitecustomize  # noqa
