"""A C-STORE that arrives: into S3, then to whoever wants it, and only then a status (PS3.4 B.2)."""

from contextlib import aclosing
from typing import Final

from isthmus.common.blobs import PART, BlobStore, held_key
from isthmus.common.bus import Bus
from isthmus.common.bus.received import offer
from isthmus.common.config import Inbox
from isthmus.common.dicom.statuses import (
    DATA_SET_MISMATCH,
    DUPLICATE_SOP_INSTANCE,
    INVALID_SOP_INSTANCE,
    NOT_AUTHORIZED,
    SUCCESS,
    meaning,
)
from isthmus.common.errors import NoWorker
from isthmus.common.inbox.addressable import unaddressable
from isthmus.common.inbox.deposit import Deposits, Incoming
from isthmus.common.messages import Received
from isthmus.scp.sender import Sender
from isthmus.scp.storing.answer import Answer
from isthmus.scp.storing.arrived import Arrived
from isthmus.scp.storing.budget import Budget
from isthmus.scp.storing.store_through import StoreThrough

ANSWER_SECONDS: Final = 75.0
"""For one C-STORE: S3 has 30 s for each of its steps, whoever asked has 5."""
PART_SECONDS: Final = 30.0
"""More, for each further part that a large one is written in."""
_SLOWER_THAN_A_LOOK: Final = 64 * 1024
"""Bytes from which on writing takes longer than looking what is there; up to PART it is one request, which
leaves what is there where it fails."""


class Receiver:
    """Takes what arrives."""

    def __init__(
        self,
        bus: Bus,
        blobs: BlobStore,
        deposits: Deposits,
        budget: Budget,
        through: StoreThrough,
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._deposits = deposits
        self._budget = budget
        self._through = through

    def seconds_for(self, sender: Sender, size: int) -> float:
        """Give how long the answer to a C-STORE of so many bytes may take."""
        if sender.origin is not None and sender.inbox is None:
            return self._through.seconds_for(sender.origin, size)
        return ANSWER_SECONDS + PART_SECONDS * (size // PART)

    async def receive(self, sender: Sender, arrived: Arrived) -> Answer:
        """Store an instance where its sender wants it, and give the sender's answer.

        The status is Success only after S3 has it and its event is in the stream, or the origin that was
        called says so, or, of what we asked for ourselves, whoever asked has taken note. Waits while too many
        bytes are on their way into S3.

        Raises:
            MalformedDataset: it breaks off.
            NoDestination: it is for all origins as one, and nobody said which of them takes it.
            UnavailableError: S3, NATS, or whoever asked, did not answer in time.
        """
        if sender.origin is not None and sender.inbox is None:
            return await self._through.store(sender.origin, sender, arrived)
        async with self._budget.taken(arrived.size):
            if sender.inbox is not None:
                return await self._deposit(sender.inbox, sender, arrived)
            return await self._offer_to_all(sender, arrived)

    async def _deposit(self, inbox: Inbox, sender: Sender, arrived: Arrived) -> Answer:
        mismatch = arrived.command.mismatch(arrived.identity)
        if mismatch is not None:
            return Answer.of(DATA_SET_MISMATCH, mismatch)
        out_of_reach = unaddressable(arrived.identity)
        if out_of_reach is not None:
            return Answer.of(INVALID_SOP_INSTANCE, out_of_reach)
        # First: its event may be out although we fail behind it.
        sender.brought.add(arrived.identity.study_instance_uid)

        async def incoming() -> Incoming:
            description = await arrived.described()
            return Incoming(
                identity=arrived.identity,
                transfer_syntax_uid=arrived.command.transfer_syntax_uid,
                digest=description.digest,
                size=arrived.size,
                attributes=description.attributes,
                calling_ae_title=sender.calling_ae_title,
                association=sender.association,
            )

        deposited = await self._deposits.deposit_described_later(
            inbox,
            arrived.identity,
            incoming,
            lambda key: self._blobs.put(key, arrived.file),
            may_rewrite=_SLOWER_THAN_A_LOOK <= arrived.size <= PART,
        )
        if deposited.is_duplicate_uid:
            return Answer.of(DUPLICATE_SOP_INSTANCE, "There is other content under this SOP Instance UID")
        return Answer(SUCCESS)

    async def _offer_to_all(self, sender: Sender, arrived: Arrived) -> Answer:
        """Store it for the origin that somebody retrieves it from; 0124 if nobody asked."""
        origins = sender.sends_for
        if not origins:
            return Answer.of(NOT_AUTHORIZED, "The calling AE title is that of no configured origin")
        for origin in origins:
            status = await self._offer(origin, sender, arrived)
            if status is not None:
                return Answer.of(status, meaning(status))
        return Answer.of(NOT_AUTHORIZED, "Nobody asked for an instance of this study")

    async def _offer(self, origin: str, sender: Sender, arrived: Arrived) -> int | None:
        """Put it into S3 and ask whoever retrieves from this origin; None if nobody does."""
        identity = arrived.identity
        study = identity.study_instance_uid
        digest = (await arrived.described()).digest
        key = held_key(origin, study, identity.series_instance_uid, identity.sop_instance_uid, digest)
        # The same bytes may be there already, because a retrieve brought them: those are not ours to delete.
        keep = (origin, study) in sender.wanted or await self._is_there(key)
        await self._blobs.put(key, arrived.file)
        blob = arrived.ref(self._blobs.bucket, key)
        try:
            answer = await offer(self._bus, origin, study, Received(blob, sender.calling_ae_title))
        except NoWorker:
            if not keep:
                await self._blobs.delete(key)
            return None
        sender.wanted.add((origin, study))
        return answer.status

    async def _is_there(self, key: str) -> bool:
        async with aclosing(self._blobs.list(key)) as listed:
            return await anext(listed, None) is not None
