"""A session that records into a directory of its own, and its records read back."""

import struct
import sys
from itertools import count
from multiprocessing import connection

import pytest

from mpdiag.probe.ledger import Ledger
from mpdiag.probe.session import Session
from mpdiag.wire.format import FORMATS, HEADER_SIZE, KINDS, NUMBER, SLOT_SIZE

TIME_ALL = 4.0
STEP = 1000
"""Nanoseconds between two looks at the clock."""


class Books:
    """A session, the ledger of one pool in it, and a clock that goes on by ``STEP`` at each look."""

    def __init__(self, directory):
        (directory / "segments").mkdir()
        self.directory = directory
        self.session = Session(str(directory), TIME_ALL)
        self.session.born("exec")
        self.recorder = self.session.recorder
        self.ledger = Ledger(self.session, 77, sys._getframe())
        self.clock = count(self.recorder._opened, STEP).__next__

    def untimed(self):
        """Time no task from now on."""
        self.ledger.plan.limit = 0

    def records(self, kind):
        """All records of a kind, as dicts of their fields."""
        names = [name for name, _ in next(fields for _, name, fields, _ in KINDS if name == kind)]
        found = []
        for path in sorted((self.directory / "segments").iterdir(), key=lambda path: int(path.name.split(".")[1])):
            data = path.read_bytes()
            for offset in range(HEADER_SIZE, len(data) - SLOT_SIZE + 1, SLOT_SIZE):
                slot = data[offset : offset + SLOT_SIZE]
                if struct.unpack_from("<H", slot, SLOT_SIZE - 2)[0] == NUMBER[kind]:
                    *values, flags, weight, _ = struct.unpack(FORMATS[kind], slot)
                    found.append(dict(zip(names, values, strict=True), flags=flags, weight=weight))
        return found

    def text(self, number):
        """The string that was interned under ``number``."""
        return next(string for string, known in self.recorder._texts.items() if known == number)


@pytest.fixture
def pipe():
    """Give the two ends of a pipe as a pool's queues have them."""
    reader, writer = connection.Pipe(duplex=False)
    yield reader, writer
    reader.close()
    writer.close()


@pytest.fixture
def books(tmp_path):
    return Books(tmp_path)
