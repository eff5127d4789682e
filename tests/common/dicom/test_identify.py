"""Which instance a raw data set is, in every encoding of PS3.5 Annex A."""

import random
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from isthmus.common.dicom.part10 import Identity, MalformedDataset, identify, read_file_meta

FILES = sorted(
    path
    for path in (Path(pydicom.__file__).parent / "data").rglob("*")
    if path.is_file() and path.suffix not in {".py", ".pyc"}
)
IDENTITY = Identity(
    study_instance_uid="1.2.1",
    series_instance_uid="1.2.22",
    sop_instance_uid="1.2.333",
    sop_class_uid="1.2.4",
)
NAMES = {
    0x00080016: "SOP Class UID (0008,0016)",
    0x00080018: "SOP Instance UID (0008,0018)",
    0x0020000D: "Study Instance UID (0020,000D)",
    0x0020000E: "Series Instance UID (0020,000E)",
}
PRIVATE = "1.2.276.0.99.1"
ENCODINGS = pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        JPEG2000Lossless,
        PRIVATE,
    ],
)


def instance() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = "1.2.4"
    ds.SOPInstanceUID = "1.2.333"
    ds.StudyInstanceUID = "1.2.1"
    ds.SeriesInstanceUID = "1.2.22"
    ds.InstanceNumber = 1
    return ds


def encoded(ds: Dataset, syntax: str) -> bytes:
    buffer = BytesIO()
    write_dataset_as(ds, buffer, syntax)
    data = buffer.getvalue()
    return deflated(data) if syntax == DeflatedExplicitVRLittleEndian else data


def write_dataset_as(ds: Dataset, buffer: BytesIO, syntax: str) -> None:
    out = pydicom.filebase.DicomFileLike(buffer)
    out.is_little_endian = syntax != ExplicitVRBigEndian
    out.is_implicit_VR = syntax == ImplicitVRLittleEndian
    write_dataset(out, ds)


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def nested(depth: int) -> Dataset:
    """A data set with sequences in sequences before its UIDs, all of undefined length, with decoys inside."""
    ds = Dataset()
    ds.StudyInstanceUID = "9.9"
    for _ in range(depth):
        outer = Dataset()
        outer.StudyInstanceUID = "9.9"
        ds.is_undefined_length_sequence_item = True
        outer.ReferencedStudySequence = [ds, Dataset()]
        outer["ReferencedStudySequence"].is_undefined_length = True
        ds = outer
    whole = instance()
    whole.ReferencedStudySequence = ds.ReferencedStudySequence
    whole["ReferencedStudySequence"].is_undefined_length = True
    return whole


@ENCODINGS
@pytest.mark.parametrize("tag", NAMES)
def test_a_missing_uid_is_named(syntax: str, tag: int) -> None:
    ds = instance()
    del ds[tag]
    with pytest.raises(MalformedDataset) as caught:
        identify(encoded(ds, syntax), syntax)
    assert caught.value.detail == f"The data set has no {NAMES[tag]}"


@pytest.mark.parametrize("tag", NAMES)
def test_an_empty_uid_is_as_good_as_missing(tag: int) -> None:
    ds = instance()
    ds[tag].value = ""
    with pytest.raises(MalformedDataset) as caught:
        identify(encoded(ds, ExplicitVRLittleEndian), ExplicitVRLittleEndian)
    assert caught.value.detail == f"The data set has no {NAMES[tag]}"


@ENCODINGS
def test_no_bytes_are_no_data_set(syntax: str) -> None:
    with pytest.raises(MalformedDataset) as caught:
        identify(b"", syntax)
    assert caught.type is MalformedDataset


