"""Every format, every sample, the same tests; and the texts themselves, as fixtures/golden/reports keeps them.

After a wanted change: ``MPDIAG_UPDATE_GOLDEN=1 pytest tests/reporters``, and read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mpdiag.reporters.formats import FORMATS
from mpdiag.reporters.style import Style
from tests.reporters.hostile import NAMES, poisoned
from tests.reporters.samples import SAMPLES

GOLDEN = Path(__file__).parents[2] / "fixtures/golden/reports"
UPDATE = bool(os.environ.get("MPDIAG_UPDATE_GOLDEN"))
STYLES = {
    "": Style(),
    "ascii": Style(ascii=True, encoding="ascii"),
    "colour": Style(colour=True),
    "narrow": Style(width=40),
    "wide": Style(width=200),
}
ENCODINGS = ("utf-8", "ascii", "latin-1", "cp437", "shift_jis", "utf-16")
GOLDEN_CASES = [
    *((name, sample, "") for name in FORMATS for sample in SAMPLES),
    *(("text", "big_argument", style) for style in STYLES if style),
]

formats = pytest.mark.parametrize("name", FORMATS)
samples = pytest.mark.parametrize("sample", SAMPLES)


@pytest.mark.parametrize(("name", "sample", "style"), GOLDEN_CASES)
def test_report_is_the_golden_one(name, sample, style):
    path = golden_path(name, sample, style)
    report = FORMATS[name].render(SAMPLES[sample], STYLES[style])
    if UPDATE:
        path.write_text(report, encoding="utf-8")
    assert report == path.read_text(encoding="utf-8")


def test_no_golden_report_is_left_over():
    assert set(GOLDEN.iterdir()) == {golden_path(*case) for case in GOLDEN_CASES}


def golden_path(name, sample, style):
    return GOLDEN / ".".join(filter(None, (sample, style, FORMATS[name].extension)))


@formats
@samples
@pytest.mark.parametrize("style", STYLES.values(), ids=str)
def test_report_is_text_with_one_newline_at_its_end(name, sample, style):
    report = FORMATS[name].render(SAMPLES[sample], style)
    assert report.endswith("\n")
    assert not report.endswith("\n\n")
    assert not any(line != line.rstrip() for line in report.split("\n"))


@formats
@samples
def test_report_depends_on_nothing_but_its_arguments(name, sample):
    render = FORMATS[name].render
    assert render(SAMPLES[sample], Style()) == render(SAMPLES[sample], Style())


@formats
@pytest.mark.parametrize("hostile", NAMES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_hostile_names_are_harmless_and_can_be_written(name, hostile, encoding):
    for sample in SAMPLES.values():
        report = FORMATS[name].render(poisoned(sample, NAMES[hostile]), Style(encoding=encoding, ascii=True))
        report.encode(encoding)
        assert not re.search(
            r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff]", report
        )


def test_extensions_tell_formats_apart():
    extensions = [format_.extension for format_ in FORMATS.values()]
    assert len(set(extensions)) == len(extensions)
    assert not any(extension.startswith(".") for extension in extensions)
