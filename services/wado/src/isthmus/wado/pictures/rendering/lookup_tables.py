"""Lookup tables of headers: LUT Descriptor and LUT Data (PS3.3 C.11.1.1, C.11.2.1.1, C.11.4.1)."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering.values import numbers, words

Floats = NDArray[np.float64]

MOST_ENTRIES: Final = 65536


@dataclass(frozen=True, eq=False, slots=True)
class LookupTable:
    """Maps values to entries; what lies before the first or behind the last gets that one."""

    first: int
    """The first value that is mapped."""
    entries: Floats
    bits: int
    """Of each entry."""

    @classmethod
    def of(cls, item: Dataset, *, signed: bool) -> Self | None:
        """Read a table out of an item of a LUT sequence.

        Args:
            item: Holds LUT Descriptor and LUT Data.
            signed: Whether the values that are looked up may be negative.

        Returns:
            Nothing where there is no table that can be used.
        """
        descriptor = numbers(item, "LUTDescriptor")
        data = words(item, "LUTData")
        if len(descriptor) != 3 or not data:
            return None
        length, first, bits = (int(number) for number in descriptor)
        length = length & 0xFFFF or MOST_ENTRIES
        entries = entries_of(data, length)
        if entries.size == 0:
            return None
        bits = bits if 8 <= bits <= 16 else 16
        if entries.max() >> bits:
            bits = 16
        return cls(first_mapped(first, signed=signed), entries.astype(np.float64), bits)

    @property
    def highest(self) -> int:
        """The highest entry that there could be."""
        return (1 << self.bits) - 1

    def __call__(self, values: Floats) -> Floats:
        """Look each value up, rounded to a whole number."""
        return self.entries[self._places(values - self.first)]

    def stretched(self, portions: Floats) -> Floats:
        """Look values of 0 to 1 up, with the table stretched over that range, and give 0 to 1 again."""
        return self.entries[self._places(portions * (self.entries.size - 1))] / self.highest

    def _places(self, values: Floats) -> NDArray[np.intp]:
        return np.rint(np.clip(values, 0, self.entries.size - 1)).astype(np.intp)


def entries_of(data: bytes | tuple[int, ...], length: int) -> NDArray[np.int64]:
    """Give the entries, which are words, or bytes where there are as many bytes as entries."""
    if isinstance(data, tuple):
        return np.array(data[:length], np.int64) & 0xFFFF
    if len(data) < 2 * length and len(data) in {length, length + length % 2}:
        return np.frombuffer(data, np.uint8)[:length].astype(np.int64)
    return np.frombuffer(data[: len(data) // 2 * 2], "<u2")[:length].astype(np.int64)


def first_mapped(value: int, *, signed: bool) -> int:
    """Give the first value that is mapped, whose VR says nothing in implicit VR (PS3.5 A.1)."""
    value &= 0xFFFF if value >= 0 else -1
    return value - 0x10000 if signed and value > 0x7FFF else value
