"""Data sets out of JSON, read again by pydicom and by our own reader, neither of which wrote them."""

import base64
import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import pydicom
import pytest
from pydicom import Dataset
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.uid import ExplicitVRLittleEndian

from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.from_json import (
    Fragments,
    Piece,
    Resolve,
    Stretch,
    Unwritable,
    encode_data_set,
    length_of,
)
from isthmus.common.dicom.json_model import DicomJson, JsonValue, JsonWriter
from isthmus.common.dicom.part10 import file_header
from tests.data_sets import pydicom_files

HEADER: Final = file_header(
    sop_class_uid="1.2",
    sop_instance_uid="1.3",
    transfer_syntax_uid=ExplicitVRLittleEndian,
    source_ae_title=None,
)


def nothing(uri: str) -> Fragments:
    raise ValueError(f"nothing was to be looked for, {uri} neither")


def encoded(attributes: DicomJson, resolve: Resolve = nothing) -> bytes:
    """A file without bulkdata."""
    pieces = encode_data_set(attributes, resolve)
    return HEADER + b"".join(piece for piece in pieces if isinstance(piece, bytes))


def read(attributes: DicomJson) -> Dataset:
    return pydicom.dcmread(BytesIO(encoded(attributes)))


def described(file: bytes | Path) -> DicomJson:
    content = file if isinstance(file, bytes) else file.read_bytes()
    dataset = open_dataset(BytesIO(content))
    return JsonWriter(None).read(dataset.reader, dataset.encoding)


def without_pixels(found: DicomJson) -> DicomJson:
    return {tag: element for tag, element in found.items() if not tag.startswith("7FE0")}


@pytest.mark.parametrize("file", pydicom_files(), ids=lambda file: file.name)
def test_what_is_described_and_written_is_described_in_the_same_way(file: Path) -> None:
    found = without_pixels(described(file))
    again = described(encoded(found))
    if "00080005" in again:
        found["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert again == found


@pytest.mark.parametrize(
    ("vr", "values", "raw"),
    [
        ("LO", ["one", None, "three"], b"one\\\\three"),
        ("LO", ["odd"], b"odd "),
        ("LO", ["Grüße"], "Grüße ".encode()),
        ("UI", ["1.2"], b"1.2\0"),
        ("LT", ["a\\b"], b"a\\b "),
        ("PN", [{"Alphabetic": "A^B", "Phonetic": "C"}], b"A^B==C"),
        ("PN", ["A^B", {"Ideographic": "X"}], b"A^B\\=X"),
        ("IS", [1, "2", 3.0], b"1\\2\\3 "),
        ("DS", [1, 0.5, "0.10", None], b"1\\0.5\\0.10\\ "),
        ("DS", [0.1 + 0.2, 1e-300], b"0.30000000000000\\1e-300 "),
        ("DS", ["0.30000000000000004"], b"0.30000000000000004 "),
        ("US", [1, "65535"], b"\x01\0\xff\xff"),
        ("SS", [-1], b"\xff\xff"),
        ("UV", ["18446744073709551615"], b"\xff" * 8),
        ("SV", [-(2**63)], struct.pack("<q", -(2**63))),
        ("FL", [1.5, "Infinity"], struct.pack("<ff", 1.5, float("inf"))),
        ("FD", [0.1], struct.pack("<d", 0.1)),
        ("AT", ["00280010"], b"\x28\0\x10\0"),
        ("US", [], b""),
        ("CS", [None], b""),
    ],
)
def test_values_are_encoded_as_their_vr_has_them(vr: str, values: list[JsonValue], raw: bytes) -> None:
    element = read({"00091001": {"vr": vr, "Value": values}}).get_item(0x00091001)
    assert (element.VR, element.value or b"") == (vr, raw)


@pytest.mark.parametrize("vr", ["OB", "OW", "OF", "OD", "OL", "OV", "UN"])
def test_inline_binary_is_taken_as_it_is(vr: str) -> None:
    value = bytes(range(16))
    inline = base64.b64encode(value).decode()
    assert read({"00091001": {"vr": vr, "InlineBinary": inline}})[0x00091001].value == value


@pytest.mark.parametrize(
    ("tag", "element"),
    [
        ("00100010", {"vr": "PN", "Value": [1]}),
        ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "A=B"}]}),
        ("00100010", {"vr": "PN", "Value": [{"Latin": "A"}]}),
        ("00100020", {"vr": "LO", "Value": [12]}),
        ("00100020", {"vr": "LO", "Value": ["a\\b"]}),
        ("00100020", {"vr": "LO", "Value": ["a\0b"]}),
        ("00100020", {"vr": "LO", "Value": "no array"}),
        ("00100020", {"vr": "US", "Value": [12]}),
        ("00100020", {"vr": "SQ", "Value": []}),
        ("00100020", {"vr": "XX", "Value": ["?"]}),
        ("00100020", {"vr": "LO", "Value": ["1"], "BulkDataURI": "x"}),
        ("00100020", {"vr": "LO", "InlineBinary": "AAAA"}),
        ("00100020", {"vr": "LO", "BulkDataURI": "x"}),
        ("00100020", ["LO", "12"]),
        ("00104000", {"vr": "LT", "Value": ["one", "two"]}),
        ("00080060", {"vr": "CS", "Value": ["MÜ"]}),
        ("00280010", {"vr": "US", "Value": ["many"]}),
        ("00280010", {"vr": "US", "Value": [65536]}),
        ("00280010", {"vr": "US", "Value": [-1]}),
        ("00280010", {"vr": "US", "Value": [True]}),
        ("00280010", {"vr": "US", "Value": [1.5]}),
        ("00280010", {"vr": "US", "Value": [1, None]}),
        ("00280009", {"vr": "AT", "Value": ["Rows"]}),
        ("00181063", {"vr": "DS", "Value": ["1,5"]}),
        ("00181063", {"vr": "DS", "Value": [10**400]}),
        ("00280008", {"vr": "IS", "Value": ["1.5"]}),
        ("00280008", {"vr": "IS", "Value": [2**31]}),
        ("00720080", {"vr": "FD", "Value": ["half"]}),
        ("00720076", {"vr": "FL", "Value": [1e39]}),
        ("00091001", {"vr": "OW", "InlineBinary": "AA=="}),
        ("00091001", {"vr": "OB", "InlineBinary": "!"}),
        ("00091001", {"vr": "OB", "Value": ["AA"]}),
        ("00091001", {"vr": "UN", "Value": [1]}),
        ("00081140", {"vr": "SQ", "Value": ["item"]}),
        ("00081140", {"vr": "SQ", "InlineBinary": ""}),
        ("00081140", {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [1]}}]}),
    ],
)
def test_what_a_vr_cannot_hold_is_refused_by_its_tag_and_never_quoted(tag: str, element: object) -> None:
    inner = "00081155" if "00081155" in str(element) else tag
    with pytest.raises(Unwritable, match=rf"^\({inner[:4]},{inner[4:]}\): ") as refused:
        encode_data_set({tag: element}, nothing)
    assert not any(value in refused.value.detail for value in ("many", "half", "MÜ", "A=B", "1,5"))


