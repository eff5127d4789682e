"""Read from a raw data set which instance it is, and nothing that lies behind that."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from isthmus.common.dicom.part10.elements import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Buffer,
    CutShort,
    Encoding,
    element_at,
    end_of,
    is_vr,
)
from isthmus.common.errors import MalformedDataset

SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
_NAMES: Final[Mapping[int, str]] = {
    SOP_CLASS_UID: "SOP Class UID (0008,0016)",
    SOP_INSTANCE_UID: "SOP Instance UID (0008,0018)",
    STUDY_INSTANCE_UID: "Study Instance UID (0020,000D)",
    SERIES_INSTANCE_UID: "Series Instance UID (0020,000E)",
}

DEFLATED: Final = frozenset(
    {
        str(DeflatedExplicitVRLittleEndian),
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
    }
)
"""Transfer syntaxes whose whole data set is deflated (PS3.5 A.5)."""
_CHUNK_BYTES: Final = 64 * 1024
_INFLATED_LIMIT: Final = 64 * 1024 * 1024
_FIRST_LOOK_BYTES: Final = 256
"""Enough for preamble and prefix, also from a source that gives less than it is asked for."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """The UIDs of an instance, as its data set has them."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


def identify(dataset: Buffer, transfer_syntax_uid: str) -> Identity:
    """Read the UIDs of an instance from its data set, which may be cut off after (0020,000E).

    Args:
        dataset: the encoded data set, without File Meta Information.
        transfer_syntax_uid: an unknown one is taken for one with Explicit VR Little Endian (PS3.5 A.4).

    Raises:
        MalformedDataset: it is no data set, or a UID is missing; names the attribute.
    """
    try:
        found = find_uids(dataset, transfer_syntax_uid, _NAMES.keys())
    except CutShort as error:
        raise MalformedDataset(error.detail) from None
    return Identity(
        study_instance_uid=found[STUDY_INSTANCE_UID],
        series_instance_uid=found[SERIES_INSTANCE_UID],
        sop_instance_uid=found[SOP_INSTANCE_UID],
        sop_class_uid=found[SOP_CLASS_UID],
    )


def find_uids(dataset: Buffer, transfer_syntax_uid: str, tags: Iterable[int]) -> dict[int, str]:
    """Read top-level UIDs, none of which is absent from the result.

    Raises:
        CutShort: the data set ends before one of them.
        MalformedDataset: it is no data set, or has not one of them.
    """
    wanted = frozenset(tags)

    def find(data: Buffer) -> dict[int, str]:
        return _find(data, encoding_of(data, transfer_syntax_uid), wanted)

    if transfer_syntax_uid in DEFLATED:
        return from_beginning(inflate(dataset), find, _INFLATED_LIMIT)
    return find(dataset)


def from_beginning(chunks: Iterable[bytes], read: Callable[[bytearray], T], limit: int) -> T:
    """Call `read` with ever more of the beginning until it no longer raises CutShort.

    Args:
        chunks: the bytes as they come.
        read: raises CutShort if it needs more of them.
        limit: after how many bytes no more are taken.
    """
    data = bytearray()
    look = _FIRST_LOOK_BYTES
    for chunk in chunks:
        data += chunk
        if len(data) >= limit:
            break
        if len(data) >= look:
            try:
                return read(data)
            except CutShort:
                look = 2 * len(data)
    return read(data)


def uid_text(value: bytes, name: str) -> str:
    """Decode a UID, without its padding; empty if it has no value.

    Raises:
        MalformedDataset: it is not of printable ASCII characters; names it.
    """
    text = value.rstrip(b"\0 ").decode("latin-1")
    if not (text.isascii() and text.isprintable()):
        raise MalformedDataset(f"{name} is no UID")
    return text


def encoding_of(data: Buffer, transfer_syntax_uid: str) -> Encoding:
    """Tell the encoding of a data set: by its first element where that and the transfer syntax disagree."""
    if transfer_syntax_uid == ExplicitVRBigEndian:
        return EXPLICIT_BIG
    if len(data) < 6:
        return IMPLICIT_LITTLE if transfer_syntax_uid == ImplicitVRLittleEndian else EXPLICIT_LITTLE
    return EXPLICIT_LITTLE if is_vr(data[4:6]) else IMPLICIT_LITTLE


def _find(data: Buffer, encoding: Encoding, wanted: frozenset[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    last = max(wanted)
    offset = 0
    while len(found) < len(wanted):
        # The first attribute in the order of tags; of what is missing, one is named.
        missing = _NAMES[min(wanted - found.keys())]
        try:
            element = element_at(data, offset, encoding)
            if element.tag > last:
                raise MalformedDataset(f"The data set has no {missing}")
            offset = end_of(data, element)
        except CutShort:
            raise CutShort(f"The data set ends before its {missing}") from None
        if element.tag in wanted:
            if offset > len(data):
                raise CutShort(f"The data set ends before its {missing}")
            name = _NAMES[element.tag]
            found[element.tag] = uid_text(bytes(data[element.value_offset : offset]), name)
            if not found[element.tag]:
                raise MalformedDataset(f"The data set has no {name}")
    return found


def inflate(dataset: Buffer) -> Iterator[bytes]:
    """Inflate piece by piece, so that what is behind the wanted elements is never inflated.

    Raises:
        MalformedDataset: it cannot be inflated.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for start in range(0, len(dataset), _CHUNK_BYTES):
            pending = bytes(dataset[start : start + _CHUNK_BYTES])
            while pending and not inflater.eof:
                yield inflater.decompress(pending, _CHUNK_BYTES)
                pending = inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error:
        raise MalformedDataset("The data set cannot be inflated") from None
