"""What is made from one instance, and kept in S3 beside it: pictures, and the instance in other syntaxes.

Its key holds a digest of the instance's key, and that one the digest of its bytes: nothing that is kept is
ever out of date. It goes when the study goes, and nothing depends on it: what is gone is made anew.
"""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Final

from isthmus.common.blobs import BlobStore, Sink
from isthmus.common.blobs.keys import segment, series_derived_prefix
from isthmus.common.derived.shared import Shared
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import BlobRef
from isthmus.common.telemetry import get_logger

ROOM: Final = 8 * 1024 * 1024
"""Bytes of what stays in memory for those who come a little later."""

Make = Callable[[], Coroutine[None, None, bytes]]
"""Makes what is small enough for the memory."""
Write = Callable[[Sink], Coroutine[None, None, None]]
"""Writes what is not."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeptBlob:
    """Something that lies in S3 as it is to be sent."""

    key: str
    size: int
    """In bytes."""


class Kept:
    """All that this process keeps of single instances."""

    def __init__(self, blobs: BlobStore) -> None:
        """Keep it in S3."""
        self._blobs = blobs
        self._shared = Shared(ROOM)
        # Only for what is being written now: what lies in S3 may be dropped there.
        self._writing = Shared(0)

    async def get(self, blob: BlobRef, name: str, make: Make) -> bytes:
        """Give what is kept of an instance under a name, or make it once for all who wait, and keep it.

        Args:
            blob: The instance.
            name: Says all that it depends on beside the instance, and the version of what makes it.
            make: Makes it; not called again for those who come meanwhile.

        Raises:
            StoreUnavailable: S3 does not tell whether it is kept. One that does not take it is no failure.
            Exception: as `make` did.
        """
        key = key_of(blob, name)
        return await self._shared.get(key, partial(self._find_or_make, key, make))

    async def stored(self, blob: BlobRef, name: str, write: Write) -> KeptBlob:
        """Give where something lies in S3 that is kept under a name; write it first if it is not there.

        Args:
            blob: The instance.
            name: As for `get`.
            write: Writes it, as it comes: it may be of any size. What it raises leaves nothing behind.

        Raises:
            StoreUnavailable: S3 does not tell, or does not take it.
            Exception: as `write` did.
        """
        key = key_of(blob, name)
        size = await self._writing.get(key, partial(self._find_or_write, key, write))
        return KeptBlob(key, int(size))

    async def _find_or_make(self, key: str, make: Make) -> bytes:
        kept = await self._blobs.find(key)
        if kept is not None:
            return kept
        made = await make()
        try:
            await self._blobs.put(key, made)
        except StoreUnavailable as error:
            log.warning("not kept", reason=error.title)
        return made

    async def _find_or_write(self, key: str, write: Write) -> bytes:
        size = await self._blobs.size(key)
        if size is None:
            async with self._blobs.sink(key) as sink:
                await write(sink)
            size = sink.size
        return str(size).encode()


def key_of(blob: BlobRef, name: str) -> str:
    """Give the key of what is kept of an instance under a name."""
    digest = hashlib.sha256(blob.key.encode()).hexdigest()
    return series_derived_prefix(blob.key) + segment(f"{name}-{digest}")
