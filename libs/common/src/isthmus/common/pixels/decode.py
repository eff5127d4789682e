"""Frames to samples, of any transfer syntax that can be decoded here."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jpeg_ls import decode_pixel_data as decode_jpeg_ls  # type: ignore[import-untyped]
from openjpeg.utils import decode as decode_jpeg_2000
from rle.rle import decode_frame as decode_rle  # type: ignore[import-not-found]

from isthmus.common.pixels import jpeg, native
from isthmus.common.pixels.codestream import Codestream, jpeg_2000_codestream, jpeg_codestream
from isthmus.common.pixels.colour import rgb_of_ybr_full
from isthmus.common.pixels.description import PixelDescription
from isthmus.common.pixels.errors import CorruptFrame, FrameTooLarge, UnsupportedPixels
from isthmus.common.pixels.native import Samples, stored_type
from isthmus.common.pixels.syntaxes import HTJ2K, JPEG, JPEG_2000, JPEG_LOSSLESS, JPEG_LS, LOSSY, NATIVE, RLE

MAX_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """The samples of a frame."""

    array: Samples
    """Rows and columns, and samples where a pixel has several; each of its own value and sign, in the type of
    Bits Allocated and Pixel Representation. Single bits are bytes of 0 and 1."""
    photometric_interpretation: str
    """Of the array: YBR_RCT, YBR_ICT and what JPEG compressed as YBR are RGB, YBR_FULL_422 is YBR_FULL."""


def decode_frame(frame: bytes, description: PixelDescription, max_bytes: int = MAX_BYTES) -> DecodedFrame:
    """Decode one frame, as it is held.

    Args:
        frame: Of native pixels their bytes, in the byte order of the transfer syntax, from the first bit on;
            of others the fragments of the frame in one.
        description: Of the instance.
        max_bytes: What the decoded frame may take.

    Raises:
        FrameTooLarge: it would take more, by its description or by what the frame says of itself.
        CorruptFrame: it is not what the description says, or damaged.
        UnsupportedPixels: nobody here decodes it.
    """
    if description.decoded_bytes > max_bytes:
        raise FrameTooLarge(f"A frame would take {description.decoded_bytes} bytes")
    syntax = description.transfer_syntax_uid
    if syntax in NATIVE:
        samples = native.samples_of(frame, description)
        shared = description.chrominance_is_shared
        return DecodedFrame(samples, "YBR_FULL" if shared else description.photometric_interpretation)
    if syntax in RLE:
        return DecodedFrame(_rle(frame, description), description.photometric_interpretation)
    if syntax in JPEG | JPEG_LOSSLESS:
        return _jpeg(frame, description)
    if syntax in JPEG_LS:
        header = _checked(jpeg_codestream(frame), description)
        return DecodedFrame(
            _valued(_jpeg_ls(frame, header), header, description), description.photometric_interpretation
        )
    if syntax in JPEG_2000 | HTJ2K:
        header = _checked(jpeg_2000_codestream(frame), description)
        samples = _valued(_jpeg_2000(frame), header, description)
        transformed = description.photometric_interpretation in ("YBR_RCT", "YBR_ICT")
        return DecodedFrame(samples, "RGB" if transformed else description.photometric_interpretation)
    raise UnsupportedPixels("Nobody here decodes pixels in this transfer syntax")


def _checked(header: Codestream, description: PixelDescription) -> Codestream:
    """Give what a frame says of itself, if the description says the same."""
    said = (header.rows, header.columns, header.components)
    if said != (description.rows, description.columns, description.samples_per_pixel):
        raise CorruptFrame(
            f"The frame says that it is of {header.rows} x {header.columns} x {header.components} samples, "
            "and its description something else"
        )
    if not 1 <= header.precision <= stored_type(description).itemsize * 8:
        raise CorruptFrame(f"The samples of the frame have {header.precision} bits, more than are allocated")
    return header


def _valued(samples: Samples, header: Codestream, description: PixelDescription) -> Samples:
    """Give decoded samples their values in the type that the description says.

    Most decoders know no signs, JPEG 2000 may be signed where the description is not, and the precision may
    be smaller than Bits Stored or larger. What lossy compression took beyond Bits Stored is brought back.
    """
    dtype = stored_type(description)
    if (
        description.pixel_representation == 0
        and not header.signed
        and header.precision <= description.bits_stored
    ):
        return samples.astype(dtype, copy=False)
    values = samples.astype(dtype)
    stored = description.bits_stored
    if header.precision <= stored:
        return native.from_bits(values, header.precision, header.precision - 1)
    if description.transfer_syntax_uid in LOSSY:
        values = native.from_bits(values, header.precision, header.precision - 1)
        signed = description.pixel_representation
        least, most = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
        return np.clip(values, least, most, out=values)
    return native.cleaned(values, description)


def _jpeg(frame: bytes, description: PixelDescription) -> DecodedFrame:
    header = _checked(jpeg_codestream(frame), description)
    samples = jpeg.decode(frame, header)
    photometric = description.photometric_interpretation
    if header.components == 3:
        if header.kind == jpeg.LOSSLESS:
            photometric = "YBR_FULL" if photometric.startswith("YBR") else photometric
        else:
            said = header.luminance_and_chrominance
            if photometric.startswith("YBR") if said is None else said:
                samples = rgb_of_ybr_full(samples, header.precision)
            photometric = "RGB"
    return DecodedFrame(_valued(samples, header, description), photometric)


def _jpeg_ls(frame: bytes, header: Codestream) -> Samples:
    try:
        data, info = decode_jpeg_ls(frame)
    except (RuntimeError, ValueError) as error:
        raise CorruptFrame("The frame is damaged") from error
    samples = np.frombuffer(data, np.uint8 if header.precision <= 8 else "<u2")
    if header.components == 1:
        return samples.reshape(header.rows, header.columns)
    if info["interleave_mode"] == 0:
        return samples.reshape(header.components, header.rows, header.columns).transpose(1, 2, 0)
    return samples.reshape(header.rows, header.columns, header.components)


def _jpeg_2000(frame: bytes) -> Samples:
    try:
        return decode_jpeg_2000(frame)
    except (RuntimeError, ValueError) as error:
        raise CorruptFrame("The frame is damaged") from error


def _rle(frame: bytes, description: PixelDescription) -> Samples:
    """Decode what PS3.5 Annex G describes: the bytes of all samples, the most significant ones first."""
    if description.chrominance_is_shared:
        raise UnsupportedPixels("RLE is for pixels that share nothing")
    pixels = description.rows * description.columns
    segments = description.samples_per_pixel * -(-description.bits_allocated // 8)
    if len(frame) < 64 or int.from_bytes(frame[:4], "little") != segments:
        raise CorruptFrame("The frame has not as many RLE segments as its samples need")
    try:
        data = decode_rle(frame, pixels, description.bits_allocated, "<")
    except ValueError as error:
        raise CorruptFrame("The frame is damaged") from error
    samples = np.frombuffer(data, stored_type(description).newbyteorder("<"))
    shape = (description.samples_per_pixel, description.rows, description.columns)
    if samples.size != pixels * description.samples_per_pixel:
        raise CorruptFrame("The frame is damaged")
    planes = np.moveaxis(samples.reshape(shape), 0, 2)
    planes = planes[:, :, 0] if description.samples_per_pixel == 1 else np.ascontiguousarray(planes)
    return native.cleaned(planes, description)
