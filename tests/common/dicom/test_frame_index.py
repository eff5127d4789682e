import io
import struct
import zlib
from collections.abc import Sequence
from typing import Final

import msgpack
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from isthmus.common.blobs.file import READ_AHEAD, RangeReader
from isthmus.common.dicom.frame_index import (
    EncapsulatedFrames,
    FrameIndex,
    NativeFrames,
    frame_index_of,
)
from isthmus.common.dicom.part10 import file_header
from isthmus.common.errors import MalformedDataset, NoSuchObject

MPEG4: Final = "1.2.840.10008.1.2.4.102"
SEQUENCE_END: Final = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
UNDEFINED: Final = 0xFFFFFFFF


def instance(dataset: bytes, syntax: str = JPEGBaseline8Bit) -> io.BytesIO:
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


def item(value: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


def encapsulated(*fragments: bytes, basic: Sequence[int] = ()) -> bytes:
    table = item(struct.pack(f"<{len(basic)}L", *basic))
    return long(0x7FE00010, b"OB", table + b"".join(map(item, fragments)) + SEQUENCE_END, UNDEFINED)


def frames(count: int) -> bytes:
    return short(0x00280008, b"IS", f"{count:<4}".encode())


def extended(offsets: Sequence[int], lengths: Sequence[int]) -> bytes:
    tables = ((0x7FE00001, offsets), (0x7FE00002, lengths))
    return b"".join(long(tag, b"OV", struct.pack(f"<{len(table)}Q", *table)) for tag, table in tables)


def image(rows: int, columns: int, *, bits: int = 16, samples: int = 1, photometric: str = "") -> bytes:
    return b"".join(
        [
            short(0x00280002, b"US", struct.pack("<H", samples)),
            short(0x00280004, b"CS", photometric.encode()),
            short(0x00280010, b"US", struct.pack("<H", rows)),
            short(0x00280011, b"US", struct.pack("<H", columns)),
            short(0x00280100, b"US", struct.pack("<H", bits)),
        ]
    )


def contents(source: io.BytesIO, index: FrameIndex) -> list[bytes]:
    data = source.getvalue()
    return [
        b"".join(data[offset : offset + length] for offset, length in index.frame(number))
        for number in range(1, len(index) + 1)
    ]


class TestWhatHasNoFrames:
    def test_an_instance_without_pixel_data(self) -> None:
        with pytest.raises(NoSuchObject):
            frame_index_of(instance(frames(2)))

    @pytest.mark.parametrize("cut", [1, 8, 9, 20])
    def test_fragments_that_break_off(self, cut: int) -> None:
        whole = instance(frames(2) + encapsulated(bytes(10), bytes(10))).getvalue()
        with pytest.raises(MalformedDataset):
            frame_index_of(io.BytesIO(whole[:-cut]))

    def test_a_fragment_without_a_length(self) -> None:
        endless = item(b"") + struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED) + SEQUENCE_END
        with pytest.raises(MalformedDataset):
            frame_index_of(instance(long(0x7FE00010, b"OB", endless, UNDEFINED)))

    @pytest.mark.parametrize("count", [2, 99999999])
    def test_native_pixel_data_of_fewer_frames_than_they_should_be(self, count: int) -> None:
        pixels = long(0x7FE00010, b"OW", bytes(2 * 4 * 4 + 2))
        with pytest.raises(MalformedDataset):
            frame_index_of(instance(frames(count) + image(4, 4) + pixels, ExplicitVRLittleEndian))

    def test_native_pixel_data_that_break_off(self) -> None:
        pixels = long(0x7FE00010, b"OW", bytes(2 * 4 * 4))
        whole = instance(image(4, 4) + pixels, ExplicitVRLittleEndian).getvalue()
        with pytest.raises(MalformedDataset):
            frame_index_of(io.BytesIO(whole[:-1]))

    def test_native_pixel_data_of_no_size(self) -> None:
        with pytest.raises(MalformedDataset):
            frame_index_of(instance(long(0x7FE00010, b"OW", bytes(32)), ExplicitVRLittleEndian))

    @pytest.mark.parametrize("number", [-1, 0, 3])
    def test_a_number_that_no_frame_has(self, number: int) -> None:
        native = image(1, 1) + frames(2) + long(0x7FE00010, b"OW", bytes(4))
        for source in (
            instance(frames(2) + encapsulated(b"aa", b"bb")),
            instance(native, ExplicitVRLittleEndian),
        ):
            with pytest.raises(NoSuchObject):
                frame_index_of(source).frame(number)


