"""DICOM objects, each in the transfer syntax in which its client takes it."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final, NamedTuple

from isthmus.common.blobs import BlobStore
from isthmus.common.derived.transcoded import Transcoded, obtainable
from isthmus.common.dicomweb.accept import Choice
from isthmus.common.errors import NotDelivered
from isthmus.common.messages import BlobRef
from isthmus.wado.sources.streams import Fetch

WHOLE_BYTES: Final = 4 * 1024 * 1024
"""Larger blobs are not fetched ahead but streamed; so a client costs 16 MiB at most."""


class Sent(NamedTuple):
    """An object as the client gets it."""

    blob: BlobRef
    content: bytes | None
    """Its bytes, where they were fetched ahead."""


class Objects:
    """The objects of one answer."""

    def __init__(self, choice: Choice, transcoded: Transcoded, fetch: Fetch) -> None:
        """Give what the client has chosen.

        Args:
            choice: What it takes.
            transcoded: Those that are not sent as they are held.
            fetch: Gives the bytes of a blob.
        """
        self._choice = choice
        self._transcoded = transcoded
        self._fetch = fetch
        self._syntaxes: dict[str, tuple[str, ...]] = {}

    def syntaxes(self, blob: BlobRef) -> tuple[str, ...]:
        """Give the transfer syntaxes in which an object may go, the best first.

        Raises:
            NotAcceptable: there is none.
        """
        held = blob.transfer_syntax_uid
        if held not in self._syntaxes:
            self._syntaxes[held] = self._choice.syntaxes(obtainable(held))
        return self._syntaxes[held]

    def go_as_held(self, blobs: Iterable[BlobRef]) -> bool:
        """Tell whether all of them go as they are held.

        Raises:
            NotAcceptable: one of them cannot go at all.
        """
        as_held = [self.syntaxes(blob)[0] == blob.transfer_syntax_uid for blob in blobs]
        return all(as_held)

    async def given(self, blob: BlobRef) -> BlobRef:
        """Give an object as it goes; raises what `syntaxes` and `Transcoded.given` do.

        One that cannot be read goes as it is held to whoever takes any: there is no other way to get it.
        """
        try:
            return await self._transcoded.given(blob, self.syntaxes(blob))
        except NotDelivered:
            if self._choice.takes_any:
                return blob
            raise

    async def fetched(self, given: BlobRef) -> Sent:
        """Give an object that goes, with its bytes unless they are too many.

        Raises:
            StoreUnavailable: S3 does not give it.
        """
        return Sent(given, await self._fetch(given) if given.size <= WHOLE_BYTES else None)

    async def send(self, blob: BlobRef) -> Sent:
        """Give an object as it goes, with its bytes unless they are too many; raises as both of the above."""
        return await self.fetched(await self.given(blob))


async def content(blobs: BlobStore, sent: Sent) -> AsyncGenerator[bytes, None]:
    """Give the bytes of an object, in constant memory."""
    if sent.content is not None:
        yield sent.content
        return
    async with aclosing(blobs.stream(sent.blob.key)) as chunks:
        async for chunk in chunks:
            yield chunk
