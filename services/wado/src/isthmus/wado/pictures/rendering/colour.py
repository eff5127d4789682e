"""Colour frames: whatever they are stored as, red, green and blue of 8 bits come out (PS3.3 C.7.6.3.1.2)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.common.pixels.errors import UnsupportedPixels
from isthmus.wado.pictures.rendering.elementwise import Bytes, Pixels, elementwise
from isthmus.wado.pictures.rendering.lookup_tables import Floats

_RGB: Final = frozenset({"RGB", "YBR_ICT", "YBR_RCT"})
"""`YBR_ICT` and `YBR_RCT` are transformations inside JPEG 2000, undone by its decoders."""
_FULL: Final = frozenset({"YBR_FULL", "YBR_FULL_422"})
_PARTIAL: Final = frozenset({"YBR_PARTIAL_422", "YBR_PARTIAL_420"})


def rgb(pixels: Pixels, photometric_interpretation: str, bits_stored: int) -> Bytes:
    """Give the picture of a frame of three samples for each pixel.

    Args:
        pixels: In the shape (rows, columns, 3), no chrominance shared any more.
        photometric_interpretation: What the samples are now.
        bits_stored: Of each of them.

    Raises:
        UnsupportedPixels: nobody here knows these colours.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UnsupportedPixels("Pixels of this many samples cannot be shown")
    samples = _of_8_bits(pixels, bits_stored)
    if photometric_interpretation in _FULL:
        return _from_ybr(samples, _FULL_ORIGIN, _FROM_FULL)
    if photometric_interpretation in _PARTIAL:
        return _from_ybr(samples, _PARTIAL_ORIGIN, _FROM_PARTIAL)
    if photometric_interpretation in _RGB or photometric_interpretation.startswith("MONOCHROME"):
        return samples
    raise UnsupportedPixels(f"{photometric_interpretation[:16]} cannot be shown")


def _of_8_bits(pixels: Pixels, bits_stored: int) -> Bytes:
    if bits_stored == 8 and pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    scale = 255 / ((1 << bits_stored) - 1)

    def scaled(values: Floats) -> Bytes:
        return np.rint(np.clip(values * scale, 0, 255)).astype(np.uint8)

    return elementwise(scaled, pixels)


def _from_ybr(samples: Bytes, origin: NDArray[np.float32], matrix: NDArray[np.float32]) -> Bytes:
    result = np.empty_like(samples)
    sources, targets = samples.reshape(-1, 3), result.reshape(-1, 3)
    for start in range(0, len(sources), _PIECE):
        rgb_values = (sources[start : start + _PIECE] - origin) @ matrix
        np.rint(np.clip(rgb_values, 0, 255, out=rgb_values), out=rgb_values)
        targets[start : start + _PIECE] = rgb_values
    return result


_PIECE: Final = 1 << 16
_FULL_ORIGIN: Final = np.array([0, 128, 128], np.float32)
_FROM_FULL: Final = np.array([[1, 1, 1], [0, -0.344136, 1.772], [1.402, -0.714136, 0]], np.float32)
"""The inverse of the equations of PS3.3 C.7.6.3.1.2, which are those of ITU-R BT.601."""
_PARTIAL_ORIGIN: Final = np.array([16, 128, 128], np.float32)
_FROM_PARTIAL: Final = np.array(
    [[1.164384, 1.164384, 1.164384], [0, -0.391762, 2.017232], [1.596027, -0.812968, 0]], np.float32
)
"""The same for 16 to 235 of luminance and 16 to 240 of chrominance (retired)."""