class TestEncapsulated:
    @pytest.mark.parametrize(
        ("dataset", "expected"),
        [
            pytest.param(frames(2) + encapsulated(b"aa", b"bbbb"), [b"aa", b"bbbb"], id="one fragment each"),
            pytest.param(encapsulated(b"aa", b"bb"), [b"aabb"], id="one frame of many fragments"),
            pytest.param(
                frames(2) + encapsulated(b"aa", b"bb", b"cc", basic=(0, 20)),
                [b"aabb", b"cc"],
                id="basic offset table",
            ),
            pytest.param(
                frames(2) + encapsulated(b"aa", b"bb", basic=(0, 7)), [b"aa", b"bb"], id="wrong table"
            ),
            pytest.param(
                frames(2) + encapsulated(b"aa", b"b\xff\xd9\0", b"c\xff\xd9\0"),
                [b"aab\xff\xd9\0", b"c\xff\xd9\0"],
                id="ends of images",
            ),
            pytest.param(frames(1) + encapsulated(), [], id="no fragment"),
        ],
    )
    def test_fragments_are_put_together(self, dataset: bytes, expected: list[bytes]) -> None:
        source = instance(dataset)
        assert contents(source, frame_index_of(source)) == expected

    def test_it_knows_the_media_type_and_the_transfer_syntax(self) -> None:
        index = frame_index_of(instance(encapsulated(b"aa")))
        assert (index.media_type, index.transfer_syntax_uid) == ("image/jpeg", JPEGBaseline8Bit)

    def test_a_video_is_one_frame(self) -> None:
        source = instance(frames(3) + encapsulated(b"aa", b"bb", b"cc"), MPEG4)
        assert contents(source, frame_index_of(source)) == [b"aabbcc"]


FRAMES: Final = (b"aa", b"bbb\0", b"cccccc")
OFFSETS: Final = (0, 10, 22)
LENGTHS: Final = (2, 3, 6)


class TestExtendedOffsetTable:
    @pytest.mark.parametrize(
        ("offsets", "lengths"),
        [
            pytest.param((0, 10), (2, 3), id="too few"),
            pytest.param((0, 10, 24), LENGTHS, id="an offset that leads nowhere"),
            pytest.param((0, 12, 22), LENGTHS, id="an offset in a fragment"),
            pytest.param((10, 0, 22), LENGTHS, id="another order"),
            pytest.param((0, 10, 2**40), LENGTHS, id="an offset beyond the end"),
            pytest.param((0, 10, 2**64 - 8), LENGTHS, id="an offset that no file has"),
            pytest.param(OFFSETS, (2, 3, 5000), id="a last length beyond the end"),
            pytest.param(OFFSETS, (2, 2, 6), id="a length that is none"),
        ],
    )
    def test_one_that_does_not_fit_is_not_believed(
        self, offsets: Sequence[int], lengths: Sequence[int]
    ) -> None:
        source = instance(frames(3) + extended(offsets, lengths) + encapsulated(*FRAMES))
        assert contents(source, frame_index_of(source)) == list(FRAMES)

    def test_one_that_forgets_fragments_is_not_believed(self) -> None:
        tables = extended((0, 10), (2, 14))
        source = instance(frames(2) + tables + encapsulated(*FRAMES, basic=(0, 10)))
        assert contents(source, frame_index_of(source)) == [b"aa", b"bbb\0cccccc"]

    @pytest.mark.parametrize("lengths", [LENGTHS, (2, 4, 6)], ids=["exact", "padded"])
    def test_one_that_fits_gives_the_same_frames(self, lengths: Sequence[int]) -> None:
        source = instance(frames(3) + extended(OFFSETS, lengths) + encapsulated(*FRAMES))
        assert contents(source, frame_index_of(source)) == list(FRAMES)

    def test_what_lies_between_is_not_read(self) -> None:
        count, size = 100, 100_000
        offsets = range(0, count * (size + 8), size + 8)
        tables = extended(offsets, [size] * count)
        requests = fetched_for(frames(count) + tables + encapsulated(*[bytes(size)] * count))
        assert len(requests) <= 6


