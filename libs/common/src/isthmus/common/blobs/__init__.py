"""Blobs: DICOM instances in S3, written once and read by all.

`BlobStore` does it, over the minio SDK in threads; `held_key` and `spool_key` say where.
"""

from isthmus.common.blobs.body import Buffer, Data, digest_of, size_of
from isthmus.common.blobs.keys import held_key, segment, spool_key, spool_prefix
from isthmus.common.blobs.sink import Sink
from isthmus.common.blobs.store import BlobStore, ListedBlob

__all__ = [
    "BlobStore",
    "Buffer",
    "Data",
    "ListedBlob",
    "Sink",
    "digest_of",
    "held_key",
    "segment",
    "size_of",
    "spool_key",
    "spool_prefix",
]
