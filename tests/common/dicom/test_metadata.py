import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from isthmus.common.dicom.json_model import DicomJson, metadata_of
from isthmus.common.dicom.part10 import file_header, read_file_meta
from isthmus.common.errors import MalformedDataset
from tests.data_sets import make_series, pydicom_files

PREFIX: Final = "http://x/bulkdata"
TEST_FILES: Final = Path(pydicom.__file__).parent / "data" / "test_files"


class Counted(io.FileIO):
    """A file that knows how much of it was read, and in how many pieces."""

    read_bytes = 0
    reads = 0

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the buffer type has a name from 3.12 on
        count = super().readinto(buffer) or 0
        self.read_bytes += count
        self.reads += 1
        return count


def instance(dataset: bytes, syntax: str = ExplicitVRLittleEndian) -> io.BytesIO:
    header = file_header(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=syntax,
        source_ae_title=None,
    )
    return io.BytesIO(header + dataset)


def short(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def long(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    length = len(value) if length is None else length
    return struct.pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, vr, length) + value


def item(value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value) if length is None else length) + value


SEQUENCE_END: Final = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
ITEM_END: Final = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
ID: Final = short(0x00100020, b"LO", b"17")


def is_readable(file: Path) -> bool:
    try:
        read_file_meta(io.BytesIO(file.read_bytes()))
    except MalformedDataset:
        return False
    return True


READABLE: Final = [file for file in pydicom_files() if is_readable(file)]


def referred(found: DicomJson) -> Iterator[str]:
    for element in found.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]


def test_what_is_no_instance_is_refused() -> None:
    with pytest.raises(MalformedDataset):
        metadata_of(io.BytesIO(b"no instance" * 100), PREFIX)


def test_a_data_set_that_cannot_be_inflated_is_refused() -> None:
    with pytest.raises(MalformedDataset):
        metadata_of(instance(b"\xff" * 100, DeflatedExplicitVRLittleEndian), PREFIX)


@pytest.mark.parametrize("file", READABLE, ids=lambda file: file.name)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_the_metadata_of_every_file_is_json_that_pydicom_reads(file: Path) -> None:
    with file.open("rb") as source:
        found, left_out = metadata_of(source, PREFIX)
    text = json.dumps(found, allow_nan=False)
    read = pydicom.Dataset.from_json(text, lambda *_: None)
    assert sorted(found) == list(found) == [f"{element.tag:08X}" for element in read]
    assert not any(path[:8] in found for path in left_out if "/" not in path)


@pytest.mark.parametrize("uid", ["7FE00010", "7FE00008", "7FE00009"])
def test_pixel_data_are_referred_to_however_small(uid: str) -> None:
    found, _ = metadata_of(instance(ID + long(int(uid, 16), b"OW", b"\1\0")), PREFIX)
    assert found[uid] == {"vr": "OW", "BulkDataURI": f"{PREFIX}/{uid}"}


def test_pixel_data_are_not_read(tmp_path: Path) -> None:
    data = ID + long(0x7FE00010, b"OW", bytes(2_000_000)) + short(0x7FE10010, b"LO", b"ACME")
    file = tmp_path / "instance"
    file.write_bytes(instance(data).getvalue())
    with Counted(file) as counted, io.BufferedReader(counted, 8192) as source:
        found, _ = metadata_of(source, PREFIX)
    assert list(found) == ["00100020", "7FE00010", "7FE10010"]
    assert counted.read_bytes < 50_000


def test_thousands_of_fragments_are_not_visited(tmp_path: Path) -> None:
    fragments = item(b"") + b"".join(item(bytes(10_000)) for _ in range(1000)) + SEQUENCE_END
    file = tmp_path / "instance"
    data = ID + long(0x7FE00010, b"OB", fragments, 0xFFFFFFFF)
    file.write_bytes(instance(data, RLELossless).getvalue())
    with Counted(file) as counted, io.BufferedReader(counted, 8192) as source:
        found, left_out = metadata_of(source, PREFIX)
    assert found["7FE00010"] == {"vr": "OB", "BulkDataURI": f"{PREFIX}/7FE00010"}
    assert left_out == []
    assert counted.reads < 10


def test_what_follows_encapsulated_pixel_data_is_described() -> None:
    fragments = item(b"") + item(b"\1\2") + item(b"\3\4") + SEQUENCE_END
    pixels = long(0x7FE00010, b"OB", fragments, 0xFFFFFFFF)
    found, _ = metadata_of(instance(pixels + short(0x7FE10010, b"LO", b"ACME"), RLELossless), PREFIX)
    assert list(found) == ["7FE00010", "7FE10010"]


