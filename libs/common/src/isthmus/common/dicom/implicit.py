"""Data sets in Implicit VR Little Endian (PS3.5 A.1), from Explicit VR Little Endian; the values stay."""

from collections.abc import Iterator
from typing import Final

from isthmus.common.dicom.dataset_source import OpenDataset
from isthmus.common.dicom.element_reader import (
    DEEPEST,
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    BrokenDataset,
    ElementReader,
    Header,
)
from isthmus.common.dicom.explicit import item_head, stays
from isthmus.common.dicom.vrs import PIXEL_DATA, padding_of

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
_CHUNK: Final = 1024 * 1024


def implicit_elements(dataset: OpenDataset) -> Iterator[bytes]:
    """Write a data set, in pieces of at most 1 MiB; sequences and items get undefined lengths.

    Args:
        dataset: At its first element, in little endian, its pixels not compressed.

    Raises:
        BrokenDataset: it cannot be read on, or its pixels are compressed.
    """
    reader = dataset.reader
    for header in reader.elements(None, dataset.encoding, outermost=True):
        if stays(header):
            yield from _element(reader, header, 0)


def _element(reader: ElementReader, header: Header, depth: int) -> Iterator[bytes]:
    if header.vr == "SQ" or header.length == UNDEFINED:
        if header.tag in PIXEL_DATA:
            raise BrokenDataset("Its pixel data are compressed, against its transfer syntax")
        yield from _sequence(reader, header, depth)
        return
    yield item_head(header.tag, header.length + header.length % 2)  # elements begin as items do (A.1)
    for start in range(0, header.length, _CHUNK):
        yield reader.read(min(_CHUNK, header.length - start))
    if header.length % 2:
        yield padding_of(header.vr)


def _sequence(reader: ElementReader, header: Header, depth: int) -> Iterator[bytes]:
    if depth == DEEPEST:
        raise BrokenDataset("Its sequences are too deep")
    yield item_head(header.tag, UNDEFINED)
    for end, encoding in reader.items(header):
        yield item_head(ITEM, UNDEFINED)
        for inner in reader.elements(end, encoding):
            if stays(inner):
                yield from _element(reader, inner, depth + 1)
        yield item_head(ITEM_DELIMITATION, 0)
    yield item_head(SEQUENCE_DELIMITATION, 0)
