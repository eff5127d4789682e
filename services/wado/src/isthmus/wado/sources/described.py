"""Instances in the DICOM JSON Model, made once for all who want them at about the same time.

Their BulkDataURIs begin with what each client calls us by. Until they go out, a mark stands in its place,
which comes from a digest of the very bytes that are described: nothing in them can be mistaken for it.
"""

import hashlib
from functools import partial
from typing import Final
from urllib.parse import quote

import orjson

from isthmus.common.blobs import BlobStore
from isthmus.common.derived.shared import Shared
from isthmus.common.dicom.json_model import DicomJson, JsonElement, metadata_of
from isthmus.common.errors import MalformedDataset, NotDelivered
from isthmus.common.messages import BlobRef
from isthmus.common.telemetry import get_logger
from isthmus.common.threads import Threads

ROOM: Final = 32 * 1024 * 1024
"""Some 5,000 instances."""
_WHOLE: Final = 100
"""Items of a sequence that is written at once."""

log = get_logger(__name__)


def mark_of(key: str) -> bytes:
    """Give what stands for the URL of the study.

    Args:
        key: Of a blob, or of anything else that is named by a digest of what it is made from.
    """
    return hashlib.sha256(f"the URL of the study of {key}".encode()).hexdigest()[:32].encode()


def in_json(url: str) -> bytes:
    """Give what comes into the place of the mark."""
    return orjson.dumps(url)[1:-1]


class Described:
    """The descriptions of instances."""

    def __init__(self, blobs: BlobStore, threads: Threads) -> None:
        """Describe blobs, in `threads`."""
        self._blobs = blobs
        self._threads = threads
        self._shared = Shared(ROOM)

    async def text(self, blob: BlobRef, origin: str) -> bytes:
        """Give the JSON of an instance, with its mark.

        Raises:
            NotDelivered: what the origin sent cannot be read.
        """
        try:
            return await self._shared.get(blob.key, partial(self._threads.run, _describe, self._blobs, blob))
        except MalformedDataset as error:
            # The fault lies with the origin, and not with the client's request.
            detail = f"An instance that the origin sent cannot be read: {error.detail}"
            raise NotDelivered(detail, origin=origin) from error


def _describe(blobs: BlobStore, blob: BlobRef) -> bytes:
    prefix = f"{mark_of(blob.key).decode()}/{_path(blob)}/bulkdata"
    with blobs.open(blob.key, blob.size) as source:
        attributes, left_out = metadata_of(source, prefix)
    if left_out:
        log.warning("values left out of metadata", tags=left_out)
    return written(attributes)


def written(attributes: DicomJson) -> bytes:
    """Write attributes in JSON, and let go of them.

    What is said of thousands of frames is written item by item: nobody else runs while orjson writes, nor
    while all of it goes.
    """
    if not any(map(_is_long, attributes.values())):
        return orjson.dumps(attributes)
    pieces = []
    for tag in list(attributes):
        element = attributes.pop(tag)
        value = _in_pieces(element) if _is_long(element) else orjson.dumps(element)
        pieces.append(b'"%s":%s' % (tag.encode(), value))
    return b"{" + b",".join(pieces) + b"}"


def _is_long(element: JsonElement) -> bool:
    return element["vr"] == "SQ" and len(element.get("Value", ())) > _WHOLE


def _in_pieces(element: JsonElement) -> bytes:
    items = element["Value"]
    items.reverse()
    pieces = []
    while items:
        pieces.append(orjson.dumps(items.pop()))
    return b'{"vr":"SQ","Value":[' + b",".join(pieces) + b"]}"


def _path(blob: BlobRef) -> str:
    # PACS hold UIDs that no URL can.
    series, instance = quote(blob.series_instance_uid, safe=""), quote(blob.sop_instance_uid, safe="")
    return f"series/{series}/instances/{instance}"
