"""Part 10 files as bytes: nothing is decoded that need not be, so nothing is changed in silence."""

import struct
import warnings
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

PREAMBLE: Final = 128
PREFIX: Final = b"DICM"
LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""VRs with a 32-bit length in the explicit encodings (PS3.5 7.1.2)."""


def dataset_offset(data: bytes) -> int:
    """Where the data set begins, after preamble, prefix and File Meta Information (PS3.10 7.1).

    The group length (0002,0000) is not believed: some files have a wrong one or none.
    """
    at = PREAMBLE + len(PREFIX)
    if data[PREAMBLE:at] != PREFIX:
        return 0
    while data[at : at + 2] == b"\x02\x00":
        if data[at + 4 : at + 6] in LONG_VRS:
            at += 12 + int(struct.unpack_from("<I", data, at + 8)[0])
        else:
            at += 8 + int(struct.unpack_from("<H", data, at + 6)[0])
    return at


def raw_dataset(file: Path | bytes) -> bytes:
    """The data set of a Part 10 file exactly as it is encoded in it, still deflated if it was."""
    data = file if isinstance(file, bytes) else file.read_bytes()
    return data[dataset_offset(data) :]


def raw_datasets(files: Iterable[Path | bytes]) -> dict[str, bytes]:
    """The data sets of files exactly as they are encoded in them, by SOP Instance UID."""
    return {identity(file).sop_instance_uid: raw_dataset(file) for file in files}


class Identity(NamedTuple):
    """What tells one instance from another, as the data set has it; empty where it has not."""

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


Listing = dict[str, dict[str, set[str]]]
"""What an origin holds: {Study Instance UID: {Series Instance UID: {SOP Instance UID}}}."""


def listing(instances: Iterable[Identity]) -> Listing:
    """Arrange instances by study and series.

    Where two patients share a Study Instance UID, it is one study.
    """
    studies: Listing = {}
    for instance in instances:
        study = studies.setdefault(instance.study_instance_uid, {})
        study.setdefault(instance.series_instance_uid, set()).add(instance.sop_instance_uid)
    return studies


_IDENTIFYING: Final = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def identity(file: Path | bytes) -> Identity:
    """Read the UIDs of a file, with or without File Meta Information."""
    ds = _read(file, specific_tags=list(_IDENTIFYING))
    return Identity(*(_text(ds.get_item(keyword)) for keyword in _IDENTIFYING))


def transfer_syntax(file: Path | bytes) -> str:
    """The Transfer Syntax UID in the File Meta Information; Implicit VR Little Endian where there is none."""
    meta = _read(file, specific_tags=["SOPInstanceUID"]).file_meta
    return str(meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))


def with_sop_instance_uid(data: bytes, sop_instance_uid: str) -> bytes:
    """The same file under another SOP Instance UID, every other element as it was, byte for byte.

    Args:
        data: the file; its data set must not be deflated.
        sop_instance_uid: may be longer than the 64 characters that a UID may have (PS3.5 9.1).
    """
    value = sop_instance_uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    ds = _read(data, specific_tags=["SOPInstanceUID"])
    if ds.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise ValueError("A deflated data set cannot be edited in place")
    # From the end to the beginning, so that the offsets of what is still to be edited hold.
    data = _replace(data, ds.get_item("SOPInstanceUID"), value)
    in_meta = ds.file_meta.get_item("MediaStorageSOPInstanceUID")
    if in_meta is None:
        return data
    before = len(data)
    data = _replace(data, in_meta, value)
    group_length = ds.file_meta["FileMetaInformationGroupLength"].value + len(data) - before
    return data[:_GROUP_LENGTH_AT] + struct.pack("<I", group_length) + data[_GROUP_LENGTH_AT + 4 :]


_GROUP_LENGTH_AT: Final = PREAMBLE + len(PREFIX) + 8


def _replace(data: bytes, element: RawDataElement | DataElement | None, value: bytes) -> bytes:
    if not isinstance(element, RawDataElement):
        raise ValueError("The file has no such element")
    begin = element.value_tell
    # Some files have their UIDs as UN.
    long = element.is_implicit_VR or data[begin - 8 : begin - 6] in LONG_VRS
    length = struct.pack(("<" if element.is_little_endian else ">") + ("I" if long else "H"), len(value))
    return data[: begin - len(length)] + length + value + data[begin + element.length :]


def _read(file: Path | bytes, *, specific_tags: list[str]) -> pydicom.FileDataset:
    source = BytesIO(file) if isinstance(file, bytes) else file
    with warnings.catch_warnings():
        # The corpus has files that pydicom reads and grumbles about.
        warnings.simplefilter("ignore")
        return pydicom.dcmread(source, force=True, stop_before_pixels=True, specific_tags=specific_tags)


def _text(element: RawDataElement | DataElement | None) -> str:
    if not isinstance(element, RawDataElement) or element.value is None:
        return ""
    return bytes(element.value).decode("latin-1").rstrip(" \0")
