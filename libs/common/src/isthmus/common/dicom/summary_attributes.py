"""What is kept of an instance for searches and events: a few attributes from the head of its data set."""

from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Final

from isthmus.common.dicom.attributes import tags_of, vr_of
from isthmus.common.dicom.element_reader import ElementReader
from isthmus.common.dicom.element_reader import Encoding as ReaderEncoding
from isthmus.common.dicom.json_model import JsonWriter
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.part10.elements import (
    SHORT_VRS,
    UNDEFINED_LENGTH,
    Buffer,
    CutShort,
    Element,
    Encoding,
    element_at,
    end_of,
)
from isthmus.common.dicom.part10.identify import DEFLATED, encoding_of, inflate
from isthmus.common.dicom.search_attributes import DEFAULT_RETURN, OPTIONAL, REQUIRED_MATCHING
from isthmus.common.errors import MalformedDataset

LONGEST: Final = 16 * 1024
"""An element that takes more bytes is no key of a search, and is left out."""
LONGEST_TOGETHER: Final = 128 * 1024
"""All of them have to fit into a message, and an event holds more than them."""
_SHORT_HEADER: Final = 8
"""Bytes of the header of an element whose length has 16 bits (PS3.5 7.1.2)."""
_INFLATED: Final = 4 * 1024 * 1024

_CHARACTER_SET: Final = 0x00080005
_COUNTED: Final = tags_of(
    (
        "InstanceAvailability",
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "AnatomicRegionsInStudyCodeSequence",
        "AvailableTransferSyntaxUID",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    )
)
"""Who holds the study says these (PS3.4 C.3.4); in an instance they would be about somewhere else."""
_WANTED: Final = frozenset(
    int(path[0], 16)
    for table in (REQUIRED_MATCHING, DEFAULT_RETURN, OPTIONAL)
    for paths in table.values()
    for path in paths
    if path[0] not in _COUNTED
) | {_CHARACTER_SET}
_LAST: Final = max(_WANTED)
_SEQUENCES: Final = frozenset(tag for tag in _WANTED if vr_of(f"{tag:08X}") == "SQ")


def summary_attributes(dataset: Buffer, transfer_syntax_uid: str) -> DicomJson:
    """Describe what searches match and give back of an instance, at every level (PS3.18 10.6).

    Nothing of it is an error: values that their VR forbids are left out, like those that are very long; what
    breaks off is described as far as it goes.

    Args:
        dataset: The encoded data set, without File Meta Information; its beginning is enough.
        transfer_syntax_uid: An unknown one is taken for one with Explicit VR Little Endian (PS3.5 A.4).
    """
    if transfer_syntax_uid in DEFLATED:
        dataset = _inflated(dataset)
    encoding = encoding_of(dataset, transfer_syntax_uid)
    values, sequences, character_set = bytearray(), list[bytes](), b""
    left = LONGEST_TOGETHER
    for element, raw in _elements(dataset, encoding):
        if len(raw) > min(left, LONGEST):
            continue
        left -= len(raw)
        if element.tag == _CHARACTER_SET:
            character_set = raw
        if element.tag in _SEQUENCES or element.length == UNDEFINED_LENGTH:
            sequences.append(raw)
        else:
            values += raw
    # Each sequence by itself: one that is broken must not take along what follows it.
    found: DicomJson = {}
    for piece in (bytes(values), *(character_set + sequence for sequence in sequences)):
        found |= _described(piece, encoding)
    return dict(sorted(found.items()))


def holds_summary(dataset: Buffer, transfer_syntax_uid: str) -> bool:
    """Tell whether the beginning of a data set holds all that `summary_attributes` describes.

    Of a deflated one it is not known; False then.

    Args:
        dataset: The encoded data set, without File Meta Information, as far as it is at hand.
        transfer_syntax_uid: As in `summary_attributes`.
    """
    if transfer_syntax_uid in DEFLATED:
        return False
    encoding = encoding_of(dataset, transfer_syntax_uid)
    offset = 0
    with suppress(CutShort):
        while (element := element_at(dataset, offset, encoding)).tag <= _LAST:
            offset = end_of(dataset, element)
        return True
    return False


def _elements(dataset: Buffer, encoding: Encoding) -> Iterator[tuple[Element, bytes]]:
    """Give the wanted elements, with their headers, as far as the data set can be read."""
    offset, size = 0, len(dataset)
    unpack, is_explicit = encoding.short_header.unpack_from, encoding.explicit
    with suppress(CutShort):
        while offset + _SHORT_HEADER <= size:
            group, number, vr, length = unpack(dataset, offset)
            tag = group << 16 | number
            if tag > _LAST:
                return
            # Most elements are short ones that nobody wants: those are leapt over here.
            if is_explicit and tag not in _WANTED and vr in SHORT_VRS:
                offset += _SHORT_HEADER + length
                continue
            element = element_at(dataset, offset, encoding)
            end = end_of(dataset, element)
            if end > size:
                return
            if tag in _WANTED:
                yield element, bytes(dataset[offset:end])
            offset = end


def _described(piece: bytes, encoding: Encoding) -> DicomJson:
    little_endian = encoding.length.format.startswith("<")
    reader_encoding = ReaderEncoding(not encoding.explicit, little_endian)
    return JsonWriter(None).read(ElementReader(BytesIO(piece)), reader_encoding)


def _inflated(dataset: Buffer) -> bytes:
    data = bytearray()
    with suppress(MalformedDataset):
        for chunk in inflate(dataset):
            data += chunk
            if len(data) >= _INFLATED:
                break
    return bytes(data)
