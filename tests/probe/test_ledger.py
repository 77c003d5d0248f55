"""The books of a pool: where its jobs come from, what they call, when it begins and ends."""

import sys
import threading
from types import FunctionType

from mpdiag.probe.ledger import Ledger


def double(item):
    return 2 * item


def half(item):
    return item / 2


def line_of(books, origin):
    site = next(site for site in books.records("site") if site["id"] == origin["site"])
    return site["line"]


def librarys(name, ledger):
    """A function of multiprocessing's that notes a submission."""

    def submit(job):
        ledger.submitted(job, sys._getframe())

    scope = {"__name__": "multiprocessing.pool", "sys": sys}
    return FunctionType(submit.__code__.replace(co_name=name), scope, closure=submit.__closure__)


def test_an_origin_is_one_function_at_one_line_by_one_method(books):
    ledger = books.ledger
    for job in range(3):
        ledger.submitted(job, sys._getframe())
    same = {ledger.open(job, double)[0] for job in range(2)}
    other = ledger.open(2, half)[0]

    assert len(same) == 1
    assert other not in same
    origins = books.records("origin")
    assert [books.text(origin["function"]) for origin in origins] == [f"{__name__}:double", f"{__name__}:half"]
    assert {origin["pool"] for origin in origins} == {ledger.number}
    assert len({line_of(books, origin) for origin in origins}) == 1


def test_lines_that_submit_in_turn_keep_their_places(books):
    apply_async, submit = librarys("apply_async", books.ledger), librarys("submit", books.ledger)
    here = sys._getframe().f_lineno
    for job in range(0, 6, 3):
        apply_async(job)
        apply_async(job + 1)
        submit(job + 2)
    entries = [books.ledger.open(job, double)[0].number for job in range(6)]

    assert entries[:3] == entries[3:]
    origins = {origin["id"]: origin for origin in books.records("origin")}
    found = [(books.text(origins[number]["method"]), line_of(books, origins[number]) - here) for number in entries[:3]]
    assert found == [("apply_async", 2), ("apply_async", 3), ("submit", 4)]


def test_a_job_is_its_origins_until_its_last_result(books):
    ledger = books.ledger
    ledger.submitted(5, sys._getframe())
    entry, submitted = ledger.open(5, double)
    assert ledger.live == {5: entry}
    assert submitted > 0
    assert not ledger.pending


def test_a_job_that_nobody_was_seen_to_submit_has_no_site(books):
    entry, submitted = books.ledger.open(9, double)
    assert submitted == 0
    assert [(origin["id"], origin["site"]) for origin in books.records("origin")] == [(entry.number, 0)]


def test_only_a_sized_job_is_recorded(books):
    ledger = books.ledger
    ledger.sized[1] = (1000, 1 << 40)
    for job in (1, 2):
        ledger.submitted(job, sys._getframe())
        ledger.open(job, double)
    (job,) = books.records("job")
    assert (job["job"], job["length"], job["chunksize"]) == (1, 1000, 0xFFFFFFFF)
    assert not ledger.sized


def test_what_is_called_is_not_kept_alive(books):
    class Callable:
        def __call__(self):
            pass

    ledger, called = books.ledger, Callable()
    before = sys.getrefcount(called)
    entries = {ledger.open(job, called)[0] for job in range(2)}
    assert len(entries) == 1
    assert sys.getrefcount(called) == before


def test_a_pool_ends_once_and_only_if_it_began(books):
    ledger = books.ledger
    ledger.closed(5)
    assert not books.records("pool_end")
    ledger.opened(4, 0, "fork", "")
    ledger.closed(6)
    ledger.closed(7)
    (pool,), (end,) = books.records("pool"), books.records("pool_end")
    assert (pool["channel"], pool["workers"], books.text(pool["method"])) == (77, 4, "fork")
    assert (end["begin"], end["id"]) == (6, pool["id"])


def test_cpu_time_of_a_creator_that_may_be_gone_is_not_asked_for(books):
    made = []
    thread = threading.Thread(target=lambda: made.append(Ledger(books.session, 78, None)))
    thread.start()
    thread.join()
    assert made[0]._creator_cpu() == 0
    assert books.ledger._creator_cpu() > 0


def test_counters_without_room_lead_nowhere(books):
    books.recorder.abandon()
    entry, _ = books.ledger.open(1, double)
    entry.sent_words[entry.sent] += 1
    assert books.recorder.dropped > 0
