"""The instances that wait to be sent, the next ones fetched from S3 already."""

import asyncio
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import end_tasks
from isthmus.common.messages import BlobRef

SMALL_BYTES: Final = 4 * 1024 * 1024
"""What is fetched whole; of what is larger, a thread reads some at a time while it sends."""
AHEAD: Final = 4
"""How many wait."""
ROOM: Final = 64 * 1024 * 1024
"""Bytes that wait in memory, of all requests of a process together."""


class Room:
    """How much may wait in memory; for the loop alone."""

    def __init__(self, size: int = ROOM) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Take room, and tell whether there is any."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """Make room for others."""
        self._left += size


@dataclass(frozen=True, slots=True)
class Waiting:
    """An instance, and its bytes on their way if they are fetched in advance."""

    blob: BlobRef
    fetching: asyncio.Task[bytes] | None


class Line:
    """From who reads the instances to those who send them."""

    def __init__(self, blobs: BlobStore, room: Room) -> None:
        self._blobs = blobs
        self._room = room
        self._waiting: asyncio.Queue[Waiting | None] = asyncio.Queue(AHEAD)
        self._fetching: dict[asyncio.Task[bytes], int] = {}
        self._returned: list[Waiting] = []

    async def put(self, blob: BlobRef) -> None:
        """Add an instance; waits while there are enough."""
        fetching = None
        if blob.size <= SMALL_BYTES and self._room.take(blob.size):
            fetching = asyncio.create_task(self._blobs.get(blob.key))
            self._fetching[fetching] = blob.size
        await self._waiting.put(Waiting(blob, fetching))

    async def end(self) -> None:
        """Say that no more come."""
        await self._waiting.put(None)

    async def take(self) -> Waiting | None:
        """Give the next one; None when there are no more."""
        if self._returned:
            return self._returned.pop()
        waiting = await self._waiting.get()
        if waiting is None:
            self._waiting.put_nowait(None)  # for the others who take
        return waiting

    def put_back(self, waiting: Waiting) -> None:
        """Leave one to somebody else."""
        self._returned.append(waiting)

    @property
    def has_returned(self) -> bool:
        """Whether one was put back that nobody has taken since."""
        return bool(self._returned)

    async def open(self, waiting: Waiting) -> BinaryIO:
        """Give an instance as a file, for one thread.

        Raises:
            BlobMissing: there is no such blob; of a large one, its reader is told.
            StoreUnavailable: S3 does not give it.
        """
        if waiting.fetching is None:
            return await open_blob(self._blobs, waiting.blob)
        try:
            return BytesIO(await waiting.fetching)
        finally:
            self._forget(waiting.fetching)

    def drop(self, waiting: Waiting) -> None:
        """Make room where an instance is not to be opened; does nothing to one that was."""
        if waiting.fetching is not None:
            waiting.fetching.add_done_callback(_see)
            waiting.fetching.cancel()
            self._forget(waiting.fetching)

    def _forget(self, fetching: asyncio.Task[bytes]) -> None:
        self._room.give_back(self._fetching.pop(fetching, 0))

    def stop(self) -> list[str]:
        """Give nothing more, and tell what waited, by SOP Instance UID; nobody must be adding any."""
        left = self._returned
        while not self._waiting.empty():
            waiting = self._waiting.get_nowait()
            if waiting is not None:
                left.append(waiting)
        self._returned = []
        self._waiting.put_nowait(None)
        return [waiting.blob.sop_instance_uid for waiting in left]

    async def close(self) -> None:
        """Drop what nobody wants any more."""
        await end_tasks(self._fetching)
        for fetching in tuple(self._fetching):
            self._forget(fetching)


def _see(fetching: asyncio.Task[bytes]) -> None:
    """Look at how it ended: asyncio complains of exceptions that nobody asks for."""
    if not fetching.cancelled():
        fetching.exception()


async def open_blob(blobs: BlobStore, blob: BlobRef) -> BinaryIO:
    """Give an instance as a file, for one thread; a large one is fetched as it is read.

    Raises:
        BlobMissing: there is no such blob; of a large one, its reader is told.
        StoreUnavailable: S3 does not give it.
    """
    if blob.size > SMALL_BYTES:
        return blobs.open(blob.key, blob.size)
    return BytesIO(await blobs.get(blob.key))
