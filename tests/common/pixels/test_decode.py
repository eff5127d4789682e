"""Frames decoded: of the sample files as others decode them, and of every form that samples come in."""

import subprocess
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Final

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from isthmus.common.dicom.frame_index import frame_index_of
from isthmus.common.pixels.decode import decode_frame
from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.syntaxes import DEFLATED_FRAMES, JPEG, JPEG_LOSSLESS, JPEG_LS, RLE
from tests.data_sets import pydicom_files, transfer_syntax
from tests.data_sets.pictures import GRAY, RGB, of_bits, picture, picture_file

_ROOT: Final = "1.2.840.10008.1.2."
_DECODERS: Final = {
    **dict.fromkeys(JPEG | JPEG_LOSSLESS, "dcmdjpeg"),
    **dict.fromkeys(JPEG_LS, "dcmdjpls"),
    **dict.fromkeys(RLE, "dcmdrle"),
}
_DAMAGED: Final = {"MR_truncated.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"}
"""Sample files that nobody can show."""
_SWAPPED: Final = {"SC_rgb_small_odd_big_endian.dcm"}
"""Big endian bytes in words: only who reads the element knows, and hands over what is in order."""


def held(syntax: str, form: PixelDescription) -> PixelDescription:
    return replace(form, transfer_syntax_uid=_ROOT + syntax)


