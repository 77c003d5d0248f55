from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpdiag.wire import header

NUMBERS = {name: size for name, size, kind in header.HEADER_FIELDS if kind == "int"}


@given(st.fixed_dictionaries({name: st.integers(0, (1 << 8 * size) - 1) for name, size in NUMBERS.items()}))
def test_numbers_survive(numbers):
    decoded = header.decode(header.encode(**numbers))
    assert {name: decoded[name] for name in numbers} == numbers


@given(st.binary(max_size=600))
def test_a_command_line_is_cut_and_nothing_else_is_touched(argv):
    size = next(size for name, size, _ in header.HEADER_FIELDS if name == "argv")
    encoded = header.encode(magic=header.MAGIC, argv=argv, fault=7)
    decoded = header.decode(encoded)
    assert len(encoded) == header.HEADER_SIZE
    assert decoded["argv"] == argv[:size].rstrip(b"\0")
    assert (decoded["magic"], decoded["fault"]) == (header.MAGIC, 7)


def test_fields_fit_the_header():
    assert sum(size for _, size, _ in header.HEADER_FIELDS) <= header.HEADER_SIZE


def test_a_fault_is_noted_in_a_header_that_is_there(tmp_path):
    (tmp_path / "segments").mkdir()
    path = header.create(str(tmp_path), "1-a-b", header.encode(**header.fields(1, 42, 7, b"12345678")))
    header.mark_fault(path, 28)
    decoded = header.decode(Path(path).read_bytes())
    assert (decoded["fault"], decoded["pid"], decoded["uid"]) == (28, 42, b"12345678")


def test_a_segment_is_private_and_never_replaced(tmp_path):
    (tmp_path / "segments").mkdir()
    path = header.create(str(tmp_path), "name", b"x")
    assert Path(path).stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        header.create(str(tmp_path), "name", b"y")


def test_a_renewed_header_differs_in_what_a_fork_changes_only():
    uid, parent = b"abcdefgh", b"12345678"
    image = header.encode(**header.fields(0, 0, 0, b""), python=0x030B07F0, argv=b"python x.py")
    renewed = header.renewed(image, 3, 77, 66, uid, parent, 5 << 40, 6 << 40)
    values = {**header.fields(3, 77, 5 << 40, uid), "ppid": 66, "parent_uid": parent, "time_ns": 6 << 40}
    assert renewed == header.encode(**values, python=0x030B07F0, argv=b"python x.py")


def test_the_header_of_a_further_file_has_its_number():
    head = header.encode(**header.fields(2, 7, 8, b"abcdefgh"), argv=b"python")
    assert header.of_chunk(head, 3) == header.encode(**header.fields(2, 7, 8, b"abcdefgh"), chunk=3, argv=b"python")
