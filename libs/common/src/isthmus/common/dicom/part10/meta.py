"""Read the File Meta Information of files as they are (PS3.10 7.1), also of those that break its rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isthmus.common.dicom.part10.elements import EXPLICIT_LITTLE, CutShort, element_at, end_of, is_vr
from isthmus.common.dicom.part10.header import PREAMBLE_BYTES, PREFIX
from isthmus.common.dicom.part10.identify import (
    DEFLATED,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    find_uids,
    from_beginning,
    uid_text,
)
from isthmus.common.errors import MalformedDataset

_GROUP_LENGTH: Final = 0x00020000
_MEDIA_STORAGE_SOP_CLASS_UID: Final = 0x00020002
_MEDIA_STORAGE_SOP_INSTANCE_UID: Final = 0x00020003
_TRANSFER_SYNTAX_UID: Final = 0x00020010
_NAMES: Final = {
    _MEDIA_STORAGE_SOP_CLASS_UID: "Media Storage SOP Class UID (0002,0002)",
    _MEDIA_STORAGE_SOP_INSTANCE_UID: "Media Storage SOP Instance UID (0002,0003)",
    _TRANSFER_SYNTAX_UID: "Transfer Syntax UID (0002,0010)",
}

_CHUNK_BYTES: Final = 8 * 1024
_LIMIT: Final = 1024 * 1024
"""No more of a file is read than this."""


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What a file says before its data set begins."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    dataset_offset: int
    """Where the data set begins, in bytes from the beginning of the file."""


def read_file_meta(source: BinaryIO) -> FileMeta:
    """Read the File Meta Information, and from the data set what it lacks (PS3.10 7.1).

    Files without preamble, with a wrong group length or none, and bare data sets are read too; the transfer
    syntax of those that do not tell it is one of the three uncompressed ones, as the first element looks.

    Args:
        source: stands at the beginning of the file. Only its first kilobytes are read; where it stands
            afterwards is not said.

    Raises:
        MalformedDataset: it is no DICOM file, or a UID is missing; names the attribute.
    """
    try:
        return from_beginning(_chunks(source), _read, _LIMIT)
    except CutShort as error:
        raise MalformedDataset(error.detail) from None


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk


def _read(data: bytearray) -> FileMeta:
    begin = PREAMBLE_BYTES + len(PREFIX)
    begin = begin if data[PREAMBLE_BYTES:begin] == PREFIX else 0
    found, offset = _walk(data, begin)
    if offset == begin and bytes(data[begin : begin + 2]) not in (b"\x08\x00", b"\x00\x08"):
        # SOP Class UID is among the first elements of any data set, in group 0008.
        raise MalformedDataset("This is no DICOM file")
    syntax = found.get(_TRANSFER_SYNTAX_UID) or _guess(data[offset : offset + 6])
    sop_class = found.get(_MEDIA_STORAGE_SOP_CLASS_UID)
    sop_instance = found.get(_MEDIA_STORAGE_SOP_INSTANCE_UID)
    if not sop_class:
        sop_class = _from_dataset(data, offset, syntax, SOP_CLASS_UID)
    if not sop_instance:
        sop_instance = _from_dataset(data, offset, syntax, SOP_INSTANCE_UID)
    return FileMeta(sop_class, sop_instance, syntax, offset)


def _walk(data: bytearray, offset: int) -> tuple[dict[int, str], int]:
    """Read group 0002 to its end; give its UIDs and where it ends.

    The group length counts only before a deflated data set, which could begin with the bytes of group 0002.
    """
    found: dict[int, str] = {}
    declared_end: int | None = None
    while data[offset : offset + 2] == b"\x02\x00":
        if offset == declared_end and found.get(_TRANSFER_SYNTAX_UID) in DEFLATED:
            break
        try:
            element = element_at(data, offset, EXPLICIT_LITTLE)
            offset = end_of(data, element)
        except CutShort:
            raise CutShort("The file ends within its File Meta Information") from None
        if offset > len(data):
            raise CutShort("The file ends within its File Meta Information")
        value = bytes(data[element.value_offset : offset])
        if element.tag == _GROUP_LENGTH:
            declared_end = offset + int.from_bytes(value, "little")
        elif element.tag in _NAMES:
            found[element.tag] = uid_text(value, _NAMES[element.tag])
    if len(data) < offset + 2:
        raise CutShort("The file ends before its data set")
    return found, offset


def _from_dataset(data: bytearray, offset: int, transfer_syntax_uid: str, tag: int) -> str:
    return find_uids(data[offset:], transfer_syntax_uid, [tag])[tag]


def _guess(first: bytearray) -> str:
    """Tell the transfer syntax of a data set by the first six bytes of it."""
    if len(first) < 6:
        raise CutShort("The file ends within the first element of its data set")
    if not is_vr(first[4:6]):
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRBigEndian if first[0] == 0 else ExplicitVRLittleEndian)