@pytest.mark.parametrize("tag", ["PatientID", "0010002", "0010002G", ""])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(Unwritable):
        encode_data_set({tag: {"vr": "LO"}}, nothing)


def test_a_tag_in_lower_and_in_upper_case_is_the_same_twice() -> None:
    with pytest.raises(Unwritable):
        encode_data_set({"7fe00010": {"vr": "OB"}, "7FE00010": {"vr": "OB"}}, nothing)


def test_elements_come_in_the_order_of_their_tags_and_what_is_in_no_data_set_is_left_out() -> None:
    found = described(
        encoded(
            {
                "00200013": {"vr": "IS", "Value": [1]},
                "00020010": {"vr": "UI", "Value": ["1.2.840.10008.1.2"]},
                "00080000": {"vr": "UL", "Value": [4]},
                "00080018": {"vr": "UI", "Value": ["1.2.3"]},
                "fffcfffc": {"vr": "OB", "InlineBinary": "AAAA"},
            }
        )
    )
    assert list(found) == ["00080018", "00200013"]


def test_the_character_set_is_said_to_be_utf_8_where_it_matters() -> None:
    latin: DicomJson = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]},
    }
    assert read(latin).SpecificCharacterSet == "ISO_IR 192"
    assert str(read(latin).PatientName) == "Müller"
    assert str(read({"00100010": latin["00100010"]}).PatientName) == "Müller"
    assert "SpecificCharacterSet" not in read({"00100020": {"vr": "LO", "Value": ["1"]}})
    item: DicomJson = {"00081140": {"vr": "SQ", "Value": [latin]}}
    assert read(item).ReferencedImageSequence[0].SpecificCharacterSet == "ISO_IR 192"
    assert str(read(item).ReferencedImageSequence[0].PatientName) == "Müller"


def test_a_sequence_too_deep_is_refused() -> None:
    attributes: DicomJson = {}
    for _ in range(80):
        attributes = {"00081140": {"vr": "SQ", "Value": [attributes]}}
    with pytest.raises(Unwritable, match="deep"):
        encode_data_set(attributes, nothing)


def test_a_value_too_long_for_its_vr_becomes_un() -> None:
    ds = read({"30060050": {"vr": "DS", "Value": [0.25] * 20_000}})
    assert ds.get_item(0x30060050).VR == "UN"
    assert ds.get_item(0x30060050).value == b"\\".join([b"0.25"] * 20_000) + b" "


