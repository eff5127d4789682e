"""Frames in other transfer syntaxes: bit for bit, and with the header that goes with them."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame

from isthmus.common.pixels.decode import decode_frame
from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.encode import fits
from isthmus.common.pixels.errors import UnsupportedPixels
from isthmus.common.pixels.syntaxes import ENCODABLE
from isthmus.common.pixels.transcode import (
    description_in,
    header_changes,
    pixel_data_vr,
    transcoded_frame,
)
from tests.data_sets.pictures import GRAY, RGB, Samples, of_bits, picture, picture_file

EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG, LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"


def forms() -> Iterator[PixelDescription]:
    for bits in (1, 2, 7, 8, 9, 10, 12, 13, 16):
        for signed in (False, True):
            if bits > 1 or not signed:
                yield of_bits(GRAY, bits, signed=signed)
                yield replace(of_bits(GRAY, bits, signed=signed), bits_allocated=16)
    yield replace(GRAY, photometric_interpretation="MONOCHROME1")
    yield replace(of_bits(GRAY, 8), photometric_interpretation="PALETTE COLOR")
    yield RGB
    yield of_bits(RGB, 16)
    yield replace(RGB, photometric_interpretation="YBR_FULL")
    yield replace(RGB, rows=33, columns=35)


def name(form: object) -> str:
    if not isinstance(form, PixelDescription):
        return str(form).removeprefix("1.2.840.10008.1.2.")
    sign = "signed" if form.pixel_representation else "unsigned"
    return f"{form.photometric_interpretation} {form.bits_stored}/{form.bits_allocated} {sign} {form.rows}"


@pytest.mark.parametrize("target", ENCODABLE, ids=name)
@pytest.mark.parametrize("form", list(forms()), ids=name)
def test_whatever_fits_goes_there_and_back_unchanged(form: PixelDescription, target: str) -> None:
    if not fits(form, target):
        assert (form.bits_stored, target) == (1, JPEG_LS)
        return
    samples = picture(form)
    there = transcoded_frame(samples.tobytes(), form, target)
    described = description_in(form, target)
    decoded = decode_frame(there, described)
    assert np.array_equal(decoded.array, samples)
    assert decoded.array.dtype == samples.dtype
    assert decoded.photometric_interpretation == form.photometric_interpretation
    assert transcoded_frame(there, described, EXPLICIT) == samples.tobytes()
    back = description_in(described, EXPLICIT)
    assert back == form


@pytest.mark.parametrize("target", ENCODABLE, ids=name)
@pytest.mark.parametrize("signed", [False, True])
def test_overlays_beside_the_samples_go_along(signed: bool, target: str) -> None:
    form = of_bits(GRAY, 12, signed=signed)
    frame = (picture(form).view("u2") & 0xFFF | np.uint16(0x9000)).tobytes()
    there = transcoded_frame(frame, form, target)
    described = description_in(form, target)
    assert transcoded_frame(there, described, EXPLICIT) == frame
    assert np.array_equal(decode_frame(there, described).array, picture(form))


@pytest.mark.parametrize("target", ENCODABLE, ids=name)
def test_noise_that_grows_by_compression_is_as_exact(target: str) -> None:
    form = of_bits(GRAY, 16)
    frame = np.random.default_rng(0).bytes(form.frame_bytes)
    there = transcoded_frame(frame, form, target)
    assert transcoded_frame(there, description_in(form, target), EXPLICIT) == frame


def independently(frame: bytes, form: PixelDescription, target: str, directory: Path) -> Samples:
    """Decode what we encoded as others do."""
    if target == JPEG_2000:
        return np.asarray(imagecodecs.jpeg2k_decode(frame))
    encoded = picture_file(directory / "encoded.dcm", description_in(form, target), [frame])
    decoder = {RLE: "dcmdrle", JPEG_LS: "dcmdjpls"}[target]
    subprocess.run([decoder, encoded, directory / "native.dcm"], check=True)
    native = pydicom.dcmread(directory / "native.dcm")
    return decode_frame(native.PixelData, PixelDescription.of(native, EXPLICIT)).array


@pytest.mark.parametrize("target", [RLE, JPEG_LS, JPEG_2000], ids=name)
@pytest.mark.parametrize("form", [GRAY, of_bits(GRAY, 16, signed=True), of_bits(GRAY, 8), RGB], ids=name)
def test_what_is_encoded_here_others_decode_exactly(
    form: PixelDescription, target: str, tmp_path: Path
) -> None:
    samples = picture(form)
    frame = transcoded_frame(samples.tobytes(), form, target)
    assert np.array_equal(independently(frame, form, target, tmp_path), samples)


def test_what_is_encoded_here_pydicom_reads_as_an_instance(tmp_path: Path) -> None:
    samples = picture(RGB)
    for target in (RLE, JPEG_LS, JPEG_2000):
        frame = transcoded_frame(samples.tobytes(), RGB, target)
        ds = pydicom.dcmread(picture_file(tmp_path / "one.dcm", description_in(RGB, target), [frame]))
        assert np.array_equal(ds.pixel_array, samples)
        assert get_frame(ds.PixelData, 0).rstrip(b"\0") == frame.rstrip(b"\0")


@pytest.mark.parametrize(
    "form",
    [
        replace(RGB, planar_configuration=1),
        replace(RGB, photometric_interpretation="YBR_FULL_422"),
        replace(GRAY, high_bit=15),
        replace(of_bits(GRAY, 1), bits_allocated=1),
        of_bits(GRAY, 24),
        replace(GRAY, bits_allocated=32, bits_stored=32, high_bit=31, element=PixelElement.FLOAT),
    ],
)
def test_native_frames_stay_as_they_are(form: PixelDescription) -> None:
    frame = np.random.default_rng(0).bytes(form.frame_bytes)
    assert transcoded_frame(frame, form, EXPLICIT) == frame
    assert description_in(form, EXPLICIT) == form
    assert header_changes(form, EXPLICIT) == {}


def test_big_endian_frames_are_turned_and_nothing_else() -> None:
    form = replace(of_bits(GRAY, 32), transfer_syntax_uid=BIG_ENDIAN)
    samples = np.random.default_rng(0).integers(0, 1 << 32, (40, 48), np.uint32)
    assert transcoded_frame(samples.astype(">u4").tobytes(), form, EXPLICIT) == samples.tobytes()


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL"])
def test_jpeg_with_loss_becomes_rgb_and_says_that_it_was_lossy(photometric: str) -> None:
    held = replace(RGB, transfer_syntax_uid=JPEG, photometric_interpretation=photometric)
    frame = bytes(imagecodecs.jpeg_encode(picture(RGB), level=90))
    decoded = decode_frame(frame, held)
    for target in ENCODABLE:
        described = description_in(held, target)
        there = decode_frame(transcoded_frame(frame, held, target), described)
        assert np.array_equal(there.array, decoded.array)
        changes = header_changes(held, target)
        assert changes["LossyImageCompression"] == "01"
        assert changes["PhotometricInterpretation"] == ("YBR_RCT" if target == JPEG_2000 else "RGB")
    assert len(transcoded_frame(frame, held, EXPLICIT)) == description_in(held, EXPLICIT).frame_bytes


def test_the_header_says_how_samples_are_arranged() -> None:
    assert header_changes(RGB, RLE) == {"PlanarConfiguration": 1}
    planes = replace(RGB, planar_configuration=1)
    assert header_changes(planes, JPEG_LS) == {"PlanarConfiguration": 0}
    assert header_changes(planes, JPEG_2000) == {
        "PlanarConfiguration": 0,
        "PhotometricInterpretation": "YBR_RCT",
    }
    assert header_changes(GRAY, RLE) == header_changes(GRAY, JPEG_2000) == {}
    lossless = replace(RGB, transfer_syntax_uid=LOSSLESS, photometric_interpretation="YBR_FULL_422")
    assert header_changes(lossless, EXPLICIT) == {"PhotometricInterpretation": "YBR_FULL"}
    transformed = replace(RGB, transfer_syntax_uid=JPEG_2000, photometric_interpretation="YBR_RCT")
    assert header_changes(transformed, EXPLICIT) == {"PhotometricInterpretation": "RGB"}


def test_shared_chrominance_is_given_to_both_pixels_where_it_is_compressed() -> None:
    form = replace(RGB, photometric_interpretation="YBR_FULL_422")
    frame = np.random.default_rng(0).bytes(form.frame_bytes)
    for target in (RLE, JPEG_LS, JPEG_2000):
        there = decode_frame(transcoded_frame(frame, form, target), description_in(form, target))
        assert there.photometric_interpretation == "YBR_FULL"
        assert np.array_equal(there.array, decode_frame(frame, form).array)


@pytest.mark.parametrize(
    ("form", "native", "compressed"),
    [
        (GRAY, "OW", "OB"),
        (RGB, "OB", "OB"),
        (replace(of_bits(GRAY, 1), bits_allocated=1), "OB", "OB"),
        (replace(GRAY, element=PixelElement.FLOAT), "OF", "OF"),
        (replace(GRAY, element=PixelElement.DOUBLE), "OD", "OD"),
    ],
)
def test_the_vr_of_pixel_data_is_that_of_the_syntax(
    form: PixelDescription, native: str, compressed: str
) -> None:
    assert pixel_data_vr(form, EXPLICIT) == native
    assert pixel_data_vr(form, RLE) == compressed


def test_what_does_not_fit_is_not_encoded() -> None:
    form = of_bits(GRAY, 32)
    for target in (RLE, JPEG_LS, JPEG_2000, "1.2.840.10008.1.2.4.50"):
        with pytest.raises(UnsupportedPixels):
            transcoded_frame(bytes(form.frame_bytes), form, target)
