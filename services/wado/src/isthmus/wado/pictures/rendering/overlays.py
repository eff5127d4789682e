"""Overlay planes (PS3.3 C.9.2): bits that are drawn over an image."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from isthmus.common.pixels.decode import decode_frame
from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.syntaxes import NATIVE, RLE
from isthmus.wado.pictures.rendering.values import number, numbers, words

Mask = NDArray[np.bool_]

GROUPS: Final = range(0x6000, 0x6020, 2)

_ROWS, _COLUMNS, _FRAMES, _ORIGIN, _FIRST_FRAME = 0x0010, 0x0011, 0x0015, 0x0050, 0x0051
_BITS_ALLOCATED, _BIT_POSITION, _DATA = 0x0100, 0x0102, 0x3000


@dataclass(frozen=True, eq=False, slots=True)
class Overlay:
    """One plane, as it lies over one frame."""

    bits: Mask
    row: int
    """That of the image on which its first row lies, counted from 0; it may lie outside."""
    column: int

    def paint(self, mask: Mask) -> None:
        """Set what is drawn, as far as it lies inside."""
        rows, columns = mask.shape
        top, left = max(self.row, 0), max(self.column, 0)
        inside = self.bits[top - self.row :, left - self.column :][
            : max(rows - top, 0), : max(columns - left, 0)
        ]
        mask[top : top + inside.shape[0], left : left + inside.shape[1]] |= inside


def drawn(
    ds: Dataset,
    description: PixelDescription,
    frame: bytes,
    frame_number: int,
    groups: Iterable[int] = GROUPS,
) -> Mask | None:
    """Give what the overlays of an image draw over one of its frames, or nothing where they draw nothing.

    Args:
        ds: The header with the overlays.
        description: Of the image's pixels.
        frame: As it is held: overlays may lie in bits that its pixels leave unused (PS3.5 8.1.1, retired).
        frame_number: Counted from 1.
        groups: Those of the overlays that are wanted.
    """
    present = [group for group in groups if Tag(group, _ROWS) in ds]
    if not present:
        return None
    mask: Mask = np.zeros((description.rows, description.columns), np.bool_)
    for group in present:
        overlay = _overlay(ds, group, description, frame, frame_number)
        if overlay is not None:
            overlay.paint(mask)
    return mask if mask.any() else None


def _overlay(
    ds: Dataset, group: int, description: PixelDescription, frame: bytes, frame_number: int
) -> Overlay | None:
    rows, columns = (int(number(ds, Tag(group, element)) or 0) for element in (_ROWS, _COLUMNS))
    if not 0 < rows <= _MOST or not 0 < columns <= _MOST:
        return None
    if Tag(group, _DATA) in ds:
        bits = _plane(ds, group, rows * columns, frame_number)
    else:
        bits = _embedded(ds, group, description, frame)
        rows, columns = description.rows, description.columns
    if bits is None:
        return None
    origin = numbers(ds, Tag(group, _ORIGIN))
    row, column = (int(place) - 1 for place in origin) if len(origin) == 2 else (0, 0)
    return Overlay(bits.reshape(rows, columns), row, column)


def _plane(ds: Dataset, group: int, size: int, frame_number: int) -> Mask | None:
    """Give the bits of the plane of a frame; one plane that belongs to no frame lies over all of them."""
    frames = int(number(ds, Tag(group, _FRAMES)) or 1)
    first = int(number(ds, Tag(group, _FIRST_FRAME)) or 1)
    plane = 0 if Tag(group, _FRAMES) not in ds else frame_number - first
    if not 0 <= plane < frames:
        return None
    data = words(ds, Tag(group, _DATA))
    if isinstance(data, tuple):
        data = np.array(data, "<u2").tobytes()
    start = plane * size
    held = np.frombuffer(data, np.uint8)[start // 8 : -(-(start + size) // 8)]
    bits = np.unpackbits(held, bitorder="little")[start % 8 :][:size].astype(np.bool_)
    return bits if bits.size == size else None


def _embedded(ds: Dataset, group: int, description: PixelDescription, frame: bytes) -> Mask | None:
    """Give the bits that lie beside those of the pixels; only syntaxes that keep each bit keep them."""
    position = int(number(ds, Tag(group, _BIT_POSITION)) or 0)
    allocated = int(number(ds, Tag(group, _BITS_ALLOCATED)) or 1)
    if (
        allocated != description.bits_allocated
        or not 0 <= position < allocated
        or 0 <= description.high_bit - position < description.bits_stored
        or description.samples_per_pixel != 1
        or description.element is not PixelElement.INTEGER
        or description.transfer_syntax_uid not in NATIVE | RLE
    ):
        return None
    whole = replace(description, bits_stored=allocated, high_bit=allocated - 1, pixel_representation=0)
    pixels = decode_frame(frame, whole).array
    bits: Mask = (pixels >> pixels.dtype.type(position) & pixels.dtype.type(1)).astype(np.bool_)
    return bits.reshape(-1)


_MOST: Final = 0xFFFF
