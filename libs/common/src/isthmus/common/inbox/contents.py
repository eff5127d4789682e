"""The instances of a study in an inbox: a list in S3 that is never written over."""

import asyncio
import hashlib
import time
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from isthmus.common.blobs import BlobStore, contents_key
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.messages import BlobRef, decode, encode
from isthmus.common.retrieval.manifest import HeldInstance, HeldSeries, Manifest

COMPRESSION: Final = 1
REMEMBERED: Final = 64
"""Lists that stay decoded."""


@dataclass(frozen=True, slots=True)
class Row:
    """An instance that arrived."""

    blob: BlobRef
    digest: str
    """SHA-256 of the Part 10 file, in hex."""
    stored: float
    """Seconds since 1970."""
    attributes: DicomJson
    """Of the instance's level."""
    others: tuple[BlobRef, ...] = ()
    """Blobs with the same SOP Instance UID and other bytes, which nobody reads."""


@dataclass(frozen=True, slots=True)
class Contents:
    """All instances of a study."""

    rows: Mapping[str, Row] = field(default_factory=dict)
    """By SOP Instance UID, in the order in which they came."""

    def manifest(self, origin: str, study: str) -> Manifest:
        """Describe them as the catalogue does: whole, and just checked."""
        now = time.time()
        series: dict[str, list[HeldInstance]] = {}
        for row in self.rows.values():
            series.setdefault(row.blob.series_instance_uid, []).append(HeldInstance(row.blob, row.stored))
        held = tuple(
            HeldSeries(uid, tuple(its), listed=len(its), checked=now, counted=len(its))
            for uid, its in series.items()
        )
        return Manifest(origin, study, held, now)


class ContentsStore:
    """Where the lists lie; what was read last stays decoded."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._decoded: OrderedDict[str, Contents] = OrderedDict()

    async def load(self, key: str | None) -> Contents:
        """Read a list; an empty one for None.

        Raises:
            BlobMissing: it was replaced meanwhile: read the record again.
            StoreUnavailable: S3 is away.
        """
        if key is None:
            return Contents()
        if key not in self._decoded:
            self._remember(key, await asyncio.to_thread(_read, await self._blobs.get(key)))
        self._decoded.move_to_end(key)
        return self._decoded[key]

    async def save(self, origin: str, study: str, contents: Contents) -> str:
        """Write a list and give its key; the same list has the same key.

        Raises:
            StoreUnavailable: S3 does not take it.
        """
        data, digest = await asyncio.to_thread(_written, contents)
        key = contents_key(origin, study, digest)
        await self._blobs.put(key, data)
        self._remember(key, contents)
        return key

    async def drop(self, key: str | None) -> None:
        """Delete a list that no record names any more.

        Raises:
            StoreUnavailable: S3 does not do it.
        """
        if key is not None:
            self._decoded.pop(key, None)
            await self._blobs.delete(key)

    def _remember(self, key: str, contents: Contents) -> None:
        self._decoded[key] = contents
        while len(self._decoded) > REMEMBERED:
            self._decoded.popitem(last=False)


def _read(data: bytes) -> Contents:
    return decode(zlib.decompress(data), Contents)


def _written(contents: Contents) -> tuple[bytes, str]:
    data = zlib.compress(encode(contents), COMPRESSION)
    return data, hashlib.sha256(data).hexdigest()
