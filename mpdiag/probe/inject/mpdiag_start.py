# What sitecustomize.py beside this file runs, in a file of its own so that its bytecode is cached. Any Python, 2.7 too.
import os
import sys


def start(directory):
    here = os.path.dirname(__file__)
    if not directory:
        return
    if sys.version_info < (3, 9):
        with open("%s/%d.note" % (directory, os.getpid()), "w") as note:
            note.write("Python %d.%d.%d is too old to be instrumented (3.9 or newer)\n" % sys.version_info[:3])
        return
    from time import perf_counter_ns

    began = perf_counter_ns()
    # The probe is loaded from where it lies, under packages made here: a top-level one that exists only meanwhile, so
    # that neither sys.path nor a later "import mpdiag" of the program's sees anything of it, and three whose empty
    # __init__ files need not be read.
    home = os.path.dirname(os.path.dirname(here))
    for name in ("mpdiag", "mpdiag.probe", "mpdiag.probe.runtimes", "mpdiag.wire"):
        package = type(sys)(name)
        package.__path__ = [home + name[6:].replace(".", "/")]
        sys.modules[name] = package
    try:
        from mpdiag.probe import boot
    finally:
        del sys.modules["mpdiag"]
    boot.start(directory, began)
