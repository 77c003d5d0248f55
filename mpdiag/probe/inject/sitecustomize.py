# Started by the interpreter itself, because PYTHONPATH names this directory. Must be silent and harmless in any Python,
# 2.7 too. Afterwards the interpreter finds the sitecustomize that it would have found without us, or none.
import os
import sys

# Cached bytecode saves a process some 5 ms; Python 2 would leave it among the sources.
write, sys.dont_write_bytecode = sys.dont_write_bytecode, sys.version_info < (3,)
try:
    import mpdiag_start

    mpdiag_start.start(os.environ.get("MPDIAG_RUN"))
except Exception:
    pass  # the program comes first: without a probe it simply runs, and the missing record is reported
sys.dont_write_bytecode = write
sys.modules.pop("mpdiag_start", None)
sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(__file__)]
del sys.modules["sitecustomize"], write, os, sys
import sitecustomize  # noqa: E402, F401
