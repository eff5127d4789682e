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


@dataclass(frozen=True, slots=True)
class Waiting:
    """An instance, and its bytes on their way if it is a small one."""

    blob: BlobRef
    fetching: asyncio.Task[bytes] | None


class Line:
    """From who reads the instances to those who send them."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._waiting: asyncio.Queue[Waiting | None] = asyncio.Queue(AHEAD)
        self._fetching: set[asyncio.Task[bytes]] = set()
        self._returned: list[Waiting] = []

    async def put(self, blob: BlobRef) -> None:
        """Add an instance; waits while there are enough."""
        fetching = None
        if blob.size <= SMALL_BYTES:
            fetching = asyncio.create_task(self._blobs.get(blob.key))
            self._fetching.add(fetching)
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
            return self._blobs.open(waiting.blob.key, waiting.blob.size)
        try:
            return BytesIO(await waiting.fetching)
        finally:
            self._fetching.discard(waiting.fetching)

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
        self._fetching.clear()
