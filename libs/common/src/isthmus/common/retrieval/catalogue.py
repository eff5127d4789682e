"""The catalogue: the manifests of the studies of which something is held, in S3.

A manifest is one msgpack message, compressed. Only the worker that holds a study's guard writes it, after the
blobs that it names; whoever reads it finds all of them, or deletes it (`Catalogue.mend`).
"""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from isthmus.common.blobs import BlobStore, derived_prefix, held_prefix, manifest_key
from isthmus.common.blobs.keys import series_derived_prefix
from isthmus.common.errors import ContractError
from isthmus.common.messages import BlobRef, Retrieve, decode, encode
from isthmus.common.retrieval.manifest import Manifest
from isthmus.common.telemetry import get_logger

COMPRESSION: Final = 1
"""Of 3.3 MB for 5,000 instances it leaves 0.3 MB, in 9 ms; a higher level saves little and costs much."""
DELETED_AT_ONCE: Final = 1_000
"""Blobs, by one request."""
LARGE_BYTES: Final = 64 * 1024
"""Compressed, of a manifest that is read beside the loop: of 1,000 instances, in 3 ms."""
REMEMBERED_BYTES: Final = 1024 * 1024
"""Compressed manifests that stay decoded: some 17,000 instances, 25 MB."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Decoded:
    data: bytes
    manifest: Manifest


class Catalogue:
    """The manifests, and what goes with them when they go."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._decoded: OrderedDict[str, _Decoded] = OrderedDict()

    def is_the_origin(self, origin: str) -> bool:
        """Tell whether what is here is all there is: then nobody else need be asked, now or again."""
        return False

    def may_be_behind(self, origin: str) -> bool:
        """Tell whether there may be more of it all the same: then a job looks for what is not here."""
        return False

    async def load(self, origin: str, study: str) -> Manifest | None:
        """Give the manifest of a study; None if there is none that this version can read.

        Raises:
            StoreUnavailable: S3 does not give it.
        """
        key = manifest_key(origin, study)
        data = await self._blobs.find(key)
        if data is None:
            self._decoded.pop(key, None)
            return None
        decoded = self._decoded.get(key)
        if decoded is not None and decoded.data == data:
            self._decoded.move_to_end(key)
            return decoded.manifest
        try:
            manifest = await asyncio.to_thread(_read, data) if len(data) > LARGE_BYTES else _read(data)
        except zlib.error:
            log.warning("manifest not read", origin=origin, reason="not compressed")
            return None
        except ContractError as error:
            log.warning("manifest not read", origin=origin, reason=error.detail)
            return None
        self._remember(key, _Decoded(data, manifest))
        return manifest

    def _remember(self, key: str, decoded: _Decoded) -> None:
        """Keep what costs 15 ms for 5,000 instances; S3 is asked each time whether it is still the same."""
        self._decoded[key] = decoded
        self._decoded.move_to_end(key)
        while sum(len(one.data) for one in self._decoded.values()) > REMEMBERED_BYTES:
            self._decoded.popitem(last=False)

    async def save(self, manifest: Manifest) -> None:
        """Write a manifest; only for the worker that holds the study's guard.

        Raises:
            StoreUnavailable: S3 does not take it.
        """
        data = zlib.compress(encode(manifest), COMPRESSION)
        await self._blobs.put(manifest_key(manifest.origin, manifest.study), data)

    async def drop(self, origin: str, study: str) -> int:
        """Delete a study: its manifest first, so that nobody finds what goes next; gives the bytes freed.

        Only for whoever holds the study's guard.

        Raises:
            StoreUnavailable: S3 does not do it, or not all of it.
        """
        await self._blobs.delete(manifest_key(origin, study))
        instances = await self._delete_under(held_prefix(origin, study))
        return instances + await self._delete_under(derived_prefix(origin, study))

    async def forget(self, blobs: Iterable[BlobRef]) -> None:
        """Delete instances that have left their manifest, and what was made from their series.

        Only for the worker that holds the study's guard, after it has saved the manifest.

        Raises:
            StoreUnavailable: S3 does not do it, or not all of it.
        """
        gone = list(blobs)
        for prefix in {series_derived_prefix(blob.key) for blob in gone}:
            await self._delete_under(prefix)
        await self._blobs.delete_all(blob.key for blob in gone)

    async def mend(self, origin: str, study: str) -> None:
        """Delete a manifest that names what S3 no longer has, so that the study is fetched anew.

        For readers, who found a blob missing. What the next transfer brings lies under the same keys.

        Raises:
            StoreUnavailable: S3 does not tell, or does not delete it.
        """
        manifest = await self.load(origin, study)
        if manifest is None:
            return
        there = {listed.key async for listed in self._blobs.list(held_prefix(origin, study))}
        lost = sum(blob.key not in there for blob in manifest.blobs(Retrieve(origin, study)))
        if lost:
            log.error("blobs lost", origin=origin, instances=lost)
            await self._blobs.delete(manifest_key(origin, study))

    async def _delete_under(self, prefix: str) -> int:
        """Delete what lies under a prefix, and count its bytes."""
        size = 0
        batch: list[str] = []
        async for listed in self._blobs.list(prefix):
            size += listed.size
            batch.append(listed.key)
            if len(batch) == DELETED_AT_ONCE:
                await self._blobs.delete_all(batch)
                batch.clear()
        await self._blobs.delete_all(batch)
        return size


def _read(data: bytes) -> Manifest:
    return decode(zlib.decompress(data), Manifest)
