"""The segment format: magic, version, the header's fields and ONE table of record kinds.

A segment is one process's append-only log: a header of ``HEADER_SIZE`` bytes, then slots of ``SLOT_SIZE`` bytes. A slot
is one record; its last two bytes are its kind, written last by ``struct`` (which packs in order), so that a slot whose
writer died half-way still reads as kind 0, empty. ``tally`` records are *live*: their counters are updated in place.

The struct layout (writer), the numpy dtype (reader), the text dump and the documentation all come from ``KINDS``.
Everything is little endian. Times are nanoseconds of ``time.perf_counter_ns`` (CLOCK_MONOTONIC on Linux, one clock for
all processes); a duration is a float32 number of nanoseconds (relative precision 6e-8), so that a record fits one slot.

This module is imported inside the user's processes: standard library only, and nothing of it that is not light.
"""

from __future__ import annotations

from mpdiag.wire.header import CAUSES, HEADER_FIELDS, HEADER_SIZE, MAGIC, SLOT_SIZE, VERSION

__all__ = [
    "CAUSES",
    "COMMIT_OFFSET",
    "FLAGS",
    "FORMATS",
    "HEADER_FIELDS",
    "HEADER_SIZE",
    "KINDS",
    "LARGE",
    "MAGIC",
    "NUMBER",
    "ROLES",
    "SLOT_SIZE",
    "STRUCT_CODES",
    "TEXT_BYTES",
    "TEXT_LIMIT",
    "TYPE_CODES",
    "VERSION",
    "struct_format",
]

TEXT_BYTES = 48
"""Bytes of text that one ``text`` slot carries."""
TEXT_LIMIT = 1024
"""Longer names are cut here: a hostile 10 kB name must not fill a trace."""

LARGE = 16384
"""Bytes from which a message is looked into: below, Connection sends header and payload in one write."""

ROLES = ("program", "worker", "forkserver", "resource tracker", "manager")

FLAGS = {"failed": 1, "threads": 2, "large": 4, "same": 8, "executor": 16, "sampled": 32}
"""Bits of a record's ``flags``: the task raised, the pool has threads only, the message was big enough to be
attributed, the same content was sent before, the pool is a ``ProcessPoolExecutor``, the content was looked at in
samples only (so that "the same" is likely and not sure)."""

STRUCT_CODES = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i8": "q", "f4": "f"}

# Field types: u1 u2 u4 u8 i8 f4 as in numpy; "text" a u4 naming an interned string; "site" a u4 naming a site record;
# "origin" a u4 naming an origin record; "ns" an f4 duration; "t" a u8 time stamp; "s48" raw text bytes.
TYPE_CODES = {"text": "u4", "site": "u4", "origin": "u4", "ns": "f4", "t": "u8"}

