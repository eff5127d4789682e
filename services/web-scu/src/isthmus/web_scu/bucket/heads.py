"""What instance an object in a bucket is, by its beginning: read by ranges, mostly one of them."""

from io import BytesIO
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dicom.summary_attributes import holds_summary
from isthmus.common.errors import MalformedDataset
from isthmus.common.inbox.deposit import Incoming
from isthmus.web_scu.inbox.head import incoming

HEADS: Final = (64 * 1024, 1024 * 1024, 64 * 1024 * 1024)
"""Bytes from the beginning: the first hold most headers; some have large private elements before the rest."""


async def read_head(blobs: BlobStore, key: str, size: int, etag: str) -> Incoming:
    """Describe an object.

    Args:
        blobs: finds it by its key.
        key: as a blob ref names it.
        size: its bytes.
        etag: which bytes they are: stands for their digest.

    Raises:
        MalformedDataset: it is no DICOM file, lacks a UID, or breaks off.
        BlobMissing: it is gone, or is another one by now.
        StoreUnavailable: the bucket does not give it.
    """
    for length in HEADS:
        head = await blobs.get(key, length=min(length, size))
        if len(head) >= size or _is_enough(head):
            break
    return incoming(head, size, etag)


def _is_enough(head: bytes) -> bool:
    """Tell whether more of it would tell nothing more."""
    try:
        meta = read_file_meta(BytesIO(head))
        return holds_summary(memoryview(head)[meta.dataset_offset :], meta.transfer_syntax_uid)
    except MalformedDataset:
        return True
