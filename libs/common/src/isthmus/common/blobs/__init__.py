"""Blobs: DICOM instances in S3, written once and read by all.

`BlobStore` does it, over the minio SDK in threads; the functions of `keys` say where.
"""

from isthmus.common.blobs.body import Buffer, Data, digest_of, size_of
from isthmus.common.blobs.buckets import buckets_of
from isthmus.common.blobs.keys import (
    InBucket,
    bucket_key,
    contents_key,
    derived_key,
    derived_prefix,
    held_key,
    held_prefix,
    inbox_key,
    inbox_prefix,
    manifest_key,
    origin_of,
    segment,
    spool_key,
    spool_prefix,
    study_of,
    study_prefixes,
)
from isthmus.common.blobs.refusal import Exists
from isthmus.common.blobs.sink import Sink
from isthmus.common.blobs.store import BlobStore, ListedBlob
from isthmus.common.blobs.upload import PART

__all__ = [
    "PART",
    "BlobStore",
    "Buffer",
    "Data",
    "Exists",
    "InBucket",
    "ListedBlob",
    "Sink",
    "bucket_key",
    "buckets_of",
    "contents_key",
    "derived_key",
    "derived_prefix",
    "digest_of",
    "held_key",
    "held_prefix",
    "inbox_key",
    "inbox_prefix",
    "manifest_key",
    "origin_of",
    "segment",
    "size_of",
    "spool_key",
    "spool_prefix",
    "study_of",
    "study_prefixes",
]
