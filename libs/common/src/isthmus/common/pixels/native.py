"""Native frames: samples as they are, uncompressed (PS3.5 8.1.1, 8.2, Annex D)."""

import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.errors import CorruptFrame, UnsupportedPixels
from isthmus.common.pixels.syntaxes import BIG_ENDIAN

Samples = NDArray[Any]
"""Rows, columns, and samples where there are several."""
_INTEGERS: Final = frozenset((1, 8, 16, 32, 64))


def samples_of(frame: bytes, description: PixelDescription) -> Samples:
    """Read the samples of a native frame, in the byte order of its transfer syntax; bits beside them stay.

    A frame of single bits begins at the first bit of `frame`. Chrominance that two pixels share is given to
    both of them, so that YBR_FULL_422 is YBR_FULL.

    Raises:
        CorruptFrame: there are fewer bytes than the description needs, or more than one for padding.
        UnsupportedPixels: nobody here reads samples of this form.
    """
    need = description.frame_bytes
    if not need <= len(frame) <= need + 1:
        raise CorruptFrame("The frame is not as long as its description says")
    if description.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")
        return _arranged(bits[: description.frame_bits], description)
    big_endian = description.transfer_syntax_uid == BIG_ENDIAN
    dtype = stored_type(description).newbyteorder(">" if big_endian else "<")
    flat = np.frombuffer(frame, dtype, count=need // dtype.itemsize)
    return _arranged(flat, description).astype(dtype.newbyteorder("="), copy=False)


def stored_type(description: PixelDescription) -> "np.dtype[Any]":
    """Give the type of the samples, in the order of this machine; single bits are bytes.

    Raises:
        UnsupportedPixels: there is none of this size.
    """
    if description.element is not PixelElement.INTEGER:
        return np.dtype(f"f{description.bits_allocated // 8}")
    if description.bits_allocated not in _INTEGERS:
        raise UnsupportedPixels(f"Samples of {description.bits_allocated} bits cannot be read")
    sign = "i" if description.pixel_representation else "u"
    return np.dtype(f"{sign}{max(description.bits_allocated // 8, 1)}")


def cleaned(samples: Samples, description: PixelDescription) -> Samples:
    """Give samples without the bits that are none of theirs, such as overlays, and with their sign.

    A sample is the Bits Stored that end with the High Bit (PS3.5 8.1.1).
    """
    if description.element is not PixelElement.INTEGER or description.bits_allocated == 1:
        return samples
    return from_bits(samples, description.bits_stored, description.high_bit)


def from_bits(samples: Samples, bits: int, high_bit: int) -> Samples:
    """Give the value that the bits up to `high_bit` have in the type of the samples."""
    left = samples.dtype.itemsize * 8 - 1 - high_bit
    right = samples.dtype.itemsize * 8 - bits
    if not left and not right:
        return samples
    shifted = np.left_shift(samples, left)
    return np.right_shift(shifted, right, out=shifted)


def native_bytes(samples: Samples, description: PixelDescription) -> bytes:
    """Write samples as a native frame, little endian, pixel by pixel; single bits are packed."""
    if description.bits_allocated == 1:
        return np.packbits(samples.reshape(-1).astype(np.uint8), bitorder="little").tobytes()
    if sys.byteorder == "big":
        samples = samples.byteswap()
    return samples.tobytes()


def little_endian(frame: bytes, description: PixelDescription) -> bytes:
    """Give a native frame in little endian, and in nothing else different.

    Raises:
        CorruptFrame: there are fewer bytes than the description needs, or more than one for padding.
        UnsupportedPixels: nobody here turns samples of this size.
    """
    need = description.frame_bytes
    if not need <= len(frame) <= need + 1:
        raise CorruptFrame("The frame is not as long as its description says")
    if description.bits_allocated <= 8 or description.transfer_syntax_uid != BIG_ENDIAN:
        return frame[:need]
    width = stored_type(description).itemsize
    return np.frombuffer(frame, f"u{width}", count=need // width).byteswap().tobytes()


def _arranged(flat: Samples, description: PixelDescription) -> Samples:
    rows, columns, samples = description.rows, description.columns, description.samples_per_pixel
    if samples == 1:
        return flat.reshape(rows, columns)
    if description.chrominance_is_shared:
        if columns % 2 or description.planar_configuration:
            raise UnsupportedPixels("Chrominance can be shared by pairs of pixels only")
        pairs = flat.reshape(rows, columns // 2, 4)
        pixels = np.empty((rows, columns, 3), flat.dtype)
        pixels[:, :, 0] = pairs[:, :, :2].reshape(rows, columns)
        pixels[:, :, 1:] = np.repeat(pairs[:, :, 2:], 2, axis=1)
        return pixels
    if description.planar_configuration:
        return np.ascontiguousarray(flat.reshape(samples, rows, columns).transpose(1, 2, 0))
    return flat.reshape(rows, columns, samples)
