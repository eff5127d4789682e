import io
import struct
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from isthmus.common.dicom.json_model import BulkValue, bulk_of, metadata_of, parse_bulk_path
from isthmus.common.dicom.part10 import file_header
from isthmus.common.errors import InvalidParameter, MalformedDataset, NoSuchObject
from tests.data_sets import make_series, pydicom_files

PREFIX: Final = "http://x/bulkdata"
TEST_FILES: Final = Path(pydicom.__file__).parent / "data" / "test_files"
MPEG4: Final = "1.2.840.10008.1.2.4.102"
SEQUENCE_END: Final = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
UNDEFINED: Final = 0xFFFFFFFF


def instance(dataset: bytes, syntax: str = ExplicitVRLittleEndian) -> io.BytesIO:
    header = file_header(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=syntax,
        source_ae_title=None,
    )
    return io.BytesIO(header + dataset)


def element(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in (b"OB", b"OW", b"SQ", b"UT"):
        return head + struct.pack("<xxL", len(value) if length is None else length) + value
    return head + struct.pack("<H", len(value)) + value


def item(value: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


def pixels(*fragments: bytes, offsets: tuple[int, ...] = (), frames: int | None = None) -> bytes:
    count = b"" if frames is None else element(0x00280008, b"IS", f"{frames:<4}".encode())
    table = item(struct.pack(f"<{len(offsets)}L", *offsets))
    items = table + b"".join(map(item, fragments)) + SEQUENCE_END
    return count + element(0x7FE00010, b"OB", items, length=UNDEFINED)


def contents(source: io.BytesIO, value: BulkValue) -> list[bytes]:
    data = source.getvalue()
    return [
        b"".join(
            piece if isinstance(piece, bytes) else data[piece[0] : piece[0] + piece[1]] for piece in part
        )
        for part in value.parts
    ]


def found(source: io.BytesIO, path: str) -> list[bytes]:
    return contents(source, bulk_of(source, parse_bulk_path(path)))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "PixelData",
        "7FE0001",
        "7FE000100",
        "7fe0001g",
        "7FE00010/",
        "/7FE00010",
        "00081111/1",
        "00081111/0/00081155",
        "00081111/01/00081155",
        "00081111/-1/00081155",
        "00081111/\u0661/00081155",
        "00081111/1/00081155/1",
        "00081111//00081155",
        "00081111/9999999999/00081155",
        "../7FE00010",
        "7FE00010\n",
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse_bulk_path(path)
    assert refused.value.parameter == "bulkdata"


def test_a_path_is_tags_and_item_numbers() -> None:
    assert parse_bulk_path("0040a730/12/7fe00010") == ("0040A730", 12, "7FE00010")


@pytest.mark.parametrize(
    "path",
    [
        "00091010",
        "00020010",
        "00081111",
        "00081111/2/00081155",
        "00081111/1/00081150",
        "00081155/1/00081155",
        "00100020",
        "FFFFFFFF",
    ],
)
def test_a_path_that_leads_to_no_value_finds_nothing(path: str) -> None:
    sequence = element(0x00081111, b"SQ", item(element(0x00081155, b"UI", b"1.2\0")))
    uid = element(0x00081155, b"UI", b"1.2\0")
    source = instance(sequence + uid + element(0x00100020, b"LO", b""))
    with pytest.raises(NoSuchObject):
        bulk_of(source, parse_bulk_path(path))


@pytest.mark.parametrize("cut", [1, 100])
def test_a_value_that_is_truncated_is_none(cut: int) -> None:
    whole = instance(element(0x7FE00010, b"OW", bytes(1000))).getvalue()
    with pytest.raises(MalformedDataset):
        bulk_of(io.BytesIO(whole[:-cut]), ("7FE00010",))


@pytest.mark.parametrize("cut", [1, 8, 9, 20])
def test_frames_that_are_truncated_are_none(cut: int) -> None:
    whole = instance(pixels(bytes(10), bytes(10), frames=2), RLELossless).getvalue()
    with pytest.raises(MalformedDataset):
        bulk_of(io.BytesIO(whole[:-cut]), ("7FE00010",))


def test_sequences_too_deep_to_be_skipped_are_refused() -> None:
    deep = b""
    for _ in range(2000):
        deep = element(0x00081111, b"SQ", item(deep) + SEQUENCE_END, length=UNDEFINED)
    with pytest.raises(MalformedDataset):
        bulk_of(instance(deep), ("7FE00010",))


def test_a_native_value_stays_where_it_is() -> None:
    source = instance(element(0x7FE00010, b"OW", b"\1\2\3\4"))
    value = bulk_of(source, ("7FE00010",))
    assert value.parts == (((len(source.getvalue()) - 4, 4),),)
    assert (value.media_type, value.transfer_syntax_uid) == (
        "application/octet-stream",
        "1.2.840.10008.1.2.1",
    )


def test_a_value_is_found_in_an_item_of_an_item() -> None:
    inner = element(0x00081199, b"SQ", item(b"") + item(element(0x00420011, b"OB", b"%PDF")))
    outer = element(0x00081111, b"SQ", item(inner) + SEQUENCE_END, length=UNDEFINED)
    assert found(instance(outer), "00081111/1/00081199/2/00420011") == [b"%PDF"]


def test_a_text_leaves_in_utf_8_as_the_metadata_say() -> None:
    character_set = element(0x00080005, b"CS", b"ISO_IR 100")
    text = "Grüße".encode("latin_1") + b" "
    assert found(instance(character_set + element(0x00104000, b"UT", text)), "00104000") == [
        "Grüße ".encode()
    ]


def test_big_endian_leaves_as_little_endian(tmp_path: Path) -> None:
    (file,) = make_series(tmp_path, 1)
    ds = pydicom.dcmread(file)
    expected = ds.PixelData
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.PixelData = b"".join(expected[place : place + 2][::-1] for place in range(0, len(expected), 2))
    source = io.BytesIO()
    pydicom.dcmwrite(source, ds, implicit_vr=False, little_endian=False, force_encoding=True)
    assert found(source, "7FE00010") == [expected]


def test_a_deflated_value_is_inflated(tmp_path: Path) -> None:
    (file,) = make_series(tmp_path, 1)
    ds = pydicom.dcmread(file)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    source = io.BytesIO()
    ds.save_as(source)
    assert found(source, "7FE00010") == [ds.PixelData]


@pytest.mark.parametrize(
    ("dataset", "frames"),
    [
        pytest.param(pixels(b"aa", b"bb", frames=2), [b"aa", b"bb"], id="one fragment each"),
        pytest.param(pixels(b"aa", b"bb"), [b"aabb"], id="one frame of many fragments"),
        pytest.param(pixels(b"aa", b"bb", b"cc", offsets=(0, 20), frames=2), [b"aabb", b"cc"], id="table"),
        pytest.param(pixels(b"aa", b"bb", offsets=(0, 7), frames=2), [b"aa", b"bb"], id="wrong table"),
        pytest.param(
            pixels(b"aa", b"b\xff\xd9\0", b"c\xff\xd9\0", frames=2),
            [b"aab\xff\xd9\0", b"c\xff\xd9\0"],
            id="ends of images",
        ),
        pytest.param(pixels(frames=1), [], id="no fragment"),
    ],
)
def test_fragments_are_put_together_to_frames(dataset: bytes, frames: list[bytes]) -> None:
    assert found(instance(dataset, JPEGBaseline8Bit), "7FE00010") == frames


def test_frames_leave_as_they_are_held() -> None:
    value = bulk_of(instance(pixels(b"aa", frames=1), JPEGBaseline8Bit), ("7FE00010",))
    assert (value.media_type, value.transfer_syntax_uid) == ("image/jpeg", JPEGBaseline8Bit)


def test_a_video_is_one_part_however_many_frames_it_has() -> None:
    source = instance(pixels(b"aa", b"bb", b"cc", frames=3), MPEG4)
    value = bulk_of(source, ("7FE00010",))
    assert value.media_type == "video/mp4"
    assert contents(source, value) == [b"aabbcc"]


COMPRESSED: Final = [
    file
    for file in pydicom_files()
    if file.name.startswith(("SC_rgb_", "JPEG", "693_", "MR_small_", "rtdose"))
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("file", COMPRESSED, ids=lambda file: file.name)
def test_pixel_data_are_what_pydicom_takes_them_for(file: Path) -> None:
    source = io.BytesIO(file.read_bytes())
    metadata, _ = metadata_of(source, PREFIX)
    ds = pydicom.dcmread(file)
    if "PixelData" not in ds:
        assert "7FE00010" not in metadata
        return
    assert metadata["7FE00010"]["BulkDataURI"] == f"{PREFIX}/7FE00010"
    frames = found(source, "7FE00010")
    if ds["PixelData"].is_undefined_length:
        assert frames == list(
            generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1)))
        )
    else:
        swaps = not ds.original_encoding[1] and ds["PixelData"].VR == "OW"
        assert frames == [np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes() if swaps else ds.PixelData]
