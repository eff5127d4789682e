"""What is kept of an instance for searches: selected attributes, whatever their values are."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from isthmus.common.dicom.json_model import dataset_to_json, metadata_of
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dicom.summary_attributes import LONGEST, LONGEST_TOGETHER, summary_attributes

EXPLICIT = "1.2.840.10008.1.2.1"


def encoded(ds: Dataset, syntax: str) -> bytes:
    buffer = BytesIO()
    dcmwrite(
        buffer,
        ds,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
    )
    return buffer.getvalue()


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    header = group.to_bytes(2, "little") + number.to_bytes(2, "little") + vr
    if vr == b"SQ":
        return header + b"\0\0" + len(value).to_bytes(4, "little") + value
    return header + len(value).to_bytes(2, "little") + value


PATIENT_ID = element(0x0010, 0x0020, b"LO", b"4711")
STUDY_UID = element(0x0020, 0x000D, b"UI", b"1.2.3\0")
INSTANCE_NUMBER = element(0x0020, 0x0013, b"IS", b"7 ")


def test_what_is_wanted_is_described_and_the_rest_is_not() -> None:
    found = summary_attributes(
        PATIENT_ID
        + element(0x0018, 0x0050, b"DS", b"1.25")
        + STUDY_UID
        + INSTANCE_NUMBER
        + element(0x0028, 0x0010, b"US", b"\x00\x02")
        + element(0x7FE0, 0x0010, b"OW", b"\0\0" + b"\xff\xff\xff\x7f"),
        EXPLICIT,
    )
    assert found == {
        "00100020": {"vr": "LO", "Value": ["4711"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
        "00200013": {"vr": "IS", "Value": [7]},
        "00280010": {"vr": "US", "Value": [512]},
    }


def test_counts_of_another_system_are_not_taken_over() -> None:
    assert (
        summary_attributes(
            element(0x0008, 0x0061, b"CS", b"CT\\SR ") + element(0x0020, 0x1208, b"IS", b"99"), EXPLICIT
        )
        == {}
    )


def test_names_are_unicode_whatever_their_character_set() -> None:
    found = summary_attributes(
        element(0x0008, 0x0005, b"CS", b"ISO_IR 100")
        + element(0x0010, 0x0010, b"PN", "Müller^Jörg".encode("latin-1") + b" "),
        EXPLICIT,
    )
    assert found["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]}
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_names_inside_sequences_too() -> None:
    item = element(0x0040, 0x0007, b"LO", "Schädel ".encode("latin-1"))
    sequence = b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item
    found = summary_attributes(
        element(0x0008, 0x0005, b"CS", b"ISO_IR 100") + element(0x0040, 0x0275, b"SQ", sequence), EXPLICIT
    )
    assert found["00400275"]["Value"] == [{"00400007": {"vr": "LO", "Value": ["Schädel"]}}]


@pytest.mark.parametrize(
    "bad",
    [
        element(0x0020, 0x0011, b"IS", b"1A"),
        element(0x0010, 0x1030, b"DS", b"heavy "),
        element(0x0010, 0x4000, b"LT", bytes(range(1, 255))),
        element(0x0010, 0x1002, b"SQ", b"no items"),
        element(0x0010, 0x1002, b"SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x10\x00"),
        element(0x0010, 0x1002, b"SQ", b"\xfe\xff\x00\xe0\x04\x00\x00\x00\x10\x00\x20\x00"),
        element(0x0010, 0x1010, b"AS", b"\xff\xfe\xfd\xfc"),
        element(0x0010, 0x0030, b"ZZ", b"2000"),
        element(0x0010, 0x4000, b"LT", b"x" * (LONGEST + 2)),
    ],
)
def test_one_bad_value_costs_nothing_else(bad: bytes) -> None:
    found = summary_attributes(bad + STUDY_UID + INSTANCE_NUMBER, EXPLICIT)
    assert found["0020000D"]["Value"] == ["1.2.3"]
    assert found["00200013"]["Value"] == [7]


@pytest.mark.parametrize("cut", range(len(PATIENT_ID + STUDY_UID)))
def test_what_breaks_off_is_described_as_far_as_it_goes(cut: int) -> None:
    found = summary_attributes((PATIENT_ID + STUDY_UID)[:cut], EXPLICIT)
    assert ("00100020" in found) == (cut >= len(PATIENT_ID))
    assert "0020000D" not in found


def test_no_data_set_is_no_error() -> None:
    assert summary_attributes(b"", EXPLICIT) == {}
    assert summary_attributes(b"no data set at all", EXPLICIT) == {}
    assert summary_attributes(b"not deflated", DeflatedExplicitVRLittleEndian) == {}


def test_all_of_it_fits_into_a_message() -> None:
    long = b"".join(
        element(0x0010, number, b"LT", b"x" * (LONGEST - 8)) for number in (0x0020, *([0x4000] * 40))
    )
    found = summary_attributes(long, EXPLICIT)
    assert 0 < len(str(found)) < LONGEST_TOGETHER


@pytest.mark.parametrize("syntax", [EXPLICIT, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_in_every_encoding(syntax: UID) -> None:
    ds = Dataset()
    ds.PatientID = "4711"
    ds.Rows = 512
    ds.StudyInstanceUID = "1.2.3"
    request = Dataset()
    request.ScheduledProcedureStepID = "S1"
    ds.RequestAttributesSequence = Sequence([request])
    assert summary_attributes(encoded(ds, syntax), syntax) == dataset_to_json(ds)[0]


def test_of_real_files_it_says_what_their_metadata_says(corpus: list[Path]) -> None:
    for path in corpus:
        with path.open("rb") as file:
            meta = read_file_meta(file)
            file.seek(meta.dataset_offset)
            found = summary_attributes(file.read(), meta.transfer_syntax_uid)
            metadata, _ = metadata_of(file, "bulk")
        assert ("0020000D" in found) == ("0020000D" in metadata), path
        for tag, described in found.items():
            if tag != "00080005":
                assert described == metadata[tag], (path, tag)
