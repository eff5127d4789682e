"""What compressed pixel data say of themselves: all frames of the sample files, and pictures made here."""

import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Final

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames

from isthmus.common.dicom.encapsulated import media_type_of
from isthmus.stow.pictures.compressed import Compressed, NoTransferSyntax, Pixels, Unreadable
from isthmus.stow.pictures.describe import describe
from isthmus.stow.pictures.raster import TooLargePicture, native_pixels
from tests.data_sets import pydicom_files, transfer_syntax

ROOT: Final = "1.2.840.10008.1.2.4."
GREY: Final = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR: Final = np.stack([GREY, GREY * 2, GREY * 3], axis=-1)
SPOILT: Final = "JPEG2000-embedded-sequence-delimiter.dcm"
"""Someone has written a delimiter over the size in its codestream."""
PICTURES: Final = frozenset(("image/jpeg", "image/jls", "image/jp2"))


def look(
    content: bytes | bytearray, media_type: str = "image/jpeg", declared: str | None = None
) -> Compressed:
    return describe(BytesIO(content), len(content), media_type, declared)


def jpeg(picture: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def compressed_files() -> list[Path]:
    files = (file for file in pydicom_files() if media_type_of(transfer_syntax(file)) in PICTURES)
    return [file for file in files if file.name != SPOILT]


@pytest.mark.parametrize("file", compressed_files(), ids=lambda file: file.name)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_frame_of_a_sample_file_says_what_the_file_says(file: Path) -> None:
    ds = pydicom.dcmread(file, force=True)
    frame = next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))
    found = look(frame, media_type_of(ds.file_meta.TransferSyntaxUID))
    assert ds.file_meta.TransferSyntaxUID in {found.transfer_syntax_uid, *found.others}
    assert found.pixels is not None
    assert (found.pixels.rows, found.pixels.columns) == (ds.Rows, ds.Columns)
    assert found.pixels.samples == ds.SamplesPerPixel
    assert found.pixels.bits <= ds.BitsAllocated
    declared = look(frame, media_type_of(ds.file_meta.TransferSyntaxUID), ds.file_meta.TransferSyntaxUID)
    assert declared.transfer_syntax_uid == ds.file_meta.TransferSyntaxUID


def test_there_are_sample_files_of_each_kind() -> None:
    syntaxes = {transfer_syntax(file).removeprefix(ROOT) for file in compressed_files()}
    assert syntaxes == {"50", "51", "57", "70", "80", "81", "90", "91"} & syntaxes
    assert len(syntaxes) >= 6


@pytest.mark.parametrize(
    ("content", "syntax", "pixels"),
    [
        (jpeg(Image.fromarray(GREY)), "50", Pixels(6, 8, 1, 8, "MONOCHROME2")),
        (jpeg(Image.fromarray(COLOUR)), "50", Pixels(6, 8, 3, 8, "YBR_FULL_422")),
        (jpeg(Image.fromarray(COLOUR), subsampling=0), "50", Pixels(6, 8, 3, 8, "YBR_FULL")),
        (jpeg(Image.fromarray(COLOUR), keep_rgb=True), "50", Pixels(6, 8, 3, 8, "RGB")),
        (imagecodecs.ljpeg_encode(GREY), "57", Pixels(6, 8, 1, 8, "MONOCHROME2")),
        (imagecodecs.jpegls_encode(GREY), "80", Pixels(6, 8, 1, 8, "MONOCHROME2")),
        (imagecodecs.jpegls_encode(COLOUR), "80", Pixels(6, 8, 3, 8, "RGB")),
        (imagecodecs.jpegls_encode(GREY, level=3), "81", Pixels(6, 8, 1, 8, "MONOCHROME2")),
        (imagecodecs.jpegls_encode(GREY.astype(np.uint16)), "80", Pixels(6, 8, 1, 16, "MONOCHROME2")),
        (
            imagecodecs.jpeg2k_encode(GREY, codecformat="j2k", reversible=True),
            "90",
            Pixels(6, 8, 1, 8, "MONOCHROME2"),
        ),
        (
            imagecodecs.jpeg2k_encode(COLOUR, codecformat="j2k", reversible=True, mct=True),
            "90",
            Pixels(6, 8, 3, 8, "YBR_RCT"),
        ),
        (
            imagecodecs.jpeg2k_encode(COLOUR, codecformat="j2k", level=40, reversible=False, mct=True),
            "91",
            Pixels(6, 8, 3, 8, "YBR_ICT"),
        ),
        (
            imagecodecs.jpeg2k_encode(COLOUR, codecformat="j2k", reversible=True, mct=False),
            "90",
            Pixels(6, 8, 3, 8, "RGB"),
        ),
        (
            imagecodecs.jpeg2k_encode(GREY.astype(np.int16) - 9, codecformat="j2k", reversible=True),
            "90",
            Pixels(6, 8, 1, 16, "MONOCHROME2", is_signed=True),
        ),
        (imagecodecs.htj2k_encode(GREY, reversible=True), "201", Pixels(6, 8, 1, 8, "MONOCHROME2")),
        (imagecodecs.htj2k_encode(GREY, reversible=False), "203", Pixels(6, 8, 1, 8, "MONOCHROME2")),
    ],
)
def test_a_picture_tells_its_transfer_syntax_and_pixels(content: bytes, syntax: str, pixels: Pixels) -> None:
    found = look(content)
    assert found.transfer_syntax_uid.removeprefix(ROOT) in (syntax, "202")
    assert found.pixels == pixels
    assert found.frames == ((0, len(content)),)
    assert found.is_lossy == (syntax in ("50", "81", "91", "203"))