def header(file: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not all of them are as they should be
        return pydicom.dcmread(file, force=True)


def first_frame(file: Path) -> tuple[bytes, PixelDescription]:
    with file.open("rb") as source:
        index = frame_index_of(source)
        pieces = []
        for offset, length in index.frame(1):
            source.seek(offset)
            pieces.append(source.read(length))
    return b"".join(pieces), PixelDescription.of(header(file), transfer_syntax(file))


def sample_files() -> list[Path]:
    """Those with pixels that anybody can show; the deflated one has a frame index of its own."""
    found = []
    for file in pydicom_files():
        ds = header(file)
        if "PixelData" in ds and file.name not in _DAMAGED and not transfer_syntax(file).endswith(".99"):
            found.append(file)
    return found


_SAMPLES: Final = sample_files()


@pytest.mark.parametrize("file", _SAMPLES, ids=lambda file: file.name)
def test_a_sample_file_is_decoded_as_pydicom_does(file: Path) -> None:
    frame, description = first_frame(file)
    decoded = decode_frame(frame, description)
    if description.transfer_syntax_uid.endswith(".51") or file.name in _SWAPPED:
        return  # pydicom does not, or knows more
    ds = header(file)
    if "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta.TransferSyntaxUID = UID(transfer_syntax(file))
    as_rgb = decoded.photometric_interpretation == "RGB"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if file.name == "badVR.dcm":
            ds.NumberOfFrames = 1
        expected = pixel_array(ds, index=0, raw=not as_rgb)
    if description.chrominance_is_shared and not as_rgb:
        expected = expected.reshape(decoded.array.shape)
    assert np.array_equal(decoded.array, expected)
    assert decoded.array.dtype == expected.dtype.newbyteorder("=")


_READ_BY_DCMTK = [
    file for file in _SAMPLES if transfer_syntax(file) in _DECODERS and file.name != "SC_rgb_jpeg.dcm"
]


@pytest.mark.parametrize("file", _READ_BY_DCMTK, ids=lambda file: file.name)
def test_a_sample_file_is_decoded_as_dcmtk_does(file: Path, tmp_path: Path) -> None:
    frame, description = first_frame(file)
    assert np.array_equal(decode_frame(frame, description).array, by_dcmtk(file, tmp_path))


def by_dcmtk(file: Path, directory: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    native = directory / "native.dcm"
    decoder = _DECODERS[transfer_syntax(file)]
    subprocess.run([decoder, file, native], check=True)
    return decode_frame(*first_frame(native)).array


@pytest.mark.parametrize("bits", range(2, 17))
def test_lossless_jpeg_of_any_precision_is_exact(bits: int) -> None:
    form = of_bits(GRAY, bits)
    samples = picture(form)
    frame = bytes(imagecodecs.jpeg_encode(samples, lossless=True, bitspersample=bits))
    for syntax in ("4.57", "4.70"):
        assert np.array_equal(decode_frame(frame, held(syntax, form)).array, samples)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [5, 8, 10, 12, 16])
@pytest.mark.parametrize("syntax", ["4.90", "4.201", "4.70", "4.80"])
def test_lossless_samples_have_their_value_and_sign(syntax: str, bits: int, signed: bool) -> None:
    form = of_bits(GRAY, bits, signed=signed)
    samples = picture(form)
    # All but JPEG 2000 know no signs: the bits of the sample are encoded as they are.
    pattern = samples.view(f"u{samples.itemsize}") & ((1 << bits) - 1)
    frame = {
        "4.90": lambda: imagecodecs.jpeg2k_encode(samples, level=0, bitspersample=bits, codecformat="j2k"),
        "4.201": lambda: imagecodecs.htj2k_encode(samples),
        "4.70": lambda: imagecodecs.jpeg_encode(pattern, lossless=True, bitspersample=bits),
        "4.80": lambda: imagecodecs.jpegls_encode(pattern),
    }[syntax]()
    decoded = decode_frame(bytes(frame), held(syntax, form)).array
    assert decoded.dtype == samples.dtype
    assert np.array_equal(decoded, samples)


def test_jpeg_2000_that_says_that_it_is_signed_where_its_header_does_not_and_the_other_way_round() -> None:
    signed, unsigned = of_bits(GRAY, 12, signed=True), of_bits(GRAY, 12)
    samples = picture(signed)
    pattern = samples.view("u2") & 0xFFF
    as_signed = imagecodecs.jpeg2k_encode(samples, level=0, bitspersample=12, codecformat="j2k")
    as_unsigned = imagecodecs.jpeg2k_encode(pattern, level=0, bitspersample=12, codecformat="j2k")
    assert np.array_equal(decode_frame(bytes(as_signed), held("4.90", unsigned)).array, pattern)
    assert np.array_equal(decode_frame(bytes(as_unsigned), held("4.90", signed)).array, samples)


def test_what_lossy_compression_took_beyond_the_bits_of_a_sample_comes_back_to_their_end() -> None:
    form = held("4.91", GRAY)
    beyond = np.full((40, 48), 4095, np.uint16)
    beyond[10:20] = 4099
    frame = bytes(imagecodecs.jpeg2k_encode(beyond, level=0, bitspersample=16, codecformat="j2k"))
    assert decode_frame(frame, form).array.min() == decode_frame(frame, form).array.max() == 4095
    signed = held("4.91", of_bits(GRAY, 12, signed=True))
    below = np.full((40, 48), -2050, np.int16)
    frame = bytes(imagecodecs.jpeg2k_encode(below, level=0, bitspersample=16, codecformat="j2k"))
    assert decode_frame(frame, signed).array.max() == -2048


@pytest.mark.parametrize("syntax", ["1", "1.99", "1.98"])
def test_overlays_beside_the_samples_are_left_out(syntax: str) -> None:
    samples = picture(GRAY)
    with_overlay = samples | np.uint16(0xA000)
    assert np.array_equal(decode_frame(with_overlay.tobytes(), held(syntax, GRAY)).array, samples)
    signed = of_bits(GRAY, 12, signed=True)
    samples = picture(signed)
    frame = (samples.view("u2") & 0xFFF | np.uint16(0x5000)).tobytes()
    assert np.array_equal(decode_frame(frame, held(syntax, signed)).array, samples)


def test_samples_that_do_not_begin_at_the_lowest_bit_are_brought_there() -> None:
    high = replace(GRAY, high_bit=15)
    samples = picture(GRAY)
    assert np.array_equal(decode_frame((samples << 4 | 7).tobytes(), high).array, samples)
    frame = bytes(imagecodecs.jpeg2k_encode(samples, level=0, bitspersample=12, codecformat="j2k"))
    assert np.array_equal(decode_frame(frame, held("4.90", high)).array, samples)


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_native_samples_are_read_in_either_order(bits: int) -> None:
    form = of_bits(GRAY, bits, signed=True)
    samples = np.random.default_rng(0).integers(
        -(1 << bits - 1), (1 << bits - 1) - 1, (40, 48), f"i{bits // 8}"
    )
    assert np.array_equal(decode_frame(samples.tobytes(), form).array, samples)
    assert np.array_equal(decode_frame(samples.byteswap().tobytes(), held("2", form)).array, samples)


@pytest.mark.parametrize(("element", "kind"), [(PixelElement.FLOAT, "f4"), (PixelElement.DOUBLE, "f8")])
def test_floating_point_samples_are_as_they_are(element: PixelElement, kind: str) -> None:
    bits = 8 * int(kind[1])
    form = replace(GRAY, bits_allocated=bits, bits_stored=bits, high_bit=bits - 1, element=element)
    samples = np.linspace(-1e30, 1e30, 40 * 48, dtype=kind).reshape(40, 48)
    decoded = decode_frame(samples.tobytes(), form).array
    assert np.array_equal(decoded, samples)
    assert decoded.dtype == samples.dtype


def test_single_bits_are_read_from_the_lowest_one_on() -> None:
    form = replace(GRAY, rows=3, columns=3, bits_allocated=1, bits_stored=1, high_bit=0)
    samples = decode_frame(b"\x07\x01", form).array
    assert samples.tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 1]]


