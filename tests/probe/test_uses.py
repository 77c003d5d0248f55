"""Operations counted by object and line: what a hook does with a counter, and what keeps the books bounded."""

import sys
from types import FunctionType

import pytest

from mpdiag.probe import uses
from mpdiag.probe.uses import BYTES, COUNT, Counter


def operate(counter, session, size=10):
    """Count one operation, as a hook does, by the line that calls this."""
    last, frame = counter.last, sys._getframe(1)
    if frame.f_code is not last[0] or frame.f_lasti != last[1] or session.epoch != last[2]:
        last = counter.find(frame)
    words, first = last[3], last[4]
    words[first + COUNT] += 1
    words[first + BYTES] += size
    return last


def librarys(counter, session):
    """A function of the library's that operates."""

    def put():
        return operate(counter, session)

    return FunctionType(
        put.__code__, {"__name__": "multiprocessing.queues", "operate": operate}, closure=put.__closure__
    )


@pytest.fixture
def counter(books):
    return Counter(books.session, "Queue", "put", 7)


def test_lines_are_told_apart(books, counter):
    for _ in range(3):
        operate(counter, books.session)
    operate(counter, books.session, 5)
    rows = [(row["count"], row["bytes"], row["object"]) for row in books.records("use")]
    assert rows == [(3, 30, 7), (1, 5, 7)]
    assert len({row["site"] for row in books.records("use")}) == 2


def test_the_line_is_looked_up_once(books, counter, monkeypatch):
    found, find = [], Counter.find

    def noted(self, frame):
        found.append(frame)
        return find(self, frame)

    monkeypatch.setattr(Counter, "find", noted)
    for _ in range(5):
        operate(counter, books.session)
    assert len(found) == 1


def test_what_the_library_calls_counts_for_the_users_line(books, counter):
    put = librarys(counter, books.session)
    here = sys._getframe().f_lineno
    for _ in range(2):
        put()
    (row,) = books.records("use")
    (site,) = [site for site in books.records("site") if site["id"] == row["site"]]
    assert (row["count"], site["line"]) == (2, here + 2)


def test_after_a_fork_another_processes_books_are_not_touched(books, counter):
    before = operate(counter, books.session)
    books.session.epoch += 1
    after = counter.find(sys._getframe())
    assert after[2] != before[2]


def test_objects_beyond_reason_are_counted_together(books, monkeypatch):
    monkeypatch.setattr(uses, "MOST", 3)
    for identity in range(1, 11):
        operate(Counter(books.session, "Lock", "acquire", identity), books.session)
    rows = books.records("use")
    assert sorted(row["object"] for row in rows) == [0, 1, 2, 3]
    assert sum(row["count"] for row in rows) == 10


def test_process_that_cannot_record_counts_into_nothing(books, counter):
    books.session._uses = None
    books.session._recorder, books.session.birth = None, None
    last = operate(counter, books.session)
    assert last[3] is uses.NOWHERE


def test_one_in_so_many_is_recorded(books, counter):
    last = operate(counter, books.session)
    counter.mask = 3
    for _ in range(8):
        last = operate(counter, books.session)
        books.session.uses.event(counter, last, 1000, 10, 5, 0)
        counter.mask = 3
    events = books.records("event")
    assert [event["sequence"] % 4 for event in events] == [0] * len(events)
    assert len(events) == 2
    assert {event["weight"] for event in events} == {2}