class TestBulkdata:
    """Values that lie elsewhere."""

    def pieces(self, attributes: DicomJson, **found: Stretch | Fragments) -> list[Piece]:
        def resolve(uri: str) -> Sequence[Stretch] | Fragments:
            return (bulk,) if isinstance(bulk := found[uri], Stretch) else bulk

        return encode_data_set(attributes, resolve)

    def whole(self, pieces: list[Piece], **content: bytes) -> Dataset:
        parts = [
            piece
            if isinstance(piece, bytes)
            else content[piece.source][piece.offset : piece.offset + piece.length]
            for piece in pieces
        ]
        assert length_of(pieces) == sum(map(len, parts))
        return pydicom.dcmread(BytesIO(HEADER + b"".join(parts)))

    def test_a_value_is_referred_to_and_padded(self) -> None:
        pieces = self.pieces({"00420011": {"vr": "OB", "BulkDataURI": "a"}}, a=Stretch("blob", 2, 5))
        assert pieces[1:] == [Stretch("blob", 2, 5), b"\0"]
        assert self.whole(pieces, blob=b"..hello..").EncapsulatedDocument == b"hello\0"

    def test_a_value_of_many_gigabytes_takes_no_memory(self) -> None:
        pieces = self.pieces({"7FE00010": {"vr": "OW", "BulkDataURI": "a"}}, a=Stretch("blob", 0, 2**32 - 2))
        assert length_of(pieces) == 2**32 - 2 + 12

    @pytest.mark.parametrize(("vr", "length"), [("OW", 2**32), ("OW", 3), ("OF", 6), ("OV", 12), ("US", 1)])
    def test_a_length_that_the_vr_cannot_have_is_refused(self, vr: str, length: int) -> None:
        with pytest.raises(Unwritable):
            self.pieces({"00091001": {"vr": vr, "BulkDataURI": "a"}}, a=Stretch("blob", 0, length))

    def test_a_value_may_lie_in_several_places(self) -> None:
        found = (Stretch("one", 0, 2), Stretch("two", 1, 3))
        pieces = encode_data_set({"00420011": {"vr": "OB", "BulkDataURI": "a"}}, lambda _: found)
        assert self.whole(pieces, one=b"ab", two=b".cde").EncapsulatedDocument == b"abcde\0"

    def test_texts_are_utf_8(self) -> None:
        pieces = self.pieces({"00104000": {"vr": "LT", "BulkDataURI": "a"}}, a=Stretch("blob", 0, 3))
        assert self.whole(pieces, blob="Äh".encode()).PatientComments == "Äh"

    def test_why_there_is_nothing_is_said_of_the_attribute(self) -> None:
        def missing(_: str) -> Fragments:
            raise ValueError("there is none")

        with pytest.raises(Unwritable, match=r"^\(0042,0011\): there is none$"):
            encode_data_set({"00420011": {"vr": "OB", "BulkDataURI": "a"}}, missing)

    def test_frames_are_fragments_with_an_offset_table(self) -> None:
        frames = Fragments((Stretch("one", 1, 3), Stretch("two", 0, 4)))
        ds = self.whole(
            self.pieces(
                {
                    "7FE00001": {"vr": "OV", "InlineBinary": "AAAAAAAAAAA="},
                    "7FE00010": {"vr": "OW", "BulkDataURI": "a"},
                },
                a=frames,
            ),
            one=b".abc.",
            two=b"defg",
        )
        assert ds["PixelData"].VR == "OB"
        assert ds["PixelData"].is_undefined_length
        assert "ExtendedOffsetTable" not in ds
        assert parse_basic_offsets(ds.PixelData) == [0, 12]
        assert list(generate_frames(ds.PixelData, number_of_frames=2)) == [b"abc\0", b"defg"]

    def test_a_stream_has_no_offset_table(self) -> None:
        stream = Fragments((Stretch("one", 0, 4), Stretch("one", 4, 4)), is_stream=True)
        pieces = self.pieces({"7FE00010": {"vr": "OB", "BulkDataURI": "a"}}, a=stream)
        ds = self.whole(pieces, one=b"abcdefgh")
        assert parse_basic_offsets(ds.PixelData) == []
        assert list(generate_frames(ds.PixelData, number_of_frames=1)) == [b"abcdefgh"]

    def test_offsets_beyond_32_bits_are_in_the_extended_table(self) -> None:
        large = Fragments((Stretch("a", 0, 2**31 + 1), Stretch("b", 0, 2**31), Stretch("c", 0, 2)))
        pieces = self.pieces({"7FE00010": {"vr": "OB", "BulkDataURI": "a"}}, a=large)
        table = pieces[0]
        assert isinstance(table, bytes)
        ds = pydicom.dcmread(BytesIO(HEADER + table[: -12 - 8 - 8]))
        assert struct.unpack("<3Q", ds.ExtendedOffsetTable) == (0, 2**31 + 10, 2**32 + 18)
        assert struct.unpack("<3Q", ds.ExtendedOffsetTableLengths) == (2**31 + 1, 2**31, 2)

    def test_only_the_image_itself_is_compressed(self) -> None:
        icon: DicomJson = {"7FE00010": {"vr": "OB", "BulkDataURI": "a"}}
        with pytest.raises(Unwritable, match=r"^\(7FE0,0010\): "):
            self.pieces({"00880200": {"vr": "SQ", "Value": [icon]}}, a=Fragments((Stretch("a", 0, 2),)))
