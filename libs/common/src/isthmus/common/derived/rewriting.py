"""Instances written anew in another transfer syntax, but for frames: those are made elsewhere.

All of them are in Explicit VR Little Endian around their pixel data (PS3.5 A.2, A.4).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import BinaryIO, Final

from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.element_reader import UNDEFINED, BrokenDataset, Header
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN, explicit_elements
from isthmus.common.dicom.extended_offset_table import EXTENDED_OFFSET_TABLE
from isthmus.common.dicom.part10 import file_header
from isthmus.common.dicom.vrs import PIXEL_DATA
from isthmus.common.messages import BlobRef

CHUNK: Final = 256 * 1024
"""Bytes that are given together, about: a header is many small elements."""
_ICON: Final = 0x00880200
"""Icon Image Sequence."""
_LARGEST_ICON: Final = 16 * 1024 * 1024
_ENCAPSULATED: Final = re.compile(rb"\xe0\x7f\x10\x00O[BW]\x00\x00\xff\xff\xff\xff")


class Place(Enum):
    """What stands for what is not given here."""

    PIXELS = "pixels"
    """The element that holds the pixels."""


def rewritten(
    source: BinaryIO,
    blob: BlobRef,
    target: str,
    *,
    changes: Mapping[int, bytes],
    has_new_pixels: bool,
) -> Iterator[bytes | Place]:
    """Give the file of an instance in another transfer syntax, some 256 KiB at a time.

    An icon that is compressed is left out where pixels may not be (PS3.5 A.4), for it is only a help.

    Args:
        source: A seekable file of the instance as it is held.
        blob: What is known of it.
        target: The transfer syntax of the file.
        changes: Elements as they are to be, by tag, instead of those that there are, or beside them.
        has_new_pixels: Whether a place is given instead of the element that holds the pixels.

    Raises:
        BrokenDataset: the instance cannot be read on.
    """
    chunk = bytearray(
        file_header(
            sop_class_uid=blob.sop_class_uid,
            sop_instance_uid=blob.sop_instance_uid,
            transfer_syntax_uid=target,
            source_ae_title=None,
        )
    )
    for piece in _dataset(source, target, changes, has_new_pixels=has_new_pixels):
        if isinstance(piece, Place):
            yield bytes(chunk)
            yield piece
            chunk.clear()
            continue
        chunk += piece
        if len(chunk) >= CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def _dataset(
    source: BinaryIO, target: str, changes: Mapping[int, bytes], *, has_new_pixels: bool
) -> Iterator[bytes | Place]:
    waiting = sorted(changes)
    for header, written in explicit_elements(open_dataset(source)):
        while waiting and waiting[0] <= header.tag:
            yield changes[waiting.pop(0)]
        if header.tag in changes:
            continue
        if header.tag in PIXEL_DATA:
            if has_new_pixels:
                yield Place.PIXELS
                continue
            _require_native(header)
        if header.tag in EXTENDED_OFFSET_TABLE:
            continue  # what is written here has one fragment for each frame
        if header.tag == _ICON and target == EXPLICIT_VR_LITTLE_ENDIAN:
            yield _icon(written)
        else:
            yield from written
    for tag in waiting:
        yield changes[tag]


def _require_native(header: Header) -> None:
    if header.length == UNDEFINED:
        raise BrokenDataset("Its pixel data are compressed, against its transfer syntax")


def _icon(written: Iterable[bytes]) -> bytes:
    icon = bytearray()
    for piece in written:
        icon += piece
        if len(icon) > _LARGEST_ICON:
            raise BrokenDataset("Its icon is too large")
    return b"" if _ENCAPSULATED.search(icon) else bytes(icon)