def test_a_frame_of_odd_length_may_be_padded() -> None:
    form = replace(of_bits(GRAY, 8), rows=3, columns=3)
    samples = picture(form)
    assert np.array_equal(decode_frame(samples.tobytes() + b"\0", form).array, samples)


def test_planes_become_pixels() -> None:
    samples = picture(RGB)
    planes = np.moveaxis(samples, 2, 0).tobytes()
    assert np.array_equal(decode_frame(planes, replace(RGB, planar_configuration=1)).array, samples)


def test_pixels_that_share_their_chrominance_both_have_it() -> None:
    form = replace(RGB, rows=1, columns=4, photometric_interpretation="YBR_FULL_422")
    decoded = decode_frame(bytes([10, 20, 100, 200, 30, 40, 101, 201]), form)
    assert decoded.photometric_interpretation == "YBR_FULL"
    assert decoded.array[0].tolist() == [[10, 100, 200], [20, 100, 200], [30, 101, 201], [40, 101, 201]]


@pytest.mark.parametrize("photometric", ["YBR_RCT", "YBR_ICT", "RGB"])
def test_jpeg_2000_colours_are_rgb(photometric: str) -> None:
    form = replace(RGB, photometric_interpretation=photometric)
    samples = picture(RGB)
    frame = bytes(imagecodecs.jpeg2k_encode(samples, level=0, codecformat="j2k", mct=photometric != "RGB"))
    decoded = decode_frame(frame, held("4.90", form))
    assert decoded.photometric_interpretation == "RGB"
    assert np.array_equal(decoded.array, samples)


def test_ybr_that_nothing_transformed_stays_ybr() -> None:
    form = replace(RGB, photometric_interpretation="YBR_FULL")
    samples = picture(RGB)
    for syntax, frame in (
        ("4.90", imagecodecs.jpeg2k_encode(samples, level=0, codecformat="j2k", mct=False)),
        ("4.80", imagecodecs.jpegls_encode(samples)),
        ("4.70", imagecodecs.jpeg_encode(samples, lossless=True, colorspace="RGB", outcolorspace="RGB")),
    ):
        decoded = decode_frame(bytes(frame), held(syntax, form))
        assert decoded.photometric_interpretation == "YBR_FULL"
        assert np.array_equal(decoded.array, samples)


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL", "RGB"])
def test_jpeg_is_the_colours_that_it_says_itself_whatever_the_header_says(
    photometric: str, subsampling: str
) -> None:
    frame = bytes(imagecodecs.jpeg_encode(picture(RGB), level=90, subsampling=subsampling))  # JFIF: YBR
    decoded = decode_frame(frame, held("4.50", replace(RGB, photometric_interpretation=photometric)))
    assert decoded.photometric_interpretation == "RGB"
    others = imagecodecs.jpeg_decode(frame).astype(int)
    assert np.abs(decoded.array - others).max() <= 1


def test_jpeg_that_says_nothing_of_its_colours_is_what_the_header_says() -> None:
    samples = picture(RGB)
    said = bytes(imagecodecs.jpeg_encode(samples, level=100, colorspace="RGB", outcolorspace="RGB"))
    at = said.index(b"\xff\xc0")
    names = at + 10
    silent = bytearray(said)
    for number, name in enumerate((1, 2, 3)):
        silent[names + 3 * number] = name
    scan = silent.index(b"\xff\xda") + 5
    for number, name in enumerate((1, 2, 3)):
        silent[scan + 2 * number] = name
    adobe = silent.find(b"\xff\xee")
    if adobe >= 0:
        del silent[adobe : adobe + 2 + int.from_bytes(silent[adobe + 2 : adobe + 4])]
    as_rgb = decode_frame(bytes(silent), held("4.50", RGB)).array
    as_ybr = decode_frame(
        bytes(silent), held("4.50", replace(RGB, photometric_interpretation="YBR_FULL"))
    ).array
    assert np.abs(as_rgb.astype(int) - samples).max() <= 3
    assert np.abs(as_ybr.astype(int) - samples).max() > 50


