"""What others put into a bucket."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.config import S3Origin
from isthmus.common.config.key_pattern import Place
from isthmus.common.errors import BlobRefused, StoreUnavailable
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.messages import BlobRef, Retrieve
from tests.data_sets import identity


def place_of(file: Path | bytes) -> Place:
    """Give the UIDs of a file."""
    uids = identity(file)
    return Place(uids.study_instance_uid, uids.series_instance_uid, uids.sop_instance_uid)


def study_of(file: Path) -> str:
    """Give the Study Instance UID of a file."""
    return place_of(file).study


def key_of(origin: S3Origin, file: Path | bytes) -> str:
    """Give the key under which an origin's pattern wants a file."""
    return origin.key_pattern.key_of(place_of(file))


async def put(bucket: BlobStore, origin: S3Origin, files: Iterable[Path | bytes]) -> list[str]:
    """Put files where the origin's pattern wants them, and give their keys."""
    keys = []
    for file in files:
        keys.append(key_of(origin, file))
        await bucket.put(keys[-1], file if isinstance(file, bytes) else file.read_bytes())
    return keys


@dataclass(frozen=True)
class Archive:
    """A bucket of others: as they write to it, and as faces read it."""

    origin: S3Origin
    bucket: BlobStore
    blobs: BlobStore
    """Our own, which finds by their keys what lies in it."""
    catalogue: CatalogueWithInboxes

    def key_of(self, file: Path | bytes) -> str:
        """Give the key under which the origin's pattern wants a file."""
        return key_of(self.origin, file)

    async def put(self, files: Iterable[Path | bytes]) -> list[str]:
        """Put files there, and give their keys."""
        return await put(self.bucket, self.origin, files)

    async def held(self, study: str) -> list[BlobRef]:
        """Give what faces know of a study."""
        manifest = await self.catalogue.load(self.origin.name, study)
        return list(manifest.blobs(Retrieve(self.origin.name, study))) if manifest is not None else []

    async def read(self, refs: Sequence[BlobRef]) -> list[bytes]:
        """Read instances, in the order of their bytes."""
        return sorted([await self.blobs.get(ref.key) for ref in refs])

    async def contents(self, study: str) -> list[bytes]:
        """Read what faces know of a study, likewise."""
        return await self.read(await self.held(study))


def read(files: Iterable[Path]) -> list[bytes]:
    """Read files, in the order of their bytes."""
    return sorted(file.read_bytes() for file in files)


def refuse(
    monkeypatch: pytest.MonkeyPatch,
    blobs: BlobStore,
    part_of_key: str,
    error: StoreUnavailable | None = None,
) -> list[str]:
    """Give nothing under keys with a part, until the list is emptied."""
    refusing, get = [part_of_key], blobs.get

    async def refused(key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        if key.startswith("buckets/") and any(part in key for part in refusing):
            raise error or BlobRefused("get: 403 AccessDenied")
        return await get(key, offset=offset, length=length)

    monkeypatch.setattr(blobs, "get", refused)
    return refusing
