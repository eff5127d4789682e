"""Blobs on their way to an origin: small ones are fetched before their turn, large ones as they are sent."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from io import BytesIO
from types import TracebackType
from typing import BinaryIO, Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import end_tasks
from isthmus.common.storing import Numbered

SMALL_BYTES: Final = 4 * 1024 * 1024
"""What is fetched whole; of what is larger, a thread reads some at a time while it sends."""
AHEAD_AT_ONCE: Final = 4
"""How many are fetched, the one that is sent next among them."""


class Outgoing(AbstractAsyncContextManager["Outgoing"]):
    """Gives the blobs of a job as files, and fetches the next ones while one is sent."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._fetching: dict[int, asyncio.Task[bytes]] = {}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what nobody wants any more."""
        await end_tasks(self._fetching.values())

    async def open(self, left: Sequence[Numbered]) -> BinaryIO:
        """Give the first of what is left to be sent, for one thread; the others follow in this order.

        Raises:
            BlobMissing: there is no such blob; of a large one, its reader is told.
            StoreUnavailable: S3 does not give it.
        """
        for index, ref in left[:AHEAD_AT_ONCE]:
            if ref.size <= SMALL_BYTES and index not in self._fetching:
                self._fetching[index] = asyncio.create_task(self._blobs.get(ref.key))
        index, ref = left[0]
        if index not in self._fetching:
            return self._blobs.open(ref.key, ref.size)
        try:
            return BytesIO(await self._fetching[index])
        finally:
            del self._fetching[index]
