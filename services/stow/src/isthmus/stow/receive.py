"""The parts of a request, each into the spool, or named with the reason why not."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Final

from isthmus.common.dicom.from_json import Piece, Stretch
from isthmus.common.dicom.part10 import Identity
from isthmus.common.errors import MalformedDataset, TooLarge, UnreadablePayload
from isthmus.stow.bulkdata import Bulkdata
from isthmus.stow.composing import Composed, Refused
from isthmus.stow.head import read_head
from isthmus.stow.metadata import Metadata
from isthmus.stow.parts import Kind, PayloadPart, break_off
from isthmus.stow.reasons import CANNOT_UNDERSTAND, STUDY_MISMATCH, UNUSED_BULKDATA
from isthmus.stow.response import Outcome
from isthmus.stow.spool import Spool

Parts = AsyncGenerator[PayloadPart, None]

MOST_NOTED_BYTES: Final = 64 * 1024 * 1024
"""Of what is remembered of parts beside their contents: a header of each may have 8 KiB."""
MOST_REPEATED_BYTES: Final = 1024 * 1024 * 1024
"""Of bulkdata to which more than one attribute refers, beyond the first: few bytes could fill any store."""
_NOTED_BYTES: Final = 256
"""Of a part without a location."""
_NOTHING: Final = "No part of the payload is a DICOM object, or metadata of one"


@dataclass(slots=True)
class Received:
    """What there was in a request."""

    instances: list[Outcome | int] = field(default_factory=list)
    """In the order of the parts: why one is not sent, or its place among the spool's refs."""
    others: list[int] = field(default_factory=list)
    """Failure Reasons of parts that name no instance."""


class Receiver:
    """Takes the parts of one request."""

    def __init__(self, spool: Spool, bulkdata: Bulkdata, metadata: Metadata, study: str | None) -> None:
        """Begin.

        Args:
            spool: Takes the instances.
            bulkdata: Takes the bulkdata.
            metadata: Takes the metadata.
            study: The Study Instance UID that all of them must have, if any.
        """
        self.received: Final = Received()
        self._spool = spool
        self._bulkdata = bulkdata
        self._metadata = metadata
        self._study = study
        self._failure = UnreadablePayload(_NOTHING)
        self._noted = 0
        self._written: set[Stretch] = set()
        self._repeated = 0

    async def receive(self, parts: Parts) -> Received:
        """Spool what is to be sent: of a body that breaks off, all parts before.

        Raises:
            UnreadablePayload: nothing in it can be read.
            TooLarge: there is more than can be kept of metadata, too many parts, or too much to write.
            StoreUnavailable: S3 does not take them.
        """
        try:
            while (part := await self._next(parts)) is not None:
                await self._take(part)
        except UnreadablePayload as error:
            self._failure = error
            break_off(self._bulkdata.located)
        await self._compose()
        if not self.received.instances:
            raise self._failure
        return self.received

    async def _next(self, parts: Parts) -> PayloadPart | None:
        try:
            return await anext(parts, None)
        except UnreadablePayload:
            # There was to be another part, or the closing delimiter: its absence must not look like success.
            self.received.others.append(CANNOT_UNDERSTAND)
            raise

    async def _take(self, part: PayloadPart) -> None:
        """Take a part; one in which the body ends is accounted for before that is raised."""
        if part.kind is Kind.OBJECT:
            await self._take_object(part)
            return
        self._noted += _NOTED_BYTES + len(part.location or "")
        if self._noted > MOST_NOTED_BYTES:
            raise TooLarge("The request has too many parts, or too long locations of them")
        try:
            if part.kind is not Kind.BULKDATA:
                await self._metadata.take(part)
            elif part.location is not None:
                await self._bulkdata.take(part, part.location)
            else:
                async for _ in part.content:
                    pass
                self.received.others.append(UNUSED_BULKDATA)
        except UnreadablePayload:
            self.received.others.append(CANNOT_UNDERSTAND)
            raise

    async def _take_object(self, part: PayloadPart) -> None:
        head = await read_head(part.content)
        if isinstance(head, MalformedDataset):
            self.received.others.append(CANNOT_UNDERSTAND)
            self._failure = head
        elif self._is_of_another_study(head.identity):
            self.received.instances.append(_outcome(head.identity, STUDY_MISMATCH))
        else:
            try:
                await self._spool.add(head, part.content)
            except UnreadablePayload:
                self.received.instances.append(_outcome(head.identity, CANNOT_UNDERSTAND))
                raise
            self._sent()
        async for _ in part.content:
            pass

    async def _compose(self) -> None:
        """Write the instances of which there are metadata, and name the bulkdata that none of them has."""
        used: set[str] = set()
        is_readable = False
        await self._spool.settled()
        async for instances in self._metadata.instances(self._bulkdata.located):
            if isinstance(instances, MalformedDataset):
                self.received.others.append(CANNOT_UNDERSTAND)
                self._failure = instances
                continue
            is_readable = True
            for instance in instances:
                used |= instance.used
                await self._write(instance)
        if is_readable:
            unused = self._bulkdata.located.keys() - used
            parts = sum(len(self._bulkdata.located[location]) for location in unused)
            self.received.others += [UNUSED_BULKDATA] * parts

    async def _write(self, instance: Composed | Refused) -> None:
        if isinstance(instance, Refused):
            if instance.identity is None:
                self.received.others.append(instance.reason)
            else:
                self.received.instances.append(_outcome(instance.identity, instance.reason, instance.detail))
        elif self._is_of_another_study(instance.identity):
            self.received.instances.append(_outcome(instance.identity, STUDY_MISMATCH))
        else:
            self._count_repeated(instance.dataset)
            await self._spool.write(instance.identity, instance.transfer_syntax_uid, instance.dataset)
            self._sent()

    def _count_repeated(self, dataset: Iterable[Piece]) -> None:
        for piece in dataset:
            if not isinstance(piece, Stretch):
                continue
            if piece in self._written:
                self._repeated += piece.length
            self._written.add(piece)
        if self._repeated > MOST_REPEATED_BYTES:
            raise TooLarge("The bulkdata of the request would be written too often")

    def _sent(self) -> None:
        self.received.instances.append(len(self._spool.refs) - 1)

    def _is_of_another_study(self, identity: Identity) -> bool:
        return self._study not in (None, identity.study_instance_uid)


def _outcome(identity: Identity, status: int, detail: str = "") -> Outcome:
    return Outcome(
        identity.study_instance_uid,
        identity.series_instance_uid,
        identity.sop_instance_uid,
        identity.sop_class_uid,
        status,
        detail,
    )
