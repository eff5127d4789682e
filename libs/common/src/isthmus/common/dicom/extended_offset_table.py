"""The Extended Offset Table (PS3.3 C.7.6.3.1.8), by which nobody need go from fragment to fragment."""

import struct
import sys
from array import array
from collections.abc import Mapping
from itertools import pairwise
from typing import BinaryIO, Final

from isthmus.common.dicom.element_reader import ITEM, SEQUENCE_DELIMITATION, UNDEFINED, Header
from isthmus.common.dicom.encapsulated import HEADER, MOST_FRAGMENTS, NUMBERS, Fragments

_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002
EXTENDED_OFFSET_TABLE: Final = frozenset((_OFFSETS, _LENGTHS))
"""The tags of its two elements."""


def listed_fragments(
    source: BinaryIO, header: Header, number_of_frames: int, tables: Mapping[int, Header]
) -> Fragments | None:
    """Give the fragments that the table lists, one for each frame; None without a table that fits.

    Fragments lie one right after another, so that the table fits if its offsets and lengths say the same, and
    what it says of the first and the last one is found there.

    Args:
        source: A seekable file of a Part 10 instance; its position is changed.
        header: Of the pixel data.
        number_of_frames: What Number of Frames (0028,0008) says.
        tables: The elements of `EXTENDED_OFFSET_TABLE` that are there.
    """
    if not 0 < number_of_frames <= MOST_FRAGMENTS:
        return None
    offsets = _numbers(source, tables.get(_OFFSETS), number_of_frames)
    said = _numbers(source, tables.get(_LENGTHS), number_of_frames)
    basic = _item_length(source, header.position)
    if not offsets or not said or offsets[0] != 0 or basic is None:
        return None
    base = header.position + HEADER + basic
    last = _item_length(source, base + offsets[-1])
    if (
        last is None
        or _item_length(source, base + offsets[-1] + HEADER + last, SEQUENCE_DELIMITATION) is None
    ):
        return None
    lengths = [after - before - HEADER for before, after in pairwise(offsets)] + [last]
    # A frame of an odd length is padded.
    fits = all(length - exact in (0, exact % 2) for length, exact in zip(lengths, said, strict=True))
    if not fits or max(lengths) >= UNDEFINED or _item_length(source, base) != lengths[0]:
        return None
    return Fragments(base + HEADER, array(NUMBERS, lengths))


def _numbers(source: BinaryIO, table: Header | None, count: int) -> tuple[int, ...]:
    if table is None or table.length != 8 * count:
        return ()
    source.seek(table.position)
    data = source.read(table.length)
    return struct.unpack(f"<{count}Q", data) if len(data) == table.length else ()


def _item_length(source: BinaryIO, position: int, tag: int = ITEM) -> int | None:
    """Give the length of an item that begins somewhere; None if none does."""
    if position > sys.maxsize:  # the table has 64 bits for it, a file one less
        return None
    source.seek(position)
    head = source.read(HEADER)
    if len(head) < HEADER:
        return None
    group, element, length = struct.unpack("<HHL", head)
    return int(length) if group << 16 | element == tag else None
