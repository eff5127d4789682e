"""A function of values over a whole frame: by a table where there are few values, piece by piece else."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from isthmus.wado.pictures.rendering.lookup_tables import Floats

Bytes = NDArray[np.uint8]
Pixels = NDArray[Any]
"""Integers or floating point numbers, as they are stored."""

PIECE: Final = 1 << 20
"""Pixels that are worked on at a time: what is between a frame and its picture takes little memory."""


def elementwise(function: Callable[[Floats], Bytes], pixels: Pixels) -> Bytes:
    """Apply a function of single values to all pixels.

    Args:
        function: Takes values in one dimension, and gives as many bytes, or rows of bytes.
        pixels: In any number of dimensions.

    Returns:
        The shape of the pixels, with that of the function's rows behind.
    """
    of_all = _all_values(pixels.dtype)
    if of_all is None or pixels.size < of_all.size:
        return _by_piece(lambda piece: function(piece.astype(np.float64)), pixels)
    table = function(of_all.astype(np.float64))
    unsigned = np.dtype(f"u{pixels.dtype.itemsize}")
    return _by_piece(lambda piece: table.take(piece.view(unsigned), axis=0), pixels)


def pieces(pixels: Pixels) -> Iterator[Pixels]:
    """Give all pixels, in one dimension and some at a time; nothing is copied that lies in its order."""
    flat = pixels.reshape(-1)
    for start in range(0, flat.size, PIECE):
        yield flat[start : start + PIECE]


def _all_values(dtype: np.dtype[Any]) -> Pixels | None:
    """Give each value of a type, in the order of its bits without sign."""
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        return None
    unsigned = np.dtype(f"u{dtype.itemsize}")
    return np.arange(1 << 8 * dtype.itemsize, dtype=unsigned).view(dtype)


def _by_piece(function: Callable[[Pixels], Bytes], pixels: Pixels) -> Bytes:
    row = function(np.zeros(1, pixels.dtype)).shape[1:]
    result = np.empty((pixels.size, *row), np.uint8)
    start = 0
    for piece in pieces(pixels):
        result[start : start + piece.size] = function(piece)
        start += piece.size
    return result.reshape(*pixels.shape, *row)
