import json
import math
import struct
from pathlib import Path
from typing import Final

import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag, Tag

from isthmus.common.dicom.json_model import DicomJson, JsonElement, JsonValue, dataset_to_json
from isthmus.common.messages import Matches, decode, encode

PYDICOM: Final = Path(pydicom.__file__).parent / "data"
CHARACTER_SETS: Final = sorted((PYDICOM / "charset_files").glob("chr*.dcm"))


def raw(tag: int, vr: str, value: bytes) -> RawDataElement:
    """Make an element as it is in an answer over the network, with whatever value."""
    return RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)


def dataset(*elements: RawDataElement) -> Dataset:
    return Dataset({element.tag: element for element in elements})


def described(*elements: RawDataElement) -> DicomJson:
    found, left_out = dataset_to_json(dataset(*elements))
    assert left_out == []
    return found


def values(vr: str, value: bytes) -> list[JsonValue]:
    return described(raw(0x00091010, vr, value))["00091010"]["Value"]


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("IS", b"1A"),
        ("IS", b"1.5 "),
        ("IS", b"1\\x "),
        ("IS", b"12345678901234567890"),
        ("DS", b"1,5 "),
        ("DS", b"NaN "),
        ("DS", b"1e999 "),
        ("DS", "\u0661".encode()),
        ("US", b"abc"),
        ("AT", b"abcdef"),
        ("FD", b"1234"),
        ("FD", struct.pack("<d", math.nan)),
        ("FL", struct.pack("<ff", 1, math.inf)),
    ],
)
def test_a_value_that_cannot_be_is_left_out_and_named_and_the_others_stay(vr: str, value: bytes) -> None:
    ds = dataset(raw(0x00091010, vr, value), raw(0x00100020, "LO", b"1 "))
    assert dataset_to_json(ds) == ({"00100020": {"vr": "LO", "Value": ["1"]}}, ["00091010"])


def test_what_is_left_out_of_a_sequence_is_named_by_its_path() -> None:
    item = struct.pack("<HH2sH2s", 0x0020, 0x0013, b"IS", 2, b"1A")
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) + struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item
    found, left_out = dataset_to_json(dataset(raw(0x00081111, "SQ", items)))
    assert found == {"00081111": {"vr": "SQ", "Value": [{}, {}]}}
    assert left_out == ["00081111/2/00200013"]


@pytest.mark.parametrize("items", [b"nonsense", b"\xfe\xff\x00\xe0\x08\x00\x00\x00abc", b"\xfe\xff\x00\xe0"])
def test_a_sequence_that_cannot_be_read_is_left_out(items: bytes) -> None:
    ds = dataset(raw(0x00081111, "SQ", items), raw(0x00100020, "LO", b"1 "))
    assert dataset_to_json(ds) == ({"00100020": {"vr": "LO", "Value": ["1"]}}, ["00081111"])


def test_sequences_of_any_depth_cost_no_stack() -> None:
    items = b""
    for _ in range(2000):
        inner = struct.pack("<HH2sxxL", 0x0008, 0x1111, b"SQ", len(items)) + items
        items = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
    found, left_out = dataset_to_json(dataset(raw(0x00081111, "SQ", items)))
    assert list(found) == ["00081111"]
    assert len(left_out) == 1


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", "20143822"),
        ("DA", "2014.01.02"),
        ("TM", "25:61"),
        ("UI", "1.02.abc"),
        ("CS", "much too long, in lower case"),
        ("AS", "17"),
    ],
)
def test_a_text_that_its_vr_forbids_stays_a_text(vr: str, value: str) -> None:
    assert values(vr, value.encode()) == [value]


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("IS", b"1 ", [1]),
        ("IS", b" +07\\-3 ", [7, -3]),
        ("IS", b"2.0 ", [2]),
        ("DS", b"1.50\\-2\\1e3", [1.5, -2, 1000.0]),
        ("US", b"\x01\x00\xff\xff", [1, 65535]),
        ("SS", b"\xff\xff", [-1]),
        ("UV", b"\xff" * 8, [2**64 - 1]),
        ("FD", struct.pack("<d", 0.1), [0.1]),
        ("AT", b"\x10\x00\x20\x00\xfe\x7f\x01\x00", ["00100020", "7FFE0001"]),
        ("LO", b"a\\\\b ", ["a", None, "b"]),
        ("IS", b"\\1 ", [None, 1]),
        ("LT", b" a\\b\r\n ", [" a\\b\r\n"]),
        ("UI", b"1.2.3\0", ["1.2.3"]),
        ("CS", b"DERIVED \\PRIMARY ", ["DERIVED", "PRIMARY"]),
        (
            "PN",
            b"Buc^J\xc3\xa9r\xc3\xb4me==x\\\\=y ",
            [{"Alphabetic": "Buc^Jérôme", "Phonetic": "x"}, None, {"Ideographic": "y"}],
        ),
    ],
)
def test_values_have_the_form_of_the_json_model(vr: str, value: bytes, expected: list[JsonValue]) -> None:
    assert values(vr, value) == expected


