"""Packing a run directory into one portable run file: a zip of meta.json, the segments without their tails, notes."""

from __future__ import annotations

import os
import secrets
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mpdiag.errors import MpdiagError
from mpdiag.trace.source import META, SEGMENTS, open_regular, shown
from mpdiag.wire.format import HEADER_SIZE, SLOT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVEL = 1
"""Deflate's fastest: 64 bytes of record become 14; the best level would save a tenth of that and take five times as
long."""
BLOCK = 1 << 20
ZIP64_FROM = 1 << 31
"""Members from this size on need zip64 fields, which must be announced before writing."""


def pack(directory: str, destination: str) -> None:
    """Pack the run directory into the file ``destination``, replacing what is there, at once or not at all.

    Files of the run that vanish or cannot be opened are left out. Raises MpdiagError where the run file cannot be
    written, and leaves nothing behind.
    """
    temporary = Path(f"{destination}.{secrets.token_hex(4)}.part")
    try:
        try:
            with (
                temporary.open("xb") as stream,
                zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive,
            ):
                for name in _files(Path(directory)):
                    _add(archive, directory, name)
            temporary.replace(destination)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        message = f"cannot write {shown(destination)}: {getattr(error, 'strerror', None) or error}"
        raise MpdiagError(message) from error


def _files(directory: Path) -> Iterator[str]:
    """The names of the files of a run, relative to its directory."""
    yield META
    for folder in (directory, directory / SEGMENTS):
        if folder.is_dir():
            names = sorted(path.relative_to(directory).as_posix() for path in folder.iterdir())
            yield from (name for name in names if name.endswith((".seg", ".note")))


def _add(archive: zipfile.ZipFile, directory: str, name: str) -> None:
    try:
        source = open_regular(f"{directory}/{name}")
    except OSError:
        return
    with source:
        large = os.fstat(source.fileno()).st_size >= ZIP64_FROM
        with archive.open(name, "w", force_zip64=large) as packed:
            for block in _without_tail(source) if name.endswith(".seg") else iter(lambda: source.read(BLOCK), b""):
                packed.write(block)


def _without_tail(source: BinaryIO) -> Iterator[bytes]:
    """The contents of a segment file without the zeros behind its last record (and its header always whole)."""
    yield source.read(HEADER_SIZE)
    zeros = 0
    while block := source.read(BLOCK):
        used = len(block.rstrip(b"\0"))
        if not used:
            zeros += len(block)
            continue
        while zeros:
            yield bytes(min(zeros, BLOCK))
            zeros -= min(zeros, BLOCK)
        whole = min(-(-used // SLOT_SIZE) * SLOT_SIZE, len(block))
        yield block[:whole]
        zeros = len(block) - whole
