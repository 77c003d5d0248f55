"""Call sites: found once, and not kept for ever."""

import gc
import sys
import weakref

from mpdiag.probe.site import REMEMBERED, Sites


def calling(books, name, number=0):
    """A function made anew that asks for its site, in a module of that name."""
    sites = books.recorder.sites
    scope = {"__name__": name, "sites": sites, "sys": sys}
    exec(f"def ask():\n    return sites.caller(sys._getframe()), {number}", scope)  # noqa: S102 - as programs do
    return scope["ask"]


def test_code_that_is_made_anew_all_the_time_is_not_kept(books):
    for module in ("program", "queue"):
        first = calling(books, module)
        assert first()[0][0]
        code = weakref.ref(first.__code__)
        del first
        for number in range(REMEMBERED + 10):
            assert calling(books, module, number)()[0][0]
        gc.collect()
        assert code() is None
    sites: Sites = books.recorder.sites
    assert max(len(sites._known), len(sites._library)) <= REMEMBERED