@ENCODINGS
@pytest.mark.parametrize("nested_depth", [0, 3])
def test_wherever_it_is_cut_before_the_last_uid_it_is_refused(syntax: str, nested_depth: int) -> None:
    ds = nested(nested_depth) if nested_depth else instance()
    del ds.InstanceNumber
    whole = encoded(ds, syntax)
    # The end of a deflated stream says nothing more about the data set.
    last = len(whole) - (8 if syntax == DeflatedExplicitVRLittleEndian else 1)
    for length in range(last):
        with pytest.raises(MalformedDataset):
            identify(whole[:length], syntax)


def test_a_uid_with_control_characters_is_refused_without_showing_it() -> None:
    data = struct.pack("<HH2sH", 8, 0x16, b"UI", 8) + b"1.2\r\n3.4"
    with pytest.raises(MalformedDataset) as caught:
        identify(data, ExplicitVRLittleEndian)
    assert caught.value.detail == "SOP Class UID (0008,0016) is no UID"


def test_what_is_said_to_be_deflated_and_is_not_is_refused() -> None:
    with pytest.raises(MalformedDataset, match="cannot be inflated"):
        identify(b"\xff" * 1000, DeflatedExplicitVRLittleEndian)


def test_deflated_bytes_that_never_come_to_a_uid_are_not_inflated_to_their_end() -> None:
    endless = struct.pack("<HH2sxxL", 8, 1, b"OB", 0xFFFFFFF0) + bytes(80_000_000)
    with pytest.raises(MalformedDataset, match="ends before its SOP Class UID"):
        identify(deflated(endless), DeflatedExplicitVRLittleEndian)


@given(st.binary(max_size=500), st.sampled_from([ImplicitVRLittleEndian, ExplicitVRBigEndian, PRIVATE]))
def test_any_bytes_are_refused_at_worst(data: bytes, syntax: str) -> None:
    with pytest.raises(MalformedDataset):
        identify(data, syntax)


def test_a_damaged_data_set_is_read_or_refused() -> None:
    dice = random.Random(1)
    whole = encoded(nested(3), ExplicitVRLittleEndian)
    for _ in range(2000):
        damaged = bytearray(whole)
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            identify(damaged, ExplicitVRLittleEndian)
        except MalformedDataset as error:
            assert "data set" in error.detail or "is no UID" in error.detail  # noqa: PT017 - either is right


@ENCODINGS
@pytest.mark.parametrize("container", [bytes, bytearray, memoryview])
def test_the_uids_are_read_in_every_encoding(
    syntax: str, container: type[bytes] | type[bytearray] | type[memoryview]
) -> None:
    assert identify(container(encoded(instance(), syntax)), syntax) == IDENTITY


