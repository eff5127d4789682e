"""Whether a data set breaks off in the middle of what most of its bytes are for."""

from typing import Final

from isthmus.common.dicom.part10.elements import Buffer, CutShort, element_at, end_of
from isthmus.common.dicom.part10.identify import DEFLATED, encoding_of
from isthmus.common.errors import MalformedDataset

_PIXEL_DATA_GROUP: Final = 0x7FE0
_BULK: Final = {0x00420011: "Encapsulated Document (0042,0011)", 0x54000100: "Waveform Sequence (5400,0100)"}
"""Beside Pixel Data and those that stand in its place."""


def check_ending(dataset: Buffer, size: int, transfer_syntax_uid: str) -> None:
    """See that a data set does not end inside its pixel data, document or waveform.

    Whoever sends such a thing has lost the rest of it: taken for whole, it would look so from then on. What
    else may be odd about a data set is not looked at here: devices have many ways to be so, and mean well.

    Args:
        dataset: the encoded data set, without File Meta Information; its beginning is enough.
        size: bytes of all of it.
        transfer_syntax_uid: an unknown one is taken for one with Explicit VR Little Endian (PS3.5 A.4).

    Raises:
        MalformedDataset: it breaks off; names the attribute.
    """
    if transfer_syntax_uid in DEFLATED:
        return
    encoding = encoding_of(dataset, transfer_syntax_uid)
    offset = 0
    try:
        while offset < size:
            element = element_at(dataset, offset, encoding)
            try:
                offset = end_of(dataset, element)
            except CutShort:
                offset = size + 1
                if len(dataset) < size:
                    return  # what is not here may hold its end
            name = _bulk(element.tag)
            if offset > size and name is not None:
                raise MalformedDataset(f"The data set ends inside its {name}")
    except CutShort:
        return  # no header of an element: what it is, nobody knows


def _bulk(tag: int) -> str | None:
    if tag >> 16 == _PIXEL_DATA_GROUP:
        return f"Pixel Data ({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return _BULK.get(tag)