# fmt: off
KINDS = (
    # number, name, fields (name, type), what it says
    (1, "text", (("id", "u4"), ("part", "u2"), ("size", "u2"), ("data", "s48")),
     "one piece of an interned string"),
    (2, "site", (("id", "u4"), ("file", "text"), ("function", "text"), ("line", "u4")),
     "a line of the user's code"),
    (3, "start", (("t", "t"), ("identity", "u4"), ("site", "site"), ("method", "text"), ("name", "text")),
     "parent: a multiprocessing.Process is about to be launched"),
    (4, "ready", (("t", "t"), ("identity", "u4"), ("role", "u4"), ("name", "text"), ("method", "text"),
                  ("channel", "u8"), ("logical_ppid", "u4"), ("cpu", "u8")),
     "child: interpreter, imports and unpickling are done, BaseProcess._bootstrap begins; CPU time until then (ns)"),
    (5, "first", (("t", "t"), ("cpu", "u8")),
     "worker: the initialiser is done, the first task is asked for; CPU time of the process so far (ns)"),
    (6, "finish", (("t", "t"), ("code", "i8"), ("cpu", "u8")),
     "child: BaseProcess._bootstrap returns this exit code; CPU time of the process (ns)"),
    (7, "pool", (("created", "t"), ("ready", "t"), ("channel", "u8"), ("id", "u4"), ("site", "site"),
                 ("workers", "u4"), ("maxtasks", "u4"), ("method", "text"), ("initializer", "text"),
                 ("main_cpu", "u8")),
     "parent: a Pool or ProcessPoolExecutor; channel is the inode of its task pipe, main_cpu the creator's CPU (ns)"),
    (8, "pool_end", (("begin", "t"), ("end", "t"), ("id", "u4"), ("main_cpu", "u8")),
     "parent: the pool's shutdown began and ended"),
    (9, "origin", (("id", "u4"), ("pool", "u4"), ("site", "site"), ("function", "text"), ("method", "text")),
     "tasks of one user function, submitted to one pool at one site by one method (map, submit, ...)"),
    (10, "job", (("t", "t"), ("job", "u4"), ("origin", "origin"), ("length", "u8"), ("chunksize", "u4")),
     "parent: one map-like submission, its items and its chunk size"),
    (11, "send", (("submitted", "t"), ("t", "t"), ("dump", "ns"), ("write", "ns"), ("job", "u4"), ("index", "u4"),
                  ("bytes", "u8"), ("callable", "u4"), ("items", "u4"), ("origin", "origin"), ("produce", "ns")),
     "parent: a timed task was pickled from t on for dump, then written for write; produce is the time from then"
     " until the next task of the same job came (the user's iterable), 0 where there was none"),
    (12, "work", (("t", "t"), ("read", "ns"), ("load", "ns"), ("run", "ns"), ("dump", "ns"), ("write", "ns"),
                  ("cpu", "ns"), ("job", "u4"), ("index", "u4"), ("bytes", "u8"), ("result", "u8")),
     "worker: asked for a task at t, had its bytes after read, unpickled, ran, pickled and wrote the result"),
    (13, "collect", (("t", "t"), ("load", "ns"), ("handle", "ns"), ("job", "u4"), ("index", "u4"), ("bytes", "u8"),
                     ("pool", "u4"), ("origin", "origin")),
     "parent: a timed task's result had arrived at t, was unpickled in load and handed over in handle"),
    (14, "sent", (("tasks", "u8"), ("items", "u8"), ("bytes", "u8"), ("spare", "u8"), ("pool", "u4"),
                  ("origin", "origin")),
     "live, parent: all tasks written so far for an origin (exact)"),
    (15, "worked", (("received", "u8"), ("received_bytes", "u8"), ("done", "u8"), ("result_bytes", "u8"),
                    ("channel", "u8")),
     "live, worker: all tasks taken and answered so far (exact)"),
    (16, "collected", (("tasks", "u8"), ("bytes", "u8"), ("failed", "u8"), ("spare", "u8"), ("pool", "u4"),
                       ("origin", "origin")),
     "live, parent: all results read so far for an origin (exact)"),
    (17, "part", (("bytes", "u8"), ("payload", "u8"), ("digest", "u8"), ("seen", "u4"), ("effort", "u4"),
                  ("origin", "origin"), ("role", "text"), ("name", "text"), ("type", "text"), ("items", "u4"),
                  ("job", "u4"), ("index", "u4")),
     "one part of a large message of task (job, index): role (argument, callable or result), its name, type, estimated"
     " bytes of the payload and millionths of the time to pickle and unpickle it, and a digest that recurs (in this"
     " process) when the same content is sent again, seen times so far; a worker does not know origins and writes 0"),
    (18, "loss", (("t", "t"), ("count", "u8"), ("what", "text"), ("why", "text")),
     "something could not be recorded"),
    (19, "cost", (("spent", "u8"), ("dropped", "u8"), ("counted_unit", "ns"), ("timed_unit", "ns")),
     "live: the recorder's own account: ns spent setting up and looking into large messages, records dropped, and what"
     " a counted and a timed event cost in this process (ns); the events are counted by the other records"),
    (20, "sample", (("t", "t"), ("cpu", "u8"), ("runqueue", "u8"), ("rss", "u8"), ("pid", "u4"), ("threads", "u4"),
                    ("voluntary", "u8"), ("involuntary", "u8")),
     "supervisor: a process seen from outside; CPU and run-queue wait so far (ns), resident bytes, context switches"),
    (21, "exit", (("t", "t"), ("pid", "u4"), ("status", "u4"), ("cpu", "u8"), ("maxrss", "u8")),
     "supervisor: the target ended with this wait status; CPU of the whole tree (ns), peak resident bytes"),
    (22, "use", (("count", "u8"), ("bytes", "u8"), ("blocked", "u8"), ("busy", "u8"), ("timed", "u8"),
                 ("object", "u8"), ("site", "site"), ("operation", "text"), ("type", "text")),
     "live: all operations (put, get, flush, send, recv, a proxy's method) of one site on one queue, pipe or manager"
     " (exact); blocked is the time in them (of put: waiting for room) and busy that of the feeder's pickling (of recv:"
     " since the sending that it answers; of a proxy: until the request was out), in ns, the latter of timed ones"),
    (23, "lock", (("acquired", "u8"), ("contended", "u8"), ("waited", "u8"), ("held", "u8"), ("timed", "u8"),
                  ("object", "u8"), ("site", "site"), ("operation", "text"), ("type", "text")),
     "live: all acquisitions of one site of one lock or semaphore (exact); those that had to wait and for how long (ns,"
     " exact), and for how long the timed ones held it (ns)"),
    (24, "event", (("t", "t"), ("sequence", "u8"), ("bytes", "u8"), ("object", "u8"), ("blocked", "ns"),
                   ("busy", "ns"), ("site", "site"), ("operation", "text"), ("type", "text")),
     "one timed operation of a use or a lock, which ended at t: its number in that use, what it waited, was busy (of a"
     " lock: held it)"),
    (25, "served", (("calls", "u8"), ("busy", "u8"), ("received", "u8"), ("sent", "u8"), ("object", "u8"),
                    ("method", "text"), ("type", "text")),
     "live, manager: all calls of one method of objects of one type (exact), the time that they took in the server"
     " (ns), and the bytes that went in and out"),
    (26, "memory", (("t", "t"), ("size", "u8"), ("name", "text"), ("action", "text"), ("site", "site")),
     "a shared memory block of size bytes was created, attached, closed or unlinked"),
    (27, "stage", (("t", "t"), ("spent", "u8"), ("own", "u8"), ("name", "text"), ("sort", "text")),
     "child: a part of its start-up (sort stage: main, unpickle; sort module: an import) began at t and took so long in"
     " all, and without what it imported in turn (ns)"),
)
# fmt: on
"""Every kind of record.

A slot is the fields packed without gaps, zeros up to byte 60, then flags u1, weight u1 (log2 of the tasks that this
record stands for), kind u2."""

COMMIT_OFFSET = SLOT_SIZE - 4


def struct_format(fields: tuple[tuple[str, str], ...]) -> str:
    """The ``struct`` format of a whole slot with these fields, flags, weight and kind last.

    Raises ValueError when the fields do not fit one slot.
    """
    codes = []
    used = 0
    for _name, declared in fields:
        code = TYPE_CODES.get(declared, declared)
        if code.startswith("s"):
            size = int(code[1:])
            codes.append(f"{size}s")
        else:
            size = int(code[1:])
            codes.append(STRUCT_CODES[code])
        used += size
    if used > COMMIT_OFFSET:
        message = f"{used} bytes of fields do not fit a slot of {SLOT_SIZE}"
        raise ValueError(message)
    return "<" + "".join(codes) + f"{COMMIT_OFFSET - used}xBBH"


NUMBER = {name: number for number, name, _fields, _doc in KINDS}
FORMATS = {name: struct_format(fields) for _number, name, fields, _doc in KINDS}
