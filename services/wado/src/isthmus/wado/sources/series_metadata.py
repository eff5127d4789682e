"""The metadata of whole series: made once from their instances, and kept in S3 beside them.

What is kept are frames, each the length of what follows (4 bytes, little endian) and, compressed, some
objects with commas between them, in the order of the instances' keys, with one mark for the URL of the study.
The name holds a digest of what the series consists of: a series that has changed has another name.
"""

import zlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import partial
from typing import Final

from isthmus.common.blobs import BlobStore, derived_key
from isthmus.common.bus.fan_out import fan_out
from isthmus.common.derived.shared import Shared
from isthmus.common.errors import IsthmusError
from isthmus.common.messages import BlobRef
from isthmus.common.retrieval import HeldSeries, Manifest
from isthmus.common.telemetry import get_logger
from isthmus.common.threads import Threads
from isthmus.wado.sources.described import Described, in_json, mark_of

AHEAD: Final = 4
"""Instances that are described at the same time."""
LARGEST: Final = 8 * 1024 * 1024
"""Bytes of what is kept of a series; a larger one, of some 20,000 instances, is made each time."""
ROOM: Final = 8 * 1024 * 1024
_VERSION: Final = "1"
_FRAME: Final = 512 * 1024
"""Bytes of a frame's objects, one object more or less."""
_COMPRESSION: Final = 1

log = get_logger(__name__)


class _NotKept(Exception):
    """There is nothing kept of this series."""


class _TooLarge(Exception):
    """It is not to be kept."""


class SeriesMetadata:
    """What is kept of the series, for all clients of this process."""

    def __init__(self, blobs: BlobStore, threads: Threads, described: Described) -> None:
        """Compress and decompress in `threads`."""
        self._blobs = blobs
        self._threads = threads
        self._described = described
        self._found = Shared(ROOM)
        self._keeping = Shared(room=0)

    async def kept(
        self, manifest: Manifest, series: HeldSeries, study_url: str
    ) -> AsyncGenerator[bytes, None] | None:
        """Give the objects of a series, some at a time with commas between them; None if nothing is kept.

        Raises:
            StoreUnavailable: S3 does not tell.
        """
        key = _key(manifest, series)
        try:
            data = await self._found.get(key, partial(self._find, key))
        except _NotKept:
            return None
        return self._unpacked(data, mark_of(key), in_json(study_url))

    async def _find(self, key: str) -> bytes:
        kept = await self._blobs.find(key)
        if kept is None:
            raise _NotKept
        return kept

    async def _unpacked(self, data: bytes, mark: bytes, url: bytes) -> AsyncGenerator[bytes, None]:
        for frame in _frames(data):
            yield await self._threads.run(_unpack, frame, mark, url)

    async def keep(self, manifest: Manifest, series: HeldSeries) -> None:
        """Keep the metadata of a series for the next time, unless they are kept already.

        They were just made for a client, so that most of it is at hand. Nothing depends on it: what fails is
        logged.
        """
        key = _key(manifest, series)
        try:
            await self._keeping.get(key, partial(self._find_or_make, key, manifest.origin, series))
        except _TooLarge:
            log.info("metadata too large to be kept", instances=len(series.instances))
        except IsthmusError as error:
            log.warning("metadata not kept", reason=error.title)

    async def _find_or_make(self, key: str, origin: str, series: HeldSeries) -> bytes:
        kept = await self._blobs.find(key)
        if kept is not None:
            return kept
        made = b"".join([frame async for frame in self._made(mark_of(key), origin, series)])
        await self._blobs.put(key, made)
        return made

    async def _made(self, mark: bytes, origin: str, series: HeldSeries) -> AsyncGenerator[bytes, None]:
        async def text(blob: BlobRef) -> bytes:
            return await self._described.text(blob, origin)

        texts: list[bytes] = []
        waiting = size = 0
        async with fan_out(in_order(series), text, AHEAD) as described:
            async for blob, found in described:
                texts.append(found.replace(mark_of(blob.key), mark))
                waiting += len(found)
                if waiting >= _FRAME:
                    frame = await self._threads.run(_pack, texts)
                    texts, waiting, size = [], 0, size + len(frame)
                    if size > LARGEST:
                        raise _TooLarge
                    yield frame
        if texts:
            yield await self._threads.run(_pack, texts)


async def in_order(series: HeldSeries) -> AsyncGenerator[BlobRef, None]:
    """Give the instances of a series in the order in which its metadata are kept."""
    for blob in sorted((held.blob for held in series.instances), key=lambda blob: blob.key):
        yield blob


def _key(manifest: Manifest, series: HeldSeries) -> str:
    name = f"metadata-{series.digest}-{_VERSION}"
    return derived_key(manifest.origin, manifest.study, series.series_instance_uid, name)


def _pack(texts: Sequence[bytes]) -> bytes:
    packed = zlib.compress(b",".join(texts), _COMPRESSION)
    return len(packed).to_bytes(4, "little") + packed


def _frames(data: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(data):
        end = place + 4 + int.from_bytes(data[place : place + 4], "little")
        yield data[place + 4 : end]
        place = end


def _unpack(frame: bytes, mark: bytes, url: bytes) -> bytes:
    return zlib.decompress(frame).replace(mark, url)
