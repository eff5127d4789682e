"""Whether two DICOM files hold the same: their data sets do, whoever sent them."""

import asyncio
import hashlib
from contextlib import aclosing
from io import BytesIO
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.errors import MalformedDataset

META_BYTES: Final = 64 * 1024
"""The data set of a file begins before."""


async def same_content(store: BlobStore, key: str, other_store: BlobStore, other_key: str) -> bool:
    """Tell whether two files have the same transfer syntax, and their data sets the same bytes.

    File Meta Information (PS3.10 7.1) may differ: it names the application entities on the way.

    Raises:
        BlobMissing: one of them is gone.
        StoreUnavailable: S3 does not give one.
    """
    return await _content(store, key) == await _content(other_store, other_key)


async def _content(store: BlobStore, key: str) -> tuple[str, str]:
    """Give the transfer syntax of a file, and the digest of its data set; of no DICOM file, that of all."""
    head, transfer_syntax, digest = bytearray(), None, hashlib.sha256()
    async with aclosing(store.stream(key)) as chunks:
        async for chunk in chunks:
            if transfer_syntax is not None:
                await asyncio.to_thread(digest.update, chunk)
                continue
            head += chunk
            if len(head) >= META_BYTES:
                transfer_syntax, offset = _beginning(bytes(head))
                await asyncio.to_thread(digest.update, head[offset:])
    if transfer_syntax is None:
        transfer_syntax, offset = _beginning(bytes(head))
        digest.update(head[offset:])
    return transfer_syntax, digest.hexdigest()


def _beginning(head: bytes) -> tuple[str, int]:
    """Give the transfer syntax, and where the data set begins."""
    try:
        meta = read_file_meta(BytesIO(head))
    except MalformedDataset:
        return "", 0
    return meta.transfer_syntax_uid, meta.dataset_offset
