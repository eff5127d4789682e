"""Frames to samples, of any transfer syntax that can be decoded here."""

import zlib
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jpeg_ls import decode_pixel_data as decode_jpeg_ls  # type: ignore[import-untyped]  # has no types
from openjpeg.utils import decode as decode_jpeg_2000
from rle.rle import decode_frame as decode_rle  # type: ignore[import-not-found]  # has no types

from isthmus.common.pixels import jpeg, native
from isthmus.common.pixels.codestream import Codestream, jpeg_2000_codestream, jpeg_codestream
from isthmus.common.pixels.colour import rgb_of_ybr_full
from isthmus.common.pixels.description import PixelDescription
from isthmus.common.pixels.errors import CorruptFrame, FrameTooLarge, UnsupportedPixels
from isthmus.common.pixels.native import Samples, stored_type
from isthmus.common.pixels.syntaxes import (
    DEFLATED_FRAMES,
    HTJ2K,
    JPEG,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LS,
    LOSSY,
    NATIVE,
    RLE,
    UNCOMPRESSED_FRAMES,
)

MAX_BYTES: Final = 512 * 1024 * 1024
_END_OF_IMAGE: Final = b"\xff\xd9"
_TRANSFORMED: Final = ("YBR_RCT", "YBR_ICT")
"""What JPEG 2000 makes of RGB within, and decoders undo (PS3.3 C.7.6.3.1.2)."""


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
    stored = stored_frame(frame, description, max_bytes)
    return replace(stored, array=native.cleaned(stored.array, description))


def stored_frame(frame: bytes, description: PixelDescription, max_bytes: int = MAX_BYTES) -> DecodedFrame:
    """Decode one frame as `decode_frame` does, but leave its samples among the bits that lie beside them.

    So they are as they would be in native pixels of the same description.
    """
    if description.decoded_bytes > max_bytes:
        raise FrameTooLarge(f"A frame would take {description.decoded_bytes} bytes")
    return DecodedFrame(_samples(frame, description), decoded_photometric_interpretation(description))


def decoded_photometric_interpretation(description: PixelDescription) -> str:
    """Tell the one that frames have when they are decoded."""
    photometric, syntax = description.photometric_interpretation, description.transfer_syntax_uid
    if description.samples_per_pixel != 3:
        return photometric
    if photometric in _TRANSFORMED or syntax in JPEG:
        return "RGB"
    if photometric == "YBR_FULL_422" or (syntax in JPEG_LOSSLESS and photometric.startswith("YBR")):
        return "YBR_FULL"
    return photometric


def _samples(frame: bytes, description: PixelDescription) -> Samples:
    syntax = description.transfer_syntax_uid
    if syntax == DEFLATED_FRAMES:
        frame = _inflated(frame, description.frame_bytes)
    if syntax in NATIVE | UNCOMPRESSED_FRAMES:
        return native.samples_of(frame, description)
    if syntax in RLE:
        return _rle(frame, description)
    if syntax in JPEG | JPEG_LOSSLESS:
        header = _checked(jpeg_codestream(frame), description)
        return _stored(_jpeg(frame, header, description), header, description)
    if syntax in JPEG_LS:
        header = _checked(jpeg_codestream(frame), description)
        return _stored(_jpeg_ls(frame, header), header, description)
    if syntax in JPEG_2000 | HTJ2K:
        header = _checked(jpeg_2000_codestream(frame), description)
        return _stored(_jpeg_2000(frame, header), header, description)
    raise UnsupportedPixels("Nobody here decodes pixels in this transfer syntax")


def _inflated(frame: bytes, size: int) -> bytes:
    """Inflate what PS3.5 A.4.13 describes, a frame as it would be native."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflating.decompress(frame, size + 2)  # one for padding, and one too many
    except zlib.error as error:
        raise CorruptFrame("The frame is damaged") from error
    if not inflating.eof and len(data) < size:
        raise CorruptFrame("The frame is cut short")
    return data


def _checked(header: Codestream, description: PixelDescription) -> Codestream:
    """Give what a frame says of itself, if the description says the same."""
    said = (header.rows, header.columns, header.components)
    if said != (description.rows, description.columns, description.samples_per_pixel):
        raise CorruptFrame(
            f"The frame says that it is of {header.rows} x {header.columns} x {header.components} samples, "
            "and its description something else"
        )
    if not 1 <= header.precision <= description.bits_allocated:
        raise CorruptFrame(f"The samples of the frame have {header.precision} bits, more than are allocated")
    return header


def _stored(samples: Samples, header: Codestream, description: PixelDescription) -> Samples:
    """Put decoded samples in the type and the bits that the description says.

    Most decoders know no signs, JPEG 2000 may be signed where the description is not, and the precision may
    be smaller than Bits Stored or larger. What lossy compression took beyond Bits Stored is brought back.
    """
    signed, stored = description.pixel_representation, description.bits_stored
    values = samples.astype(stored_type(description))
    if signed or header.signed:
        values = native.from_bits(values, header.precision, header.precision - 1)
    above = description.high_bit + 1 - stored
    if header.precision <= stored:
        return np.left_shift(values, above) if above else values
    if description.transfer_syntax_uid in LOSSY and not above:
        least, most = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
        return np.clip(values, least, most, out=values)
    return values


def _jpeg(frame: bytes, header: Codestream, description: PixelDescription) -> Samples:
    samples = jpeg.decode(frame, header)
    if header.components == 3 and description.transfer_syntax_uid in JPEG:
        said = header.luminance_and_chrominance
        if description.photometric_interpretation.startswith("YBR") if said is None else said:
            return rgb_of_ybr_full(samples, header.precision)
    return samples


def _jpeg_ls(frame: bytes, header: Codestream) -> Samples:
    if _END_OF_IMAGE not in frame:  # the decoder would go on for seconds
        raise CorruptFrame("The frame is cut short")
    try:
        data, info = decode_jpeg_ls(frame)
    except (RuntimeError, ValueError) as error:
        raise CorruptFrame("The frame is damaged") from error
    samples = np.frombuffer(data, np.uint8 if header.precision <= 8 else "<u2")
    return header.arranged(samples, plane_by_plane=info["interleave_mode"] == 0)


def _jpeg_2000(frame: bytes, header: Codestream) -> Samples:
    try:
        return header.arranged(decode_jpeg_2000(frame).reshape(-1))
    except (RuntimeError, ValueError) as error:
        raise CorruptFrame("The frame is damaged") from error


def _rle(frame: bytes, description: PixelDescription) -> Samples:
    """Decode what PS3.5 Annex G describes: the bytes of all samples, the most significant ones first."""
    pixels = description.rows * description.columns
    segments = description.samples_per_pixel * -(-description.bits_allocated // 8)
    if len(frame) < 64 or int.from_bytes(frame[:4], "little") != segments:
        raise CorruptFrame("The frame has not as many RLE segments as its samples need")
    try:
        data = decode_rle(frame, pixels, description.bits_allocated, "<")
    except BaseException as error:
        if not isinstance(error, ValueError) and type(error).__name__ != "PanicException":  # as Rust has it
            raise
        raise CorruptFrame("The frame is damaged") from error
    samples = np.frombuffer(data, stored_type(description).newbyteorder("<"))
    shape = (description.samples_per_pixel, description.rows, description.columns)
    if samples.size != pixels * description.samples_per_pixel:
        raise CorruptFrame("The frame is damaged")
    planes = np.moveaxis(samples.reshape(shape), 0, 2)
    return planes[:, :, 0] if description.samples_per_pixel == 1 else np.ascontiguousarray(planes)
