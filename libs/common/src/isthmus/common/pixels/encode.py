"""Samples to frames: native, and without loss in RLE, JPEG-LS and JPEG 2000 (PS3.5 8.2.2, 8.2.3, 8.2.4)."""

from collections.abc import Callable
from typing import Final

import numpy as np
from jpeg_ls import encode_buffer as encode_jpeg_ls  # type: ignore[import-untyped]  # has no types
from openjpeg.utils import encode_buffer as encode_jpeg_2000
from rle.utils import encode_pixel_data as encode_rle

from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.pixels import native
from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.errors import UnsupportedPixels
from isthmus.common.pixels.native import Samples
from isthmus.common.pixels.syntaxes import (
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)

_MONOCHROME: Final = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
_LEAST_BITS_STORED: Final = {RLE_LOSSLESS: 1, JPEG_LS_LOSSLESS: 2, JPEG_2000_LOSSLESS: 1}
# The encoders here fail with pictures that are smaller.
_LEAST_SIDE: Final = {RLE_LOSSLESS: 1, JPEG_LS_LOSSLESS: 1, JPEG_2000_LOSSLESS: 32}
_LEAST_BYTES: Final = {RLE_LOSSLESS: 1, JPEG_LS_LOSSLESS: 192, JPEG_2000_LOSSLESS: 1}
_RGB: Final = 1
"""What OpenJPEG calls it: its multiple component transform is for nothing else."""


def fits(description: PixelDescription, target: str) -> bool:
    """Tell whether pixels can be given in a transfer syntax without loss.

    Any can be native; the others are for integers of 8 or 16 bits, gray, by palette, RGB or YBR
    (PS3.5 Tables 8.2.2-1, 8.2.3-1 and 8.2.4-1), and some of them for pictures of more than a few pixels.
    """
    if target == EXPLICIT_VR_LITTLE_ENDIAN:
        return True
    photometrics = {1: _MONOCHROME, 3: _COLOUR}.get(description.samples_per_pixel, ())
    return (
        target in _ENCODERS
        and description.element is PixelElement.INTEGER
        and description.bits_allocated in (8, 16)
        and description.bits_stored >= _LEAST_BITS_STORED[target]
        and min(description.rows, description.columns) >= _LEAST_SIDE[target]
        and description.decoded_bytes >= _LEAST_BYTES[target]
        and description.photometric_interpretation in photometrics
        and not (description.samples_per_pixel == 3 and description.pixel_representation)
    )


def encode_frame(samples: Samples, description: PixelDescription, target: str) -> bytes:
    """Encode the samples of one frame without loss.

    Args:
        samples: As the description says; bits that are none of a sample's may be set, and are kept.
        description: Of the samples as they are, by `transcode.description_in` without its transfer syntax.
        target: Explicit VR Little Endian or another that `fits`.

    Raises:
        UnsupportedPixels: they do not fit.
    """
    if target == EXPLICIT_VR_LITTLE_ENDIAN:
        return native.native_bytes(samples, description)
    if not fits(description, target):
        raise UnsupportedPixels("Pixels of this form cannot be given in this transfer syntax")
    return _ENCODERS[target](np.ascontiguousarray(samples), description)


def _rle(samples: Samples, description: PixelDescription) -> bytes:
    return encode_rle(
        native.native_bytes(samples, description),
        byteorder="<",
        rows=description.rows,
        columns=description.columns,
        samples_per_pixel=description.samples_per_pixel,
        bits_allocated=description.bits_allocated,
    )


def _jpeg_ls(samples: Samples, description: PixelDescription) -> bytes:
    precision = _precision(samples, description)
    return bytes(
        encode_jpeg_ls(
            _narrowed(samples, precision),
            description.rows,
            description.columns,
            description.samples_per_pixel,
            precision,
            interleave_mode=2 if description.samples_per_pixel > 1 else 0,
        )
    )


def _jpeg_2000(samples: Samples, description: PixelDescription) -> bytes:
    precision = _precision(samples, description)
    signed = bool(description.pixel_representation)
    rgb = description.photometric_interpretation == "RGB"
    return encode_jpeg_2000(
        _narrowed(samples, precision, signed=signed),
        description.columns,
        description.rows,
        description.samples_per_pixel,
        precision,
        signed,
        photometric_interpretation=_RGB if rgb else 0,
        use_mct=rgb,
    )


def _precision(samples: Samples, description: PixelDescription) -> int:
    """Tell how many bits of the samples must be encoded: more than Bits Stored where others are set."""
    if np.array_equal(native.cleaned(samples, description), samples):
        return description.bits_stored
    return description.bits_allocated


def _narrowed(samples: Samples, precision: int, *, signed: bool = False) -> bytes:
    """Write samples for an encoder: in one byte or two by their precision, the bits above 0 or the sign."""
    values = samples if signed else samples.view(f"u{samples.itemsize}") & ((1 << precision) - 1)
    return values.astype("u1" if precision <= 8 else "<u2").tobytes()


_ENCODERS: Final[dict[str, Callable[[Samples, PixelDescription], bytes]]] = {
    RLE_LOSSLESS: _rle,
    JPEG_LS_LOSSLESS: _jpeg_ls,
    JPEG_2000_LOSSLESS: _jpeg_2000,
}
