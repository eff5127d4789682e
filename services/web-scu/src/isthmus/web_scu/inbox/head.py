"""What instance a Part 10 file is, by its beginning."""

from io import BytesIO
from typing import Final

from isthmus.common.dicom.part10 import check_ending, identify, read_file_meta
from isthmus.common.dicom.summary_attributes import summary_attributes
from isthmus.common.inbox.deposit import Incoming

HEADS: Final = (1024 * 1024, 64 * 1024 * 1024)
"""Bytes from the beginning that name an instance: mostly few, but much may come before its UIDs."""


def incoming(head: bytes, size: int, digest: str) -> Incoming:
    """Describe a file for its way into an inbox.

    Args:
        head: as much of its beginning as names it, or more.
        size: of the file, in bytes.
        digest: SHA-256 of the file, in hex.

    Raises:
        MalformedDataset: it is no DICOM file, lacks a UID as far as it was given, or breaks off.
    """
    meta = read_file_meta(BytesIO(head))
    dataset = memoryview(head)[meta.dataset_offset :]
    check_ending(dataset, size - meta.dataset_offset, meta.transfer_syntax_uid)
    return Incoming(
        identity=identify(dataset, meta.transfer_syntax_uid),
        transfer_syntax_uid=meta.transfer_syntax_uid,
        digest=digest,
        size=size,
        attributes=summary_attributes(dataset, meta.transfer_syntax_uid),
    )
