"""The bulkdata of a request: spooled as they come, and found again by their location (PS3.18 10.5.1.4)."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.encapsulated import is_encapsulated
from isthmus.common.dicom.from_json import Stretch
from isthmus.common.pixels.errors import PixelsError
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.stow.parts import BulkPart, Located, Native, PayloadPart, absolute
from isthmus.stow.pictures.compressed import Compressed, Unreadable
from isthmus.stow.pictures.describe import describe
from isthmus.stow.pictures.raster import GIF, PNG, TooLargePicture, native_pixels
from isthmus.stow.reasons import Refusal
from isthmus.stow.spool import SMALL_BYTES, Spool

LARGEST_RASTER: Final = 64 * 1024 * 1024
"""Bytes of a PNG or GIF file, which is held in memory to be decoded."""
LARGEST_NATIVE: Final = 128 * 1024 * 1024
"""Bytes of its pixels, which are held in memory too."""


class Bulkdata:
    """What there is of bulkdata in a request."""

    def __init__(
        self,
        spool: Spool,
        blobs: BlobStore,
        processes: PixelProcesses,
        *,
        base: str,
        most_frame_bytes: int,
    ) -> None:
        """Begin with none.

        Args:
            spool: Takes them.
            blobs: Gives what the spool took.
            processes: Decode pictures that no transfer syntax holds.
            base: The URL of the request, which makes relative locations absolute.
            most_frame_bytes: Of such a picture, decoded.
        """
        self.located: Final[Located] = {}
        self._spool = spool
        self._blobs = blobs
        self._processes = processes
        self._base = base
        self._most_bytes = min(most_frame_bytes, LARGEST_NATIVE)

    async def take(self, part: PayloadPart, location: str) -> None:
        """Spool a part, in constant memory, and look what it is.

        Raises:
            UnreadablePayload: the body ended in this part; it is as if it had not come.
            StoreUnavailable: S3 does not take it.
        """
        beginning = _Beginning(part.content)
        stretch = await self._spool.keep(beginning)
        declared = (part.media_type.parameter("transfer-syntax") or "").strip() or None
        found = None
        if _is_picture(part.media_type.name, declared):
            found = await self._look(stretch, beginning.kept, part.media_type.name, declared)
        self.located.setdefault(absolute(self._base, location), []).append(BulkPart(stretch, found))

    async def _look(
        self, stretch: Stretch, content: bytes | None, media_type: str, declared: str | None
    ) -> Compressed | Native | Refusal:
        try:
            first = await self._blobs.get(stretch.source, length=8) if content is None else content[:8]
            if first.startswith((PNG, GIF)):
                return await self._decode(stretch, content)
            return await asyncio.to_thread(self._describe, stretch, content, media_type, declared)
        except Refusal as refusal:
            return refusal

    def _describe(
        self, stretch: Stretch, content: bytes | None, media_type: str, declared: str | None
    ) -> Compressed:
        source = self._blobs.open(stretch.source, stretch.length) if content is None else BytesIO(content)
        with source:
            return describe(source, stretch.length, media_type, declared)

    async def _decode(self, stretch: Stretch, content: bytes | None) -> Native:
        if stretch.length > LARGEST_RASTER:
            raise TooLargePicture("a picture of more bytes than are taken")
        data = await self._blobs.get(stretch.source) if content is None else content
        try:
            pixels, frames, native = await self._processes.run(native_pixels, data, self._most_bytes)
        except PixelsError as error:
            raise Unreadable("no PNG or GIF that can be read") from error
        return Native(await self._spool.keep(_chunk(native)), pixels, frames)


class _Beginning:
    """Hands a content on, and keeps it where it is small."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self._chunks: list[bytes] = []
        self._size = 0

    def __aiter__(self) -> "_Beginning":
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._content)
        self._size += len(chunk)
        if self._size > SMALL_BYTES:
            self._chunks.clear()
        else:
            self._chunks.append(chunk)
        return chunk

    @property
    def kept(self) -> bytes | None:
        """All of it; None where it is not small, and in S3 therefore."""
        return b"".join(self._chunks) if self._size <= SMALL_BYTES else None


def _is_picture(media_type: str, declared: str | None) -> bool:
    if media_type.startswith(("image/", "video/")):
        return True
    return declared is not None and is_encapsulated(declared)


async def _chunk(data: bytes) -> AsyncIterator[bytes]:
    yield data