def test_a_file_that_ends_in_an_icon_is_no_file_that_ends_in_its_pixel_data() -> None:
    icon = long(0x7FE00010, b"OB", item(b"") + item(b"\1\2") + SEQUENCE_END, 0xFFFFFFFF)
    sequence = long(0x00880200, b"SQ", item(icon + ITEM_END, 0xFFFFFFFF) + SEQUENCE_END, 0xFFFFFFFF)
    pixels = long(0x7FE00010, b"OB", item(b"") + item(b"\3\4") + SEQUENCE_END, 0xFFFFFFFF)
    found, _ = metadata_of(instance(sequence + ID + pixels, RLELossless), PREFIX)
    reference: DicomJson = {"7FE00010": {"vr": "OB", "BulkDataURI": f"{PREFIX}/00880200/1/7FE00010"}}
    assert found["00880200"]["Value"] == [reference]
    assert list(found) == ["00100020", "00880200", "7FE00010"]


@pytest.mark.parametrize("length", [None, 0xFFFFFFFF])
def test_long_values_are_referred_to_inside_sequences_too(length: int | None) -> None:
    value = long(0x00420011, b"OB", bytes(1026))
    second = item(value) if length is None else item(value + ITEM_END, length)
    items = item(b"") + second + (b"" if length is None else SEQUENCE_END)
    found, _ = metadata_of(instance(long(0x00081111, b"SQ", items, length)), PREFIX)
    uri = f"{PREFIX}/00081111/2/00420011"
    assert found["00081111"]["Value"] == [{}, {"00420011": {"vr": "OB", "BulkDataURI": uri}}]


def test_a_length_that_is_wrong_costs_no_memory() -> None:
    data = ID + struct.pack("<HH2sxxL", 0x0040, 0xA160, b"UR", 0xFFFFFFF0) + b"http://"
    found, left_out = metadata_of(instance(data), PREFIX)
    assert list(found) == ["00100020"]
    assert left_out == ["0040A160"]


def test_what_is_there_of_a_truncated_data_set_is_described() -> None:
    data = ID + short(0x00100030, b"DA", b"20000101")[:-3]
    found, left_out = metadata_of(instance(data), PREFIX)
    assert found == {"00100020": {"vr": "LO", "Value": ["17"]}}
    assert left_out == ["00100030"]


def test_a_sequence_that_cannot_be_read_costs_no_other_element_if_it_says_where_it_ends() -> None:
    found, left_out = metadata_of(instance(long(0x00081111, b"SQ", b"nonsense") + ID), PREFIX)
    assert list(found) == ["00100020"]
    assert left_out == ["00081111"]


def test_an_unknown_sequence_is_implicit_vr_inside_explicit() -> None:
    inner = struct.pack("<HHL", 0x0010, 0x0020, 2) + b"17"
    sequence = long(0x00091001, b"UN", item(inner) + SEQUENCE_END, 0xFFFFFFFF)
    found, _ = metadata_of(instance(sequence), PREFIX)
    described: DicomJson = {"00100020": {"vr": "LO", "Value": ["17"]}}
    assert found["00091001"] == {"vr": "SQ", "Value": [described]}


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_data_set_is_read_as_it_is_and_not_as_its_transfer_syntax_says(syntax: str) -> None:
    implicit = struct.pack("<HHL", 0x0010, 0x0020, 2) + b"17"
    for data in (implicit, ID):
        found, _ = metadata_of(instance(data, syntax), PREFIX)
        assert found == {"00100020": {"vr": "LO", "Value": ["17"]}}


def test_all_transfer_syntaxes_say_the_same(tmp_path: Path) -> None:
    (file,) = make_series(tmp_path, 1)
    expected, _ = metadata_of(io.BytesIO(file.read_bytes()), PREFIX)
    del expected["7FE00010"]
    for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
        ds = pydicom.dcmread(file)
        del ds.PixelData
        ds.file_meta.TransferSyntaxUID = syntax
        written = io.BytesIO()
        pydicom.dcmwrite(
            written,
            ds,
            implicit_vr=syntax.is_implicit_VR,
            little_endian=syntax.is_little_endian,
            force_encoding=True,
        )
        found, _ = metadata_of(written, PREFIX)
        assert found == expected


def test_a_deflated_data_set_may_be_a_thousand_times_as_long() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = ID + long(0x7FE00010, b"OW", bytes(50_000_000))
    deflated = deflater.compress(data) + deflater.flush()
    found, _ = metadata_of(instance(deflated, DeflatedExplicitVRLittleEndian), PREFIX)
    assert list(referred(found)) == [f"{PREFIX}/7FE00010"]


def test_values_that_are_bad_are_left_out_of_a_real_file_and_named() -> None:
    with (TEST_FILES / "badVR.dcm").open("rb") as source:
        found, left_out = metadata_of(source, PREFIX)
    assert left_out == ["00280008"]
    assert "7FE00010" in found
