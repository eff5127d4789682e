"""The parts of a request, each into the spool, or named with the reason why not."""

from collections.abc import AsyncGenerator, AsyncIterator

from isthmus.common.errors import UnreadablePayload
from isthmus.stow.response import CANNOT_UNDERSTAND, STUDY_MISMATCH, Outcome
from isthmus.stow.spool import Head, Spool, read_head

Parts = AsyncGenerator[AsyncIterator[bytes], None]


class Received:
    """What there was in a request."""

    def __init__(self) -> None:
        self.instances: list[Outcome | int] = []
        """In the order of the parts: why one is not sent, or its place among the spool's refs."""
        self.unreadable = 0
        """Parts that are no DICOM objects."""

    async def take(self, part: AsyncIterator[bytes], spool: Spool, study: str | None) -> None:
        """Take one part, whatever it is.

        Raises:
            UnreadablePayload: the body ended in it, or cannot be read any further; it is accounted for.
        """
        head = await read_head(part)
        if head is None:
            self.unreadable += 1
        elif study not in (None, head.identity.study_instance_uid):
            self.instances.append(_outcome(head, STUDY_MISMATCH))
        else:
            await self._spool(head, part, spool)
        async for _ in part:
            pass

    async def _spool(self, head: Head, part: AsyncIterator[bytes], spool: Spool) -> None:
        try:
            await spool.add(head, part)
        except UnreadablePayload:
            self.instances.append(_outcome(head, CANNOT_UNDERSTAND))
            raise
        self.instances.append(len(spool.refs) - 1)


async def receive(parts: Parts, spool: Spool, study: str | None) -> Received:
    """Spool what is to be sent: of a body that breaks off, all parts before.

    Args:
        parts: the payload.
        spool: takes them.
        study: the Study Instance UID that all of them must have, if any.

    Raises:
        UnreadablePayload: nothing in it can be read.
        StoreUnavailable: S3 does not take them.
    """
    received = Received()
    failure = UnreadablePayload("No part of the payload is a DICOM object")
    try:
        while (part := await _next(parts, received)) is not None:
            await received.take(part, spool, study)
    except UnreadablePayload as error:
        failure = error
    if not received.instances:
        raise failure
    return received


async def _next(parts: Parts, received: Received) -> AsyncIterator[bytes] | None:
    try:
        return await anext(parts, None)
    except UnreadablePayload:
        # There was to be another part, or the closing delimiter: its absence must not look like success.
        received.unreadable += 1
        raise


def _outcome(head: Head, status: int) -> Outcome:
    identity = head.identity
    return Outcome(
        identity.study_instance_uid,
        identity.series_instance_uid,
        identity.sop_instance_uid,
        identity.sop_class_uid,
        status,
    )
