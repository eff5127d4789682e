"""The metadata of a request: kept until the bulkdata are there, then made into instances."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from isthmus.common.errors import MalformedDataset, TooLarge
from isthmus.common.pixels.errors import PixelsError
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.stow.composing import Composed, Refused, compose
from isthmus.stow.parts import Kind, Located, PayloadPart, absolute

LARGE_BYTES: Final = 256 * 1024
"""A part of more than this is read in a worker process: in a thread it would hold up the loop."""


@dataclass(frozen=True, slots=True)
class _Kept:
    data: bytes
    kind: Kind
    base: str


@dataclass(slots=True)
class Metadata:
    """What there is of metadata in a request."""

    processes: PixelProcesses
    base: str
    """The URL of the request, which makes relative locations absolute."""
    most_bytes: int
    """Of all parts together, which are in memory until the end of the request."""
    _parts: list[_Kept] = field(default_factory=list)
    _size: int = 0

    async def take(self, part: PayloadPart) -> None:
        """Keep a part.

        Raises:
            TooLarge: they are too many.
            UnreadablePayload: the body ended in this part; it is as if it had not come.
        """
        chunks = []
        async for chunk in part.content:
            self._size += len(chunk)
            if self._size > self.most_bytes:
                raise TooLarge(f"The metadata of the request have more than {self.most_bytes} bytes")
            chunks.append(chunk)
        self._parts.append(_Kept(b"".join(chunks), part.kind, absolute(self.base, part.location or "")))

    async def instances(self, located: Located) -> AsyncIterator[list[Composed | Refused] | MalformedDataset]:
        """Give the instances of each part, or why it cannot be read.

        Args:
            located: All bulkdata of the request.
        """
        for part in self._parts:
            try:
                if len(part.data) > LARGE_BYTES:
                    yield await self.processes.run(compose, part.data, part.kind, located, part.base)
                else:
                    yield await asyncio.to_thread(compose, part.data, part.kind, located, part.base)
            except MalformedDataset as error:
                yield error
            except PixelsError as error:
                yield MalformedDataset(f"The metadata cannot be read: {error.detail}")
