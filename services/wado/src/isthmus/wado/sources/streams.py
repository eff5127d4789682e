"""The streams of blobs to clients: what several of them read at the same time is fetched once."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.reads import Reads
from isthmus.common.derived.shared import Shared
from isthmus.common.messages import BlobRef

ROOM: Final = 64 * 1024 * 1024
"""Bytes that are kept for the streams that are behind the others."""

Fetch = Callable[[BlobRef], Coroutine[None, None, bytes]]
"""Gives a blob; raises what `BlobStore.get` does."""


class Streams:
    """All streams of this process.

    One alone keeps nothing: memory that was just used is the fastest, and there is nobody to keep it for.
    """

    def __init__(self, blobs: BlobStore) -> None:
        """Nobody streams yet."""
        self._blobs = blobs
        self._shared = Shared(ROOM)
        self._open = 0

    @contextmanager
    def stream(self) -> Iterator[Fetch]:
        """Give what fetches the blobs of one stream, as long as it lasts."""
        self._open += 1
        try:
            with Reads.together() as reads:
                yield partial(self._fetch, reads)
        finally:
            self._open -= 1
            if self._open <= 1:
                self._shared.clear()

    async def _fetch(self, reads: Reads, blob: BlobRef) -> bytes:
        get = partial(self._blobs.get_in, reads, blob.key)
        return await (get() if self._open == 1 else self._shared.get(blob.key, get))
