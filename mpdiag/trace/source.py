"""Where a run's files come from: a run directory, a packed run file, the pointer to a live one, or memory.

Nothing is extracted, executed or unpickled; names of members are compared, never used as paths.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from mpdiag.errors import MpdiagError
from mpdiag.trace.meta import META_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack

    Opener = Callable[[], BinaryIO]

META: Final = "meta.json"
SEGMENTS: Final = "segments"
ADVICE: Final = "give the run file that mpdiag run -o wrote"
SIZE_LIMIT: Final = 1 << 30
"""Bytes of records of one run: 16 million, of five million timed tasks, while the recorder's budget keeps a long run
below a tenth of it."""
PACKED_RATIO: Final = 100
"""So many times its size may a packed file hold: records shrink to a fifth, those of idle processes to a twentieth,
while deflate can make one byte of a thousand: a file of 1 MB could ask for 1 GB."""
PACKED_FREE: Final = 1 << 24
"""And this much in any case."""
NOTE_LIMIT: Final = 4096
POINTER_LIMIT: Final = 1 << 16
UNREADABLE: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)
"""What reading one file of a run may raise: a loss (RuntimeError is zipfile's word for an encrypted member)."""

_SEGMENT_NAME = re.compile(r"(?:segments/)?[^/\\\0]+\.seg")
_NOTE_NAME = re.compile(r"(?:segments/)?[^/\\\0]+\.note")


@dataclass(frozen=True)
class Source:
    """The files of a run: ``name`` is for messages, a ``live`` one may vanish while it is read."""

    name: str
    meta: bytes
    segments: Mapping[str, Opener]
    notes: Mapping[str, Opener]
    losses: tuple[str, ...] = ()
    live: str = ""
    """The directory that a live pointer led to."""
    limit: int = SIZE_LIMIT
    """Bytes of records that will be read from it."""


class VanishedError(Exception):
    """The directory that a live pointer leads to is gone: the run has ended and was packed meanwhile."""


def shown(text: str) -> str:
    """``text`` in one line without control characters, for messages."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def open_source(path: str, opened: ExitStack) -> Source:
    """Open the run at ``path`` for as long as ``opened``. MpdiagError for what is none; VanishedError see there."""
    name = shown(path)
    try:
        found = Path(path).stat()
        mode, size = found.st_mode, found.st_size
        if stat.S_ISDIR(mode):
            return _directory_source(Path(path), name)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is neither a file nor a directory")  # noqa: TRY301
        stream = opened.enter_context(Path(path).open("rb"))  # noqa: SIM115 - closed by ``opened``
        begin = stream.read(POINTER_LIMIT + 1)
    except FileNotFoundError:
        message = f"{name} does not exist; {ADVICE}"
        raise MpdiagError(message) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        message = f"cannot read {name}: {getattr(error, 'strerror', None) or error}; {ADVICE}"
        raise MpdiagError(message) from error
    if not begin:
        message = f"{name} is empty: the run it was meant for could not be saved; record the run again"
        raise MpdiagError(message)
    if begin.startswith(b"PK"):
        limit = min(SIZE_LIMIT, max(PACKED_FREE, PACKED_RATIO * size))
        return _zip_source(opened.enter_context(_opened_zip(stream, name)), name, limit)
    return _pointed_source(begin, name)


def memory_source(files: Mapping[str, bytes], name: str) -> Source:
    """Give a run whose files are in memory, by their names in the run directory."""
    segments: dict[str, Opener] = {}
    notes: dict[str, Opener] = {}
    for file, data in files.items():
        if _SEGMENT_NAME.fullmatch(file):
            segments[file] = partial(io.BytesIO, data)
        elif _NOTE_NAME.fullmatch(file):
            notes[file] = partial(io.BytesIO, data)
    return Source(name, files.get(META, b""), segments, notes)


def _directory_source(path: Path, name: str) -> Source:
    """Give the run in a run directory, live or finished."""
    try:
        with open_regular(str(path / META)) as stream:
            meta = stream.read(META_LIMIT)
    except FileNotFoundError:
        message = f"{name} is a directory that holds no run (no {META}); {ADVICE}"
        raise MpdiagError(message) from None
    segments: dict[str, Opener] = {}
    notes: dict[str, Opener] = {}
    losses: list[str] = []
    for folder in (path, path / SEGMENTS):
        for file in _listed(folder, losses):
            name_inside = file.relative_to(path).as_posix()
            if folder is not path and _SEGMENT_NAME.fullmatch(name_inside):
                segments[name_inside] = partial(open_regular, str(file))
            elif _NOTE_NAME.fullmatch(name_inside):
                notes[name_inside] = partial(open_regular, str(file))
    return Source(name, meta, segments, notes, tuple(losses))


def _listed(folder: Path, losses: list[str]) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        losses.append(f"directory {shown(str(folder))}: it cannot be listed ({error.strerror})")
        return []


def open_regular(path: str) -> BinaryIO:
    """Open a regular file for reading; OSError for all else: a pipe would block, a link lead elsewhere."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")  # noqa: TRY301
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _pointed_source(begin: bytes, name: str) -> Source:
    """Give the run that a live pointer leads to: a directory, never another pointer, so there are no loops."""
    try:
        pointer = json.loads(begin) if len(begin) <= POINTER_LIMIT and begin.startswith(b"{") else None
    except (ValueError, RecursionError):
        pointer = None
    directory = pointer.get("directory") if isinstance(pointer, dict) and pointer.get("mpdiag") == "live" else None
    if not isinstance(directory, str) or not directory:
        message = f"{name} is no run file; {ADVICE}"
        raise MpdiagError(message)
    try:
        source = _directory_source(Path(directory), shown(directory))
    except (MpdiagError, FileNotFoundError) as error:
        raise VanishedError(shown(directory)) from error
    except (OSError, ValueError) as error:
        message = f"cannot read {shown(directory)}, where {name} leads: {getattr(error, 'strerror', None) or error}"
        raise MpdiagError(message) from error
    return replace(source, name=name, live=directory)


