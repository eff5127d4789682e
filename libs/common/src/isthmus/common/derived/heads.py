"""Heads of images: what an instance says before its pixel data, as a small Part 10 file."""

from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, Final, NamedTuple

import pydicom
from pydicom import Dataset

from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.element_reader import UNDEFINED
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN, explicit_elements
from isthmus.common.dicom.extended_offset_table import EXTENDED_OFFSET_TABLE
from isthmus.common.dicom.part10 import file_header
from isthmus.common.dicom.vrs import PIXEL_DATA
from isthmus.common.messages import BlobRef

LARGEST_ELEMENT: Final = 32 * 1024 * 1024
"""Bytes of an element that a head has; overlays and functional groups of many frames are smaller."""
LARGEST_PRIVATE: Final = 64 * 1024
"""Bytes of a private element that it has."""
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a head."""
_PER_FRAME: Final = 0x52009230
"""Per-Frame Functional Groups Sequence."""
_OVERLAYS: Final = range(0x6000, 0x6020, 2)
_OVERLAY_ROWS: Final = 0x0010


class Head(NamedTuple):
    """What stands before the pixel data of an instance."""

    file: bytes
    """A Part 10 file in Explicit VR Little Endian."""
    header: Dataset
    """The same without what it says of each frame: that can be much."""
    pixel_element: int | None
    """The tag of its pixel data; None if it has none."""

    @property
    def representative_frame(self) -> int | None:
        """The frame that it says is to stand for all (0028,6010)."""
        said = _bytes_of(self.header, "RepresentativeFrameNumber")
        return int.from_bytes(said, "little") if len(said) == 2 else None

    @property
    def may_name_the_patient(self) -> bool:
        """Whether there may be words in its pixels: it says so (0028,0301), or it has overlays."""
        has_words = _bytes_of(self.header, "BurnedInAnnotation").strip(b" \0").upper() == b"YES"
        return has_words or any((group, _OVERLAY_ROWS) in self.header for group in _OVERLAYS)


def head_of(source: BinaryIO, blob: BlobRef) -> Head:
    """Read an instance as far as its pixel data; elements that are too large to be about them are left out.

    Args:
        source: A seekable file of the instance.
        blob: What is known of it.

    Raises:
        MalformedDataset: it cannot be read as far as that.
    """
    beginning = file_header(
        sop_class_uid=blob.sop_class_uid,
        sop_instance_uid=blob.sop_instance_uid,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        source_ae_title=None,
    )
    small, whole = [beginning], [beginning]
    room, pixel_element = LARGEST, None
    for header, pieces in explicit_elements(open_dataset(source)):
        if header.tag in PIXEL_DATA:
            pixel_element = header.tag
            break
        limit = min(LARGEST_PRIVATE if header.tag >> 16 & 1 else LARGEST_ELEMENT, room)
        is_known_to_be_larger = header.length != UNDEFINED and header.length > limit
        if header.tag in EXTENDED_OFFSET_TABLE or is_known_to_be_larger:
            continue
        written = _within(pieces, limit)
        if written is None:
            continue
        room -= len(written)
        whole.append(written)
        if header.tag != _PER_FRAME:
            small.append(written)
    return Head(b"".join(whole), pydicom.dcmread(BytesIO(b"".join(small))), pixel_element)


def _bytes_of(header: Dataset, keyword: str) -> bytes:
    """Give a value as it was read: what it should be, and is not, makes pydicom fail."""
    element = header.get_item(keyword)
    value = None if element is None else element.value
    return value if isinstance(value, bytes) else b""


def _within(pieces: Iterator[bytes], limit: int) -> bytes | None:
    """Join what writes an element; None if it is more than a limit. It is read to its end in any case."""
    found: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size <= limit:
            found.append(piece)
        else:
            found.clear()
    return b"".join(found) if size <= limit else None