def test_an_integer_is_no_float_and_the_other_way_round() -> None:
    assert [type(value) for value in values("DS", b"1\\1.0 ")] == [int, float]


@pytest.mark.parametrize("vr", ["LO", "PN", "IS", "DS", "US", "FD", "AT", "OB", "UN", "SQ", "UT", "UI"])
@pytest.mark.parametrize("value", [b"", b"  "])
def test_an_empty_attribute_has_a_vr_and_nothing_else(vr: str, value: bytes) -> None:
    if value and vr not in ("LO", "PN", "IS", "DS", "UT", "UI"):
        value = b""
    assert described(raw(0x00091010, vr, value)) == {"00091010": {"vr": vr}}


def test_bytes_are_inline_and_in_little_endian() -> None:
    big = RawDataElement(BaseTag(0x00281201), "OW", 4, b"\x01\x02\x03\x04", 0, False, False)
    assert described(big) == {"00281201": {"vr": "OW", "InlineBinary": "AgEEAw=="}}


def test_encoding_leaves_no_trace() -> None:
    found = described(
        raw(0x00020010, "UI", b"1.2\0"),
        raw(0x00080000, "UL", b"\x00\x00\x00\x00"),
        raw(0x00080060, "CS", b"CT"),
        raw(0xFFFCFFFC, "OB", b"\0\0"),
    )
    assert list(found) == ["00080060"]


def test_tags_ascend_whatever_their_order_was() -> None:
    found = described(raw(0x0020000D, "UI", b"1"), raw(0x00080060, "CS", b"CT"))
    assert list(found) == ["00080060", "0020000D"]


def test_long_values_are_referred_to_only_where_there_is_a_prefix() -> None:
    ds = dataset(raw(0x00091010, "OB", b"\1" * 1025), raw(0x00091011, "OB", b"\1" * 1024))
    inline, _ = dataset_to_json(ds)
    referred, _ = dataset_to_json(ds, bulk_prefix="http://x/bulkdata")
    assert ["InlineBinary" in element for element in inline.values()] == [True, True]
    assert referred["00091010"] == {"vr": "OB", "BulkDataURI": "http://x/bulkdata/00091010"}
    assert referred["00091011"] == inline["00091011"]


@pytest.mark.parametrize("vr", ["LO", "UI", "PN", "UR", "CS"])
def test_vrs_that_have_no_bulk_data_stay_inline(vr: str) -> None:
    found, _ = dataset_to_json(dataset(raw(0x00091010, vr, b"1" * 2000)), bulk_prefix="http://x")
    assert "Value" in found["00091010"]


@pytest.mark.parametrize("file", CHARACTER_SETS, ids=lambda file: file.stem)
def test_every_character_set_becomes_utf_8(file: Path) -> None:
    ds = pydicom.dcmread(file)
    found, left_out = dataset_to_json(pydicom.dcmread(file))
    assert left_out == []
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    if "PatientName" in ds:
        expected: object = ds["PatientName"].to_json_dict(None, 1024)
        assert found["00100010"] == expected


@pytest.mark.parametrize("declared", [b"ISO_IR 9 ", b"", b"\\NONSENSE\\\\"])
def test_a_character_set_that_nobody_knows_costs_nothing(declared: bytes) -> None:
    name = raw(0x00100010, "PN", "Müller".encode("latin_1"))
    found = described(raw(0x00080005, "CS", declared), name)
    assert found["00100010"]["Value"] == [{"Alphabetic": "Müller"}]
    assert found["00080005"]["Value"] == ["ISO_IR 192"]