def _opened_zip(stream: BinaryIO, name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except Exception as error:  # zipfile raises half a dozen kinds on hostile directories
        message = f"{name} is damaged or was cut off ({shown(str(error))}); copy it again, or record the run again"
        raise MpdiagError(message) from error


def _zip_source(archive: zipfile.ZipFile, name: str, limit: int) -> Source:
    segments: dict[str, Opener] = {}
    notes: dict[str, Opener] = {}
    meta: zipfile.ZipInfo | None = None
    total = odd = 0
    for member in archive.infolist():
        plain = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        opener = partial(_open_member, archive, member)
        if plain and member.filename == META:
            meta = member
        elif plain and _SEGMENT_NAME.fullmatch(member.filename):
            segments[member.filename] = opener
            total += member.file_size
        elif plain and _NOTE_NAME.fullmatch(member.filename):
            notes[member.filename] = opener
        else:
            odd += 1
    if total > limit:
        raise too_large(name, total, limit)
    if meta is None:
        message = f"{name} is a zip file but no run (no {META}); {ADVICE}"
        raise MpdiagError(message)
    losses = (f"{odd} members of {name}: their names or compression are not those of a run",) if odd else ()
    try:
        with _open_member(archive, meta) as stream:
            text = stream.read(META_LIMIT)
    except UNREADABLE as error:
        message = f"{name} is damaged: its {META} cannot be read ({shown(str(error))}); record the run again"
        raise MpdiagError(message) from error
    return Source(name, text, segments, notes, losses, limit=limit)


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    try:
        return archive.open(member)  # type: ignore[return-value]
    except ValueError as error:  # a name that is no UTF-8, an offset before the file
        message = f"its entry is damaged ({error})"
        raise zipfile.BadZipFile(message) from error


def too_large(name: str, size: int, limit: int) -> MpdiagError:
    """The error for a run of more bytes of records than will be read."""
    if limit < SIZE_LIMIT:
        return MpdiagError(
            f"{name} is no run file: it claims {size >> 20} MiB of records, far more than a file of its size can hold;"
            f" {ADVICE}"
        )
    return MpdiagError(
        f"{name} holds {size >> 20} MiB of records, more than the {limit >> 20} MiB that are read;"
        " record a shorter run, or with a smaller --budget"
    )
