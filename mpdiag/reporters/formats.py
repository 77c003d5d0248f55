"""The table of report formats: a reporter is one file and one line here."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mpdiag.reporters import jsonfile, terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mpdiag.diagnosis import Diagnosis
    from mpdiag.reporters.style import Style


@dataclass(frozen=True, slots=True)
class Format:
    """A renderer, pure and without I/O, whose text ends with one newline; and the usual extension of its files."""

    render: Callable[[Diagnosis, Style], str]
    extension: str


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "text": Format(terminal.render, "txt"),
        "json": Format(jsonfile.render, "json"),
    }
)