def test_a_character_set_is_declared_where_it_was_not_but_should_have_been() -> None:
    found = described(raw(0x00100010, "PN", "Müller".encode()))
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert "00080005" not in described(raw(0x00100010, "PN", b"Mueller"))


def test_an_item_has_the_character_set_of_what_it_is_in() -> None:
    item = struct.pack("<HH2sH2s", 0x0008, 0x0104, b"LO", 2, b"\xb3a")
    items = struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item
    found = described(raw(0x00080005, "CS", b"ISO_IR 101"), raw(0x00081111, "SQ", items))
    assert found["00081111"]["Value"] == [{"00080104": {"vr": "LO", "Value": ["ła"]}}]


def test_known_attributes_of_unknown_vr_are_what_they_are() -> None:
    found = described(raw(0x00100020, "UN", b"17"), raw(0x00280010, "UN", b"\x01\x00"))
    assert found == {
        "00100020": {"vr": "LO", "Value": ["17"]},
        "00280010": {"vr": "US", "Value": [1]},
    }


def test_private_attributes_of_unknown_vr_stay_bytes() -> None:
    found = described(raw(0x00090010, "UN", b"ACME"), raw(0x00091001, "UN", b"\x01\x02"))
    assert found == {
        "00090010": {"vr": "LO", "Value": ["ACME"]},
        "00091001": {"vr": "UN", "InlineBinary": "AQI="},
    }


def test_pixel_representation_decides_where_implicit_vr_leaves_it_open() -> None:
    def implicit(tag: int, value: bytes) -> RawDataElement:
        return RawDataElement(BaseTag(tag), None, len(value), value, 0, True, True)

    smallest = implicit(0x00280106, b"\xff\xff")
    assert described(implicit(0x00280103, b"\1\0"), smallest)["00280106"] == {"vr": "SS", "Value": [-1]}
    assert described(implicit(0x00280103, b"\0\0"), smallest)["00280106"] == {"vr": "US", "Value": [65535]}


def test_data_sets_made_with_pydicom_are_described_too() -> None:
    ds = Dataset()
    ds.PatientName = "Müller^A=\u5c71"
    ds.StudyDate = "20200101"
    ds.NumberOfStudyRelatedInstances = 3
    ds.PatientWeight = "70.5"
    ds.ModalitiesInStudy = ["CT", "MR"]
    ds.FrameIncrementPointer = [Tag("FrameTime")]
    ds.Rows = 512
    ds.AccessionNumber = ""
    ds.PatientID = None
    item = Dataset()
    item.CodeValue = "1"
    ds.ProcedureCodeSequence = [item]
    ds.add(DataElement(0x00091001, "OB", b"\1\2"))
    expected: dict[str, JsonElement] = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080020": {"vr": "DA", "Value": ["20200101"]},
        "00080050": {"vr": "SH"},
        "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
        "00081032": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["1"]}}]},
        "00091001": {"vr": "OB", "InlineBinary": "AQI="},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^A", "Ideographic": "\u5c71"}]},
        "00100020": {"vr": "LO"},
        "00101030": {"vr": "DS", "Value": [70.5]},
        "00201208": {"vr": "IS", "Value": [3]},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00280010": {"vr": "US", "Value": [512]},
    }
    assert dataset_to_json(ds) == (expected, [])


def test_what_pydicom_has_decoded_is_described_as_what_it_has_not() -> None:
    file = PYDICOM / "test_files" / "rtplan.dcm"
    decoded = pydicom.dcmread(file)
    for _ in decoded.iterall():
        pass
    assert dataset_to_json(decoded) == dataset_to_json(pydicom.dcmread(file))


def test_it_crosses_the_bus_as_it_is() -> None:
    match = described(
        raw(0x00080061, "CS", b"CT\\\\MR "),
        raw(0x00100010, "PN", b"A^B "),
        raw(0x00101030, "DS", b"1\\1.0 "),
        raw(0x0020000D, "UI", b"1.2"),
        raw(0x00201208, "IS", b"7 "),
        raw(0x00081111, "SQ", struct.pack("<HHL", 0xFFFE, 0xE000, 0)),
    )
    received = decode(encode(Matches((match,))), Matches).matches[0]
    assert json.dumps(received) == json.dumps(match)
