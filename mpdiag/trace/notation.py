r"""How the text form of a trace writes values, and reads them back without loss (only NaNs lose their payload bits).

=========  ============================================================================================================
t          seconds since the run's launch: ``+1.234567890``; ``never`` for 0
ns         a duration with its unit, the fewest digits that give the same float32 back: ``12.3us``
text       the string and its number, ``fork#3``; without a number the parser interns it; ``-`` for none
site       the same: ``"slow.py:12 (main)"#4``
origin     the function's name and the number, ``work#5``; the number alone will do
flags      names with a bar between: ``failed|same``
bytes      quoted; what is not printable as ``\xNN``
=========  ============================================================================================================

A word is quoted when it would otherwise not be one word.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

import numpy as np

from mpdiag.wire.format import FLAGS, ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE: Final = "-"
NEVER: Final = "never"
_UNITS: Final = (("s", 9), ("ms", 6), ("us", 3), ("ns", 0))
_BARE: Final = re.compile(r"[\w./:<>()\[\],*+@][\w./:<>()\[\],*+@-]*", re.ASCII)
_ESCAPE: Final = re.compile(rb'\\(?:x([0-9a-f]{2})|(["\\]))')
_SITE: Final = re.compile(r"(.*):(\d+) \((.*)\)", re.DOTALL)
_REFERENCE: Final = re.compile(r'(?P<label>"(?:[^"\\]|\\.)*"|[^"#]*)(?:#(?P<number>\d+))?', re.DOTALL)


def write_stamp(stamp: int, launch: int) -> str:
    """A time stamp (ns) relative to the launch (ns)."""
    if not stamp:
        return NEVER
    since = stamp - launch
    whole, rest = divmod(abs(since), 10**9)
    return f"{'-' if since < 0 else '+'}{whole}.{rest:09d}"


def read_stamp(word: str, launch: int) -> int:
    """The time stamp (ns) that ``write_stamp`` wrote; ValueError for anything else."""
    if word == NEVER:
        return 0
    return launch + int(_decimal(word).scaleb(9))


def write_duration(span: np.float32 | float) -> str:
    """A duration (ns, float32) with a unit that keeps it readable."""
    value = np.float32(span)
    if not np.isfinite(value):
        return str(value)
    digits = Decimal(str(value))
    unit, power = next(((unit, power) for unit, power in _UNITS if abs(digits) >= 10**power), _UNITS[-1])
    return f"{digits.scaleb(-power).normalize():f}{unit}"


def read_duration(word: str) -> float:
    """The duration (ns) that ``write_duration`` wrote; ValueError for anything else."""
    if word.lstrip("+-") in {"nan", "inf"}:
        return float(word)
    unit, power = next(((unit, power) for unit, power in reversed(_UNITS) if word.endswith(unit)), ("", 0))
    if not unit:
        message = f"{word} is no duration such as 12.3us"
        raise ValueError(message)
    return float(_decimal(word.removesuffix(unit)).scaleb(power))


def _decimal(word: str) -> Decimal:
    try:
        value = Decimal(word)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        message = f"{word} is no number"
        raise ValueError(message)
    return value


def quote(data: bytes) -> str:
    """Bytes as a quoted string that holds only printable characters."""
    written = []
    for char in data.decode("utf-8", "surrogateescape"):
        if char in '"\\':
            written.append("\\" + char)
        elif char.isprintable():
            written.append(char)
        else:
            written.extend(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    return f'"{"".join(written)}"'


def unquote(word: str) -> bytes:
    """The bytes that ``quote`` wrote; a bare word is taken as it is. ValueError for an escape that there is not."""
    if not word.startswith('"'):
        return word.encode()
    inside = word[1:-1].encode()
    if b"\\" in _ESCAPE.sub(b"", inside):
        message = rf"{word} has an escape other than \xNN, \" and \\"
        raise ValueError(message)
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], inside)


def write_word(text: str) -> str:
    """A string as a bare word where that is unambiguous, else quoted."""
    return text if text != NEVER and _BARE.fullmatch(text) else quote(text.encode("utf-8", "backslashreplace"))


def write_reference(label: str, number: int) -> str:
    """The number of a string, site or origin, and what it stands for."""
    return f"{write_word(label)}#{number}" if number else NONE


def read_reference(word: str) -> tuple[bytes, int | None]:
    """Label and number of a reference; the number is None where the label is to be interned."""
    if word == NONE:
        return b"", 0
    if word.isdecimal():
        return b"", int(word)
    found = _REFERENCE.fullmatch(word)
    if found is None:
        message = f"{word} is no reference such as fork#3"
        raise ValueError(message)
    return unquote(found["label"]), None if found["number"] is None else int(found["number"])


def write_site(site: tuple[str, int, str]) -> str:
    """File, line and function as one label."""
    return "{}:{} ({})".format(*site)


def read_site(label: str) -> tuple[str, int, str]:
    """The file, line and function of a site's label; ValueError where it is none."""
    found = _SITE.fullmatch(label)
    if found is None:
        message = f"{label} is no site such as slow.py:12 (main)"
        raise ValueError(message)
    return found[1], int(found[2]), found[3]


def write_flags(flags: int) -> str:
    """A record's flags by name; bits without a name as a number."""
    names = [name for name, bit in FLAGS.items() if flags & bit]
    rest = flags & ~sum(FLAGS.values())
    return "|".join([*names, *([hex(rest)] if rest else [])])


def read_flags(word: str) -> int:
    """The flags that ``write_flags`` wrote."""
    return sum(_named(part, FLAGS) for part in word.split("|"))


ROLE_NUMBERS: Final[Mapping[str, int]] = {role: number for number, role in enumerate(ROLES)}


def write_role(number: int) -> str:
    """A process's role by name."""
    return write_word(ROLES[number]) if number < len(ROLES) else str(number)


def read_role(word: str) -> int:
    """The number of a role."""
    return _named(unquote(word).decode(), ROLE_NUMBERS)


def _named(word: str, names: Mapping[str, int]) -> int:
    return names[word] if word in names else int(word, 0)