class TestNative:
    @pytest.mark.parametrize(
        ("said", "size"),
        [
            (image(4, 5), 40),
            (image(4, 5, bits=8, samples=3, photometric="RGB "), 60),
            (image(4, 4, bits=8, samples=3, photometric="YBR_FULL_422"), 32),
            (image(4, 4, bits=1), 2),
        ],
        ids=["16 bits", "colour", "shared chrominance", "bits"],
    )
    def test_frames_are_counted_off(self, said: bytes, size: int) -> None:
        pixels = bytes(range(3 * size)) + b"\0"
        source = instance(frames(3) + said + long(0x7FE00010, b"OW", pixels), ExplicitVRLittleEndian)
        index = frame_index_of(source)
        assert contents(source, index) == [pixels[start : start + size] for start in range(0, 3 * size, size)]
        assert index.media_type == "application/octet-stream"

    def test_a_frame_that_begins_within_a_byte_shares_it(self) -> None:
        pixels = long(0x7FE00010, b"OB", bytes(4))
        index = frame_index_of(instance(frames(3) + image(3, 3, bits=1) + pixels, ExplicitVRLittleEndian))
        assert isinstance(index, NativeFrames)
        start = index.position
        assert [index.frame(number) for number in (1, 2, 3)] == [
            ((start, 2),),
            ((start + 1, 2),),
            ((start + 2, 2),),
        ]

    def test_big_endian_says_how_large_they_are_in_big_endian(self) -> None:
        rows, columns, bits = ((tag, struct.pack(">H", 8)) for tag in (0x00280010, 0x00280011, 0x00280100))
        said = b"".join(
            struct.pack(">HH2sH", tag >> 16, tag & 0xFFFF, b"US", 2) + value
            for tag, value in (rows, columns, bits)
        )
        pixels = struct.pack(">HH2sxxL", 0x7FE0, 0x0010, b"OW", 64) + bytes(64)
        index = frame_index_of(instance(said + pixels, ExplicitVRBigEndian))
        assert [length for _, length in index.frame(1)] == [64]
        assert index.transfer_syntax_uid == ExplicitVRBigEndian

    def test_implicit_vr(self) -> None:
        elements = ((0x00280010, 8), (0x00280011, 8), (0x00280100, 8))
        said = b"".join(struct.pack("<HHLH", tag >> 16, tag & 0xFFFF, 2, value) for tag, value in elements)
        pixels = struct.pack("<HHL", 0x7FE0, 0x0010, 64) + bytes(64)
        index = frame_index_of(instance(said + pixels, ImplicitVRLittleEndian))
        assert [length for _, length in index.frame(1)] == [64]

    def test_positions_in_a_deflated_instance_are_those_of_what_is_inflated(self) -> None:
        dataset = image(4, 4) + long(0x7FE00010, b"OW", bytes(32))
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed = deflater.compress(dataset) + deflater.flush()
        index = frame_index_of(instance(packed, DeflatedExplicitVRLittleEndian))
        assert index.frame(1) == ((len(dataset) - 32, 32),)


class TestWrittenDown:
    def test_what_is_no_index_is_refused(self) -> None:
        whole = encapsulated_index().to_bytes()
        short = zlib.compress(msgpack.packb({**msgpack.unpackb(zlib.decompress(whole)), "counts": b"abc"}))
        for data in (b"", b"nonsense", zlib.compress(b"nonsense"), whole[:-5], short):
            with pytest.raises(ValueError, match="no frame index"):
                EncapsulatedFrames.from_bytes(data)

    def test_one_of_another_version_is_refused(self) -> None:
        with pytest.raises(ValueError, match="another version"):
            EncapsulatedFrames.from_bytes(zlib.compress(msgpack.packb({"v": 0})))

    def test_it_comes_back(self) -> None:
        index = encapsulated_index()
        read = EncapsulatedFrames.from_bytes(index.to_bytes())
        assert len(read) == 2
        assert [read.frame(1), read.frame(2)] == [index.frame(1), index.frame(2)]
        assert (read.transfer_syntax_uid, read.media_type) == (JPEGBaseline8Bit, "image/jpeg")

    def test_it_is_small(self) -> None:
        fragments = [bytes(100 + number % 7) for number in range(1000)]
        index = frame_index_of(instance(short(0x00280008, b"IS", b"1000") + encapsulated(*fragments)))
        assert isinstance(index, EncapsulatedFrames)
        assert len(index.to_bytes()) < 4000


def encapsulated_index() -> EncapsulatedFrames:
    index = frame_index_of(instance(frames(2) + encapsulated(b"aa", b"bb", b"cc", basic=(0, 20))))
    assert isinstance(index, EncapsulatedFrames)
    return index


def fetched_for(dataset: bytes) -> list[int]:
    """How much each request to S3 would fetch while the frames are found."""
    data = instance(dataset).getvalue()
    requests = []

    def fetch(offset: int, length: int) -> bytes:
        requests.append(length)
        return data[offset : offset + length]

    frame_index_of(io.BufferedReader(RangeReader(fetch, len(data)), READ_AHEAD))
    return requests


def test_going_from_fragment_to_fragment_does_not_read_them() -> None:
    requests = fetched_for(frames(50) + encapsulated(*[bytes(100_000)] * 50))
    assert sum(requests) < 200_000
    assert len(requests) <= 52


def test_small_fragments_are_read_many_at_once() -> None:
    requests = fetched_for(frames(1000) + encapsulated(*[bytes(5_000)] * 1000))
    assert len(requests) <= 25