def test_of_a_jp2_file_only_the_codestream_is_a_frame() -> None:
    file = imagecodecs.jpeg2k_encode(GREY, codecformat="jp2", reversible=True)
    assert file[4:8] == b"jP  "
    ((begin, length),) = look(file, "image/jp2").frames
    assert file[begin - 4 : begin] == b"jp2c"
    assert (imagecodecs.jpeg2k_decode(file[begin : begin + length]) == GREY).all()


def test_of_a_jpx_file_each_codestream_is_a_frame() -> None:
    stream = imagecodecs.jpeg2k_encode(GREY, codecformat="j2k", reversible=True)
    box = struct.pack(">L4s", 8 + len(stream), b"jp2c") + stream
    signature = b"\0\0\0\x0cjP  \r\n\x87\n"
    last = struct.pack(">L4s", 0, b"jp2c") + stream
    found = look(signature + box + box + last, "image/jpx")
    assert [length for _, length in found.frames] == [len(stream)] * 3
    assert found.number_of_frames == 3
    assert "1.2.840.10008.1.2.4.92" in found.others


def test_a_progressive_jpeg_has_no_transfer_syntax() -> None:
    with pytest.raises(NoTransferSyntax):
        look(jpeg(Image.fromarray(GREY), progressive=True))


@pytest.mark.parametrize(
    ("declared", "refused"),
    [("1.2.840.10008.1.2.4.51", False), ("1.2.840.10008.1.2.4.70", True), ("1.2.840.10008.1.2.1", True)],
)
def test_the_transfer_syntax_of_the_part_must_hold_it(declared: str, *, refused: bool) -> None:
    content = jpeg(Image.fromarray(GREY))
    if refused:
        with pytest.raises(NoTransferSyntax):
            look(content, "image/jpeg", declared)
    else:
        assert look(content, "image/jpeg", declared).transfer_syntax_uid == declared


@pytest.mark.parametrize(
    ("media_type", "declared"),
    [
        ("image/jpeg", None),
        ("image/jp2", None),
        ("application/octet-stream", "1.2.840.10008.1.2.4.50"),
        ("video/mpeg2", None),
    ],
)
@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"\xff\x4f\xff\x51\0", b"anything else"])
def test_what_is_none_is_unreadable(content: bytes, media_type: str, declared: str | None) -> None:
    with pytest.raises(Unreadable):
        look(content, media_type, declared)


def test_a_media_type_without_a_transfer_syntax_is_told_so() -> None:
    for media_type in ("image/tiff", "image/webp", "image/jxl"):
        with pytest.raises(NoTransferSyntax):
            look(b"anything else", media_type)