@pytest.mark.parametrize("bits", [8, 12])
def test_lossy_gray_jpeg_is_as_another_decoder_has_it(bits: int) -> None:
    form = of_bits(GRAY, bits)
    frame = bytes(imagecodecs.jpeg_encode(picture(form), level=80, bitspersample=bits))
    decoded = decode_frame(frame, held("4.51", form)).array
    assert np.abs(decoded.astype(int) - imagecodecs.jpeg_decode(frame).astype(int)).max() <= 1


def test_padding_before_the_end_of_a_jpeg_harms_nothing() -> None:
    frame = bytes(imagecodecs.jpeg_encode(picture(RGB), level=90))
    padded = frame[:-2] + bytes(9) + frame[-2:]
    form = held("4.50", replace(RGB, photometric_interpretation="YBR_FULL"))
    assert np.array_equal(decode_frame(padded, form).array, decode_frame(frame, form).array)


@pytest.mark.parametrize("error", [0, 3])
def test_jpeg_ls_of_colours_is_within_its_error_in_every_interleave(error: int) -> None:
    samples = picture(RGB)
    frame = bytes(imagecodecs.jpegls_encode(samples, level=error))
    decoded = decode_frame(frame, held("4.81", RGB)).array
    assert np.abs(decoded.astype(int) - samples).max() <= error


def test_lossy_htj2k_is_as_another_decoder_has_it() -> None:
    frame = bytes(imagecodecs.htj2k_encode(picture(GRAY), level=0.001, reversible=False))
    decoded = decode_frame(frame, held("4.203", GRAY)).array.astype(int)
    assert np.abs(decoded - np.clip(imagecodecs.htj2k_decode(frame).astype(int), 0, 4095)).max() <= 1


def test_frames_that_are_encapsulated_uncompressed_or_deflated_are_native_frames() -> None:
    samples = picture(GRAY)
    assert np.array_equal(decode_frame(samples.tobytes(), held("1.98", GRAY)).array, samples)
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    frame = deflating.compress(samples.tobytes()) + deflating.flush()
    form = replace(GRAY, transfer_syntax_uid=DEFLATED_FRAMES)
    for padding in (b"", b"\0"):
        assert np.array_equal(decode_frame(frame + padding, form).array, samples)


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("dcmcjpeg", ["+el"]),
        ("dcmcjpeg", ["+e1"]),
        ("dcmcjpls", ["+el"]),
        ("dcmcrle", []),
    ],
)
@pytest.mark.parametrize(
    "form", [GRAY, of_bits(GRAY, 16), of_bits(GRAY, 8), RGB], ids=["12", "16", "8", "RGB"]
)
def test_what_dcmtk_encodes_without_loss_is_exact(
    encoder: str, options: list[str], form: PixelDescription, tmp_path: Path
) -> None:
    samples = picture(form)
    native = picture_file(tmp_path / "native.dcm", form, [samples.tobytes()])
    subprocess.run([encoder, *options, native, tmp_path / "encoded.dcm"], check=True)
    decoded = decode_frame(*first_frame(tmp_path / "encoded.dcm"))
    assert np.array_equal(decoded.array, samples)
    assert decoded.photometric_interpretation == form.photometric_interpretation


@pytest.mark.parametrize("options", [["+eb"], ["+ee"], ["+eb", "+cr"], ["+eb", "+s4"]], ids=" ".join)
@pytest.mark.parametrize("form", [GRAY, RGB], ids=["gray", "RGB"])
def test_what_dcmtk_encodes_with_loss_is_as_it_decodes_it(
    options: list[str], form: PixelDescription, tmp_path: Path
) -> None:
    native = picture_file(tmp_path / "first.dcm", form, [picture(form).tobytes()])
    encoded = tmp_path / "encoded.dcm"
    subprocess.run(["dcmcjpeg", *options, native, encoded], check=True)
    decoded = decode_frame(*first_frame(encoded)).array
    assert np.abs(decoded.astype(int) - by_dcmtk(encoded, tmp_path).astype(int)).max() <= 1
