"""How a report may look where it is going: columns, colour, and which characters can be written there."""

from __future__ import annotations

import codecs
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

STANDARD_WIDTH = 80
DECORATION = "µ…█▏▎▍▌▋▊▉"
"""What reports use beyond ASCII; a stream that cannot write all of it gets plain ASCII decoration."""


@dataclass(frozen=True, slots=True)
class Style:
    """Looks of a report: ``width`` in columns; ``ascii`` is about decoration, names keep what can be encoded.

    Files in ``directory`` or below it are named as seen from there.
    """

    width: int = STANDARD_WIDTH
    colour: bool = False
    ascii: bool = False
    encoding: str = "utf-8"
    directory: str = ""

    @property
    def ellipsis(self) -> str:
        """What stands for text left out."""
        return "..." if self.ascii else "…"

    @property
    def micro(self) -> str:
        """The prefix of a millionth."""
        return "u" if self.ascii else "µ"


def for_stream(stream: TextIO, environ: Mapping[str, str], directory: str = "") -> Style:
    """Give the style that suits ``stream``, for a reader who is in ``directory``.

    The width is COLUMNS, or the terminal's, or 80. Colour needs a terminal that is not dumb, and no NO_COLOR
    (https://no-color.org: any non-empty value).
    """
    terminal = _is_terminal(stream)
    encoding = _encoding(stream)
    return Style(
        width=_columns(environ) or (_terminal_width(stream) if terminal else 0) or STANDARD_WIDTH,
        colour=terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb",
        ascii=not _can_write(DECORATION, encoding),
        encoding=encoding,
        directory=directory,
    )


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # not quite a file; a closed one
        return False


def _columns(environ: Mapping[str, str]) -> int:
    text = environ.get("COLUMNS", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < len("1000000") else 0


def _terminal_width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):  # no descriptor, no terminal behind it, or closed
        return 0


def _encoding(stream: TextIO) -> str:
    """Name the stream's encoding; text that is kept as text (``io.StringIO``) counts as UTF-8."""
    name = getattr(stream, "encoding", None) or "utf-8"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "ascii"


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (LookupError, UnicodeError):  # a codec that is not of text; a character that it lacks
        return False
    return True
