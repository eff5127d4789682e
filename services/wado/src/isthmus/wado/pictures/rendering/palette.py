"""Palettes: from stored values to colours (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from isthmus.common.pixels.errors import NoPixels
from isthmus.wado.pictures.rendering.elementwise import Bytes
from isthmus.wado.pictures.rendering.lookup_tables import MOST_ENTRIES, Floats, entries_of, first_mapped
from isthmus.wado.pictures.rendering.values import numbers, words

_CHANNELS: Final = ("Red", "Green", "Blue")


@dataclass(frozen=True, eq=False, slots=True)
class Palette:
    """Maps stored values to colours; what lies before the first or behind the last gets that one."""

    first: int
    colours: Bytes
    """Rows of red, green and blue."""

    @classmethod
    def of(cls, ds: Dataset, *, signed: bool) -> Self:
        """Read the palette of an object.

        Args:
            ds: Its header.
            signed: Whether stored values may be negative.

        Raises:
            NoPixels: there is none that can be used.
        """
        channels = [_entries(ds, channel) for channel in _CHANNELS]
        length = min(entries.size for entries, _ in channels)
        if not length:
            raise NoPixels("The palette of the image is not there, or cannot be read")
        wide = (
            any(bits > 8 for _, bits in channels) and max(int(entries.max()) for entries, _ in channels) > 255
        )
        colours = np.stack([entries[:length] for entries, _ in channels], axis=1)
        if wide:
            colours = np.rint(colours * (255 / 65535))
        first = int(numbers(ds, "RedPaletteColorLookupTableDescriptor")[1])
        return cls(first_mapped(first, signed=signed), colours.astype(np.uint8))

    @staticmethod
    def is_in(ds: Dataset) -> bool:
        """Tell whether an object says that it has one."""
        return len(numbers(ds, "RedPaletteColorLookupTableDescriptor")) == 3

    def stretched(self, levels: Floats) -> Bytes:
        """Give the colours of levels of 8 bits, with the palette stretched over them (PS3.4 N.2.3)."""
        return self.colours[np.rint(levels * (len(self.colours) - 1) / 255).astype(np.intp)]

    def __call__(self, values: Floats) -> Bytes:
        """Give the colour of each value."""
        return self.colours[np.clip(values - self.first, 0, len(self.colours) - 1).astype(np.intp)]


def _entries(ds: Dataset, channel: str) -> tuple[NDArray[np.int64], int]:
    """Give what there is of one colour, and the bits of its entries."""
    descriptor = numbers(ds, f"{channel}PaletteColorLookupTableDescriptor")
    if len(descriptor) != 3:
        return np.empty(0, np.int64), 0
    length = int(descriptor[0]) & 0xFFFF or MOST_ENTRIES
    data = words(ds, f"{channel}PaletteColorLookupTableData")
    if data:
        return entries_of(data, length), 16
    segments = words(ds, f"Segmented{channel}PaletteColorLookupTableData")
    if isinstance(segments, tuple):
        segments = struct.pack(f"<{len(segments)}H", *(number & 0xFFFF for number in segments))
    width = 1 if int(descriptor[2]) <= 8 else 2
    return expanded(segments, width)[:length], 8 * width


def expanded(segments: bytes, width: int) -> NDArray[np.int64]:
    """Give the entries of a segmented table (PS3.3 C.7.9.2).

    Args:
        segments: As they are in the data set, little endian.
        width: Bytes of one entry, 1 or 2.

    Returns:
        All that can be read, 65,536 entries at most.
    """
    dtype = np.dtype("u1" if width == 1 else "<u2")
    words_in = np.frombuffer(segments[: len(segments) // width * width], dtype).astype(np.int64)
    runs: list[NDArray[np.int64]] = []
    total, last = 0, 0
    for run in _runs(words_in, width):
        values = run if isinstance(run, np.ndarray) else _line(last, run)
        if total >= MOST_ENTRIES or not values.size:
            break
        runs.append(values)
        total, last = total + values.size, int(values[-1])
    return np.concatenate(runs)[:MOST_ENTRIES] if runs else np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class _Linear:
    length: int
    end: int


def _runs(words_in: NDArray[np.int64], width: int) -> Iterator[NDArray[np.int64] | _Linear]:
    place = 0
    while place + 1 < len(words_in):
        code, length = (int(word) for word in words_in[place : place + 2])
        place += 2
        if code == _INDIRECT:
            offset = _offset(words_in[place:], width)
            place += _OFFSET_BYTES // width
            yield from _repeated(words_in[offset // width :], length)
        else:
            run, taken = _run(words_in[place:], code, length)
            place += taken
            yield run


def _repeated(words_in: NDArray[np.int64], segments: int) -> Iterator[NDArray[np.int64] | _Linear]:
    """Give segments that are there already; an indirect one among them is not allowed, and ends it."""
    place = 0
    for _ in range(segments):
        if place + 1 >= len(words_in) or words_in[place] == _INDIRECT:
            return
        run, taken = _run(words_in[place + 2 :], int(words_in[place]), int(words_in[place + 1]))
        place += 2 + taken
        yield run


def _run(words_in: NDArray[np.int64], code: int, length: int) -> tuple[NDArray[np.int64] | _Linear, int]:
    if code == _DISCRETE:
        return words_in[:length], length
    if code == _LINEAR and words_in.size:
        return _Linear(length, int(words_in[0])), 1
    return words_in[:0], len(words_in)


def _line(start: int, run: _Linear) -> NDArray[np.int64]:
    """Give a line that begins behind the entry before it."""
    steps = np.arange(1, run.length + 1)
    return np.rint(start + (run.end - start) * steps / max(run.length, 1)).astype(np.int64)


def _offset(words_in: NDArray[np.int64], width: int) -> int:
    parts = words_in[: _OFFSET_BYTES // width]
    return sum(int(part) << 8 * width * place for place, part in enumerate(parts))


_DISCRETE: Final = 0
_LINEAR: Final = 1
_INDIRECT: Final = 2
_OFFSET_BYTES: Final = 4
