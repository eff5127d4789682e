"""Matches that are not as they should be: nothing but that may come of them."""

import struct
from random import Random

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from isthmus.cli.doctor.matches import Match
from isthmus.common.errors import MalformedDataset


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """One of Explicit VR Little Endian, with a short length."""
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


MATCH = (
    element(0x0008, 0x0005, b"CS", b"ISO_IR 100")
    + element(0x0008, 0x0052, b"CS", b"STUDY ")
    + element(0x0010, 0x0010, b"PN", b"Miller^Ann")
    + element(0x0020, 0x000D, b"UI", b"1.2.3\0")
    + element(0x0020, 0x1208, b"IS", b"12")
)


def test_its_values_are_read() -> None:
    match = Match.read(MATCH, ExplicitVRLittleEndian)
    assert match.uid("StudyInstanceUID") == "1.2.3"
    assert match.text("NumberOfStudyRelatedInstances") == "12"
    assert match.values["PatientName"] == b"Miller^Ann"


@pytest.mark.parametrize("vr", [b"US", b"DS", b"AT", b"FD", b"XX", b"SS"])
def test_a_wrong_vr_is_no_hindrance(vr: bytes) -> None:
    data = element(0x0020, 0x000D, vr, b"1.2.3\0")
    assert Match.read(data, ExplicitVRLittleEndian).uid("StudyInstanceUID") == "1.2.3"


def test_what_is_no_uid_is_not_asked_for() -> None:
    data = element(0x0020, 0x000D, b"UI", b"1.2.\xff3")
    assert Match.read(data, ExplicitVRLittleEndian).uid("StudyInstanceUID") == ""


def test_a_broken_one_is_called_that() -> None:
    with pytest.raises(MalformedDataset):
        Match.read(MATCH[:-1], ExplicitVRLittleEndian)


def test_changed_bytes_give_a_match_or_that_error() -> None:
    random = Random(1)
    for _ in range(2000):
        data = bytearray(MATCH)
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            match = Match.read(bytes(data), ExplicitVRLittleEndian)
        except MalformedDataset:
            continue
        assert match.uid("StudyInstanceUID").strip("0123456789.") == ""
