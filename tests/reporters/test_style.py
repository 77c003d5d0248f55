"""The style follows the stream: a terminal, a file, a pipe with an old encoding."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
from contextlib import contextmanager

import pytest

from mpdiag.reporters.style import Style, for_stream


@contextmanager
def terminal(columns, encoding="utf-8"):
    """Open a real terminal of so many columns."""
    controller, device = pty.openpty()
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        with open(device, "w", encoding=encoding) as stream:  # noqa: PTH123 - a descriptor
            yield stream
    finally:
        os.close(controller)


def test_terminal_gives_its_width_and_colour():
    with terminal(132) as stream:
        assert for_stream(stream, {"TERM": "xterm"}) == Style(width=132, colour=True)


def test_terminal_that_does_not_know_its_width_has_80_columns():
    with terminal(0) as stream:
        assert for_stream(stream, {}).width == 80


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_declined(environ):
    with terminal(80) as stream:
        assert not for_stream(stream, environ).colour


def test_empty_no_color_declines_nothing():
    with terminal(80) as stream:
        assert for_stream(stream, {"NO_COLOR": ""}).colour


def test_columns_are_honoured_on_a_terminal_and_elsewhere():
    with terminal(132) as stream:
        assert for_stream(stream, {"COLUMNS": "100"}).width == 100
    assert for_stream(io.StringIO(), {"COLUMNS": "100"}).width == 100


@pytest.mark.parametrize("columns", ["", "0", "-5", "wide", "8\u0660", "9" * 30, " 90"])
def test_columns_that_are_no_width_are_passed_over(columns):
    assert for_stream(io.StringIO(), {"COLUMNS": columns}).width == 80


def test_file_has_80_columns_and_no_colour(tmp_path):
    with (tmp_path / "report.txt").open("w", encoding="utf-8") as stream:
        assert for_stream(stream, {"TERM": "xterm"}) == Style()


def test_text_in_memory_and_closed_streams_are_files():
    assert for_stream(io.StringIO(), {}) == Style()
    closed = io.StringIO()
    closed.close()
    assert for_stream(closed, {}) == Style()


@pytest.mark.parametrize(
    ("encoding", "plain"), [("utf-8", False), ("ascii", True), ("latin-1", True), ("cp437", True), ("utf-16", False)]
)
def test_decoration_is_ascii_where_the_encoding_lacks_it(encoding, plain):
    style = for_stream(io.TextIOWrapper(io.BytesIO(), encoding), {})
    assert style.ascii is plain
    assert "\u00e9".encode(style.encoding, "replace") == "\u00e9".encode(encoding, "replace")


def test_unknown_encoding_counts_as_ascii():
    stream = io.StringIO()

    class Odd:
        encoding = "no-such-encoding"
        isatty = stream.isatty

    assert for_stream(Odd(), {}) == Style(ascii=True, encoding="ascii")  # type: ignore[arg-type]


def test_decoration_characters():
    assert (Style().micro, Style().ellipsis) == ("\u00b5", "\u2026")
    assert (Style(ascii=True).micro, Style(ascii=True).ellipsis) == ("u", "...")


def test_reader_is_somewhere():
    assert for_stream(io.StringIO(), {}, "/srv/shop").directory == "/srv/shop"