@pytest.mark.parametrize(
    ("media_type", "declared", "syntax"),
    [
        ("image/dicom-rle", None, "1.2.840.10008.1.2.5"),
        ("image/x-dicom-rle", None, "1.2.840.10008.1.2.5"),
        ("application/octet-stream", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.5"),
        ("image/jxl", "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.110"),
    ],
)
def test_of_some_the_metadata_tell_all(media_type: str, declared: str | None, syntax: str) -> None:
    found = look(b"anything", media_type, declared)
    assert (found.transfer_syntax_uid, found.pixels, found.frames) == (syntax, None, ((0, 8),))


def cut(contents: Iterable[bytes | bytearray]) -> list[bytes]:
    return [bytes(content[:length]) for content in contents for length in range(0, min(len(content), 400), 7)]


@pytest.mark.parametrize("media_type", ["image/jpeg", "video/mp4"])
def test_no_beginning_of_a_picture_does_any_harm(media_type: str) -> None:
    contents = [
        jpeg(Image.fromarray(COLOUR)),
        imagecodecs.jpegls_encode(GREY),
        imagecodecs.jpeg2k_encode(COLOUR, codecformat="jp2", reversible=True),
        mp4(avc(100, 41)),
        mpeg_2(),
    ]
    for content in cut(contents):
        try:
            look(content, media_type)
        except (Unreadable, NoTransferSyntax):
            continue


def bomb() -> bytes:
    """A PNG of a few bytes that says that it is 60,000 pixels wide and high."""
    header = b"IHDR" + struct.pack(">LLBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(bytes(1000)), b"IEND"]
    framed = (struct.pack(">L", len(one) - 4) + one + struct.pack(">L", zlib.crc32(one)) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">L4s", 8 + len(content), kind) + content


def visual(kind: bytes, columns: int, rows: int, *inner: bytes) -> bytes:
    return box(kind, bytes(24), struct.pack(">HH", columns, rows), bytes(50), *inner)


def avc(profile: int, level: int) -> bytes:
    return visual(b"avc1", 640, 480, box(b"avcC", bytes((1, profile, 0, level, 0xFF))))


def hevc(profile: int, level: int) -> bytes:
    return visual(b"hvc1", 640, 480, box(b"hvcC", bytes((1, profile)) + bytes(10) + bytes((level, 0))))


def mp4(entry: bytes, *, movie_last: bool = True) -> bytes:
    """A video of 25 frames, after a track of sound."""

    def track(entry: bytes) -> bytes:
        described = box(b"stsd", bytes(4), struct.pack(">L", 1), entry)
        table = box(b"stbl", described, box(b"stsz", bytes(8), struct.pack(">L", 25)))
        return box(b"trak", box(b"tkhd", bytes(4)), box(b"mdia", box(b"mdhd"), box(b"minf", table)))

    movie = box(b"moov", box(b"mvhd", bytes(100)), track(box(b"mp4a", bytes(40))), track(entry))
    frames = struct.pack(">L4sQ", 1, b"mdat", 16 + 3_000_000) + bytes(3_000_000)
    begin = box(b"ftyp", b"isom", bytes(4))
    return begin + (frames + movie if movie_last else movie + frames)


@pytest.mark.parametrize("movie_last", [True, False])
@pytest.mark.parametrize(
    ("entry", "syntax", "bits"),
    [
        (avc(100, 41), "102", 8),
        (avc(77, 30), "102", 8),
        (avc(100, 42), "104", 8),
        (hevc(1, 153), "107", 8),
        (hevc(2, 120), "108", 10),
    ],
)
def test_an_mp4_file_tells_its_profile_size_and_frames(
    entry: bytes, syntax: str, bits: int, *, movie_last: bool
) -> None:
    content = mp4(entry, movie_last=movie_last)
    found = look(content, "video/mp4")
    assert found.transfer_syntax_uid == ROOT + syntax
    assert found.pixels == Pixels(480, 640, 3, bits, "YBR_PARTIAL_420")
    assert (found.is_stream, found.number_of_frames, found.is_lossy) == (True, 25, True)
    assert found.frames == ((0, len(content)),)


def test_which_of_the_transfer_syntaxes_of_a_video_it_is_the_client_knows() -> None:
    declared = ROOT + "103"
    assert look(mp4(avc(100, 40)), "video/mp4", declared).transfer_syntax_uid == declared
    with pytest.raises(NoTransferSyntax):
        look(mp4(avc(100, 42)), "video/mp4", declared)


@pytest.mark.parametrize(
    "entry",
    [avc(110, 41), avc(100, 51), hevc(4, 93), hevc(1, 180), visual(b"vp09", 8, 6), visual(b"mp4v", 8, 6)],
)
def test_a_video_that_no_transfer_syntax_holds_is_told_so(entry: bytes) -> None:
    with pytest.raises(NoTransferSyntax):
        look(mp4(entry), "video/mp4")


def mpeg_2(profile_and_level: int = 0x48, *, extended: bool = True) -> bytes:
    sequence = b"\0\0\1\xb3" + ((720 << 12) | 576).to_bytes(3) + bytes(5)
    extension = b"\0\0\1\xb5" + struct.pack(">L", 1 << 28 | profile_and_level << 20 | 1 << 17 | 1)
    return b"\0\0\1\xba" + bytes(8) + sequence + (extension if extended else b"") + bytes(100)


@pytest.mark.parametrize(("level", "syntax"), [(0x48, "100"), (0x44, "101"), (0x46, "101")])
def test_an_mpeg_2_video_tells_its_level_and_size(level: int, syntax: str) -> None:
    found = look(mpeg_2(level), "video/mpeg2")
    assert found.transfer_syntax_uid == ROOT + syntax
    assert found.pixels == Pixels(576, 720, 3, 8, "YBR_PARTIAL_420")
    assert (found.is_stream, found.number_of_frames) == (True, None)


@pytest.mark.parametrize("content", [mpeg_2(extended=False), mpeg_2(0x58)], ids=["MPEG-1", "SNR profile"])
def test_another_mpeg_has_no_transfer_syntax(content: bytes) -> None:
    with pytest.raises(NoTransferSyntax):
        look(content, "video/mpeg")


class TestRaster:
    """PNG and GIF (PS3.18 Table 10.5.2-1 and its notes)."""

    def saved(self, picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
        file = BytesIO()
        picture.save(file, kind, **options)
        return file.getvalue()

    def native(self, content: bytes) -> tuple[Pixels, int, bytes]:
        return native_pixels(content, 1_000_000)

    def test_grey(self) -> None:
        found = self.native(self.saved(Image.fromarray(GREY)))
        assert found == (Pixels(6, 8, 1, 8, "MONOCHROME2"), 1, GREY.tobytes())

    def test_grey_of_16_bits_is_in_little_endian(self) -> None:
        wide = GREY.astype(np.uint16) * 1000
        found = self.native(self.saved(Image.fromarray(wide)))
        assert found == (Pixels(6, 8, 1, 16, "MONOCHROME2"), 1, wide.astype("<u2").tobytes())

    def test_one_bit(self) -> None:
        picture = Image.fromarray(GREY > 20)
        pixels, _, native = self.native(self.saved(picture))
        assert pixels == Pixels(6, 8, 1, 8, "MONOCHROME2")
        assert native == ((GREY > 20) * np.uint8(255)).tobytes()

    def test_colour(self) -> None:
        found = self.native(self.saved(Image.fromarray(COLOUR)))
        assert found == (Pixels(6, 8, 3, 8, "RGB"), 1, COLOUR.tobytes())

    @pytest.mark.parametrize("shade", [COLOUR, GREY[..., None]], ids=["RGBA", "LA"])
    def test_alpha_is_discarded(self, shade: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> None:
        with_alpha = np.concatenate([shade, GREY[..., None]], axis=-1)
        assert self.native(self.saved(Image.fromarray(with_alpha)))[2] == shade.tobytes()

    def test_palettes_become_rgb(self) -> None:
        picture = Image.fromarray(GREY).convert("P")
        picture.putpalette([255, 0, 0] * 128 + [0, 0, 255] * 128)
        for kind in ("PNG", "GIF"):
            pixels, frames, native = self.native(self.saved(picture, kind))
            assert (pixels, frames) == (Pixels(6, 8, 3, 8, "RGB"), 1)
            assert native == b"\xff\0\0" * 48

    def test_an_animation_has_a_frame_for_each_picture(self) -> None:
        pictures = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
        animation = self.saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:])
        pixels, frames, native = self.native(animation)
        assert (pixels, frames) == (Pixels(6, 8, 3, 8, "RGB"), 3)
        assert native == b"".join(picture.tobytes() for picture in pictures)

    def test_colour_of_16_bits_would_lose_bits(self) -> None:
        wide = bytes(imagecodecs.png_encode(COLOUR.astype(np.uint16)))
        with pytest.raises(Unreadable, match="16 bits"):
            self.native(wide)

    def test_a_bomb_is_told_by_its_size(self) -> None:
        with pytest.raises(TooLargePicture):
            self.native(bomb())

    def test_a_gif_of_many_large_pictures_is_told_by_its_size(self) -> None:
        pictures = [Image.new("RGB", (400, 400), colour) for colour in ("red", "lime", "blue")]
        with pytest.raises(TooLargePicture):
            self.native(self.saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:]))
        large = bytearray(self.saved(pictures[0], "GIF"))
        place = large.index(b"\x2c\0\0\0\0\x90\x01\x90\x01")
        large[place + 5 : place + 9] = b"\xff\xff\xff\xff"
        tracemalloc.start()
        with pytest.raises((TooLargePicture, Unreadable)):
            self.native(bytes(large))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()

    def test_what_is_none_is_unreadable(self) -> None:
        good = self.saved(Image.fromarray(COLOUR))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            empty = b"GIF89a" + bytes(7) + b";"
            for content in (b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", empty, good[:40], good[:-30]):
                with pytest.raises(Unreadable):
                    self.native(content)