@ENCODINGS
@pytest.mark.parametrize("depth", [1, 2, 2000])
def test_what_is_in_sequences_is_not_the_instance(syntax: str, depth: int) -> None:
    if depth > 100:
        # pydicom would recurse: only the delimiters matter.
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        item = struct.pack(f"{order}HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
        sequence = (
            struct.pack("<HHL", 8, 0x1110, 0xFFFFFFFF)
            if syntax == ImplicitVRLittleEndian
            else struct.pack(f"{order}HH2sxxL", 8, 0x1110, b"SQ", 0xFFFFFFFF)
        )
        ends = struct.pack(f"{order}HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        plain = ExplicitVRLittleEndian if syntax == DeflatedExplicitVRLittleEndian else syntax
        head, tail = split(encoded(instance(), plain), plain)
        data = head + (sequence + item) * depth + ends * depth + tail
        data = deflated(data) if syntax == DeflatedExplicitVRLittleEndian else data
    else:
        data = encoded(nested(depth), syntax)
    assert identify(data, syntax) == IDENTITY


def split(data: bytes, syntax: str) -> tuple[bytes, bytes]:
    """Cut where group 0008 ends."""
    at = data.index(struct.pack(">HH" if syntax == ExplicitVRBigEndian else "<HH", 0x0020, 0x000D))
    return data[:at], data[at:]


def test_un_of_undefined_length_is_implicit_inside() -> None:
    head, tail = split(encoded(instance(), ExplicitVRLittleEndian), ExplicitVRLittleEndian)
    inner = struct.pack("<HHL", 0x0009, 0x1001, 4) + b"SQxx"
    unknown = (
        struct.pack("<HH2sxxL", 9, 0x1010, b"UN", 0xFFFFFFFF)
        + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
        + inner
        + struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    )
    assert identify(head + unknown + tail, ExplicitVRLittleEndian) == IDENTITY


def test_a_vr_of_the_future_has_a_length_of_32_bits() -> None:
    head, tail = split(encoded(instance(), ExplicitVRLittleEndian), ExplicitVRLittleEndian)
    future = struct.pack("<HH2sxxL", 9, 0x1010, b"ZZ", 70_000) + bytes(70_000)
    assert identify(head + future + tail, ExplicitVRLittleEndian) == IDENTITY


def test_an_element_without_vr_among_others_is_read_as_implicit() -> None:
    head, tail = split(encoded(instance(), ExplicitVRLittleEndian), ExplicitVRLittleEndian)
    stray = struct.pack("<HHL", 9, 0x1010, 6) + b"abcdef"
    assert identify(head + stray + tail, ExplicitVRLittleEndian) == IDENTITY


@pytest.mark.parametrize(
    ("said", "real"),
    [(ExplicitVRLittleEndian, ImplicitVRLittleEndian), (ImplicitVRLittleEndian, ExplicitVRLittleEndian)],
)
def test_the_first_element_tells_whether_there_are_vrs(said: str, real: str) -> None:
    assert identify(encoded(instance(), real), said) == IDENTITY


def test_nothing_behind_the_last_uid_is_looked_at() -> None:
    ds = instance()
    del ds.InstanceNumber
    data = encoded(ds, ExplicitVRLittleEndian) + b"no element follows"
    assert identify(data, ExplicitVRLittleEndian) == IDENTITY


def test_a_deflated_data_set_may_be_cut_after_the_last_uid() -> None:
    ds = instance()
    ds.PixelData = random.Random(1).randbytes(1_000_000)
    ds["PixelData"].VR = "OW"
    data = encoded(ds, DeflatedExplicitVRLittleEndian)
    assert identify(data[:100_000], DeflatedExplicitVRLittleEndian) == IDENTITY


@pytest.mark.parametrize("padding", [b"\0", b" ", b"\0\0\0", b" \0"])
def test_padding_does_not_belong_to_a_uid(padding: bytes) -> None:
    values = {0x00080016: b"1.2.4", 0x00080018: b"1.2.333", 0x0020000D: b"1.2.1", 0x0020000E: b"1.2.22"}
    data = b"".join(
        struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value + padding)) + value + padding
        for tag, value in values.items()
    )
    assert identify(data, ImplicitVRLittleEndian) == IDENTITY


def test_uids_longer_than_64_characters_are_read_whole() -> None:
    long = "1." + "2" * 100
    data = (
        struct.pack("<HHL", 8, 0x16, 4) + b"1.2\0" + struct.pack("<HHL", 8, 0x18, len(long)) + long.encode()
    )
    data += struct.pack("<HHL4sHHL4s", 0x20, 0xD, 4, b"1.3\0", 0x20, 0xE, 4, b"1.4\0")
    assert identify(data, ImplicitVRLittleEndian).sop_instance_uid == long


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_test_file_of_pydicom_is_read_as_pydicom_reads_it_or_refused(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # many of them are there for pydicom to grumble about
        ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        expected = [str(ds.get(tag).value) if tag in ds else "" for tag in NAMES]
    data = path.read_bytes()
    try:
        meta = read_file_meta(BytesIO(data))
        found = identify(memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid)
    except MalformedDataset:
        assert not all(expected)
        return
    assert [
        found.sop_class_uid,
        found.sop_instance_uid,
        found.study_instance_uid,
        found.series_instance_uid,
    ] == expected
