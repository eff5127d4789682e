"""A C-STORE that arrives: into S3, then to whoever wants it, and only then a status (PS3.4 B.2)."""

import asyncio
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from isthmus.common.blobs import PART, BlobStore, digest_of, held_key, size_of
from isthmus.common.bus import Bus, subjects
from isthmus.common.config import Inbox
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.part10 import Identity, check_ending, file_header, identify
from isthmus.common.dicom.raw_bytes import RawBytes
from isthmus.common.dicom.statuses import (
    DATA_SET_MISMATCH,
    DUPLICATE_SOP_INSTANCE,
    INVALID_SOP_INSTANCE,
    NOT_AUTHORIZED,
    SUCCESS,
    error_comment,
    meaning,
)
from isthmus.common.dicom.summary_attributes import summary_attributes
from isthmus.common.dimse import Category, category
from isthmus.common.errors import NoWorker
from isthmus.common.inbox.addressable import unaddressable
from isthmus.common.inbox.deposit import Deposits, Incoming
from isthmus.common.messages import BlobRef, Received, ReceivedAnswer
from isthmus.scp.budget import Budget
from isthmus.scp.callers import Callers
from isthmus.scp.sender import Sender

LONGEST_UID: Final = 64
"""PS3.5 9.1: where a command is cut off that holds a longer one."""
_SLOWER_THAN_A_LOOK: Final = 64 * 1024
"""Bytes from which on writing takes longer than looking what is there; up to PART it is one request, which
leaves what is there where it fails."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a C-STORE-RQ says of its data set (PS3.7 9.3.1.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    """Of its presentation context."""

    def mismatch(self, identity: Identity) -> str | None:
        """Name what the data set has otherwise; None where they agree.

        A UID that is too long is cut in commands by some, and then is the beginning of the data set's.
        """
        if self.sop_class_uid != identity.sop_class_uid:
            return "The data set has another SOP Class UID than the command"
        whole, told = identity.sop_instance_uid, self.sop_instance_uid
        if told != whole and not (len(told) >= LONGEST_UID and whole.startswith(told)):
            return "The data set has another SOP Instance UID than the command"
        return None


@dataclass(frozen=True, slots=True)
class Description:
    """What takes its time to find out of an instance."""

    digest: str
    """SHA-256 of the Part 10 file, in hex."""
    attributes: DicomJson
    """For searches; empty where nobody will search here."""


class Arrived:
    """An instance as it came, and which it is."""

    def __init__(self, sender: Sender, data: RawBytes, command: Command) -> None:
        """Find out which it is: by its data set, for the command may cut UIDs.

        Raises:
            MalformedDataset: it is no data set, or lacks a UID.
        """
        self._head = data.head()
        self._is_searched = sender.inbox is not None
        self._description: Future[Description] = Future()
        self.command: Final = command
        self.identity: Final = identify(self._head, command.transfer_syntax_uid)
        header = file_header(
            sop_class_uid=self.identity.sop_class_uid,
            sop_instance_uid=self.identity.sop_instance_uid,
            transfer_syntax_uid=command.transfer_syntax_uid,
            # The same instance from two senders is to be the same bytes; the event says who sent it.
            source_ae_title=None if self._is_searched else sender.calling_ae_title,
        )
        self.file: Final = (header, data)
        """The pieces of the Part 10 file: its header, and the data set as it came."""
        self.size: Final = size_of(self.file)
        """Of the file, in bytes."""

    def describe(self) -> None:
        """Find out what else there is to know, in a thread, while the loop looks what is there already."""
        if not self._description.set_running_or_notify_cancel():
            return  # nobody wants to know any more
        try:
            self._description.set_result(Description(digest_of(self.file), self._attributes()))
        except Exception as error:  # noqa: BLE001 - of whoever waits for it
            self._description.set_exception(error)

    def _attributes(self) -> DicomJson:
        if not self._is_searched:
            return {}
        _, data = self.file
        syntax = self.command.transfer_syntax_uid
        check_ending(self._head, data.size, syntax)
        return summary_attributes(self._head, syntax)

    async def described(self) -> Description:
        """Wait for what `describe` finds out.

        Raises:
            MalformedDataset: it goes into an inbox, and breaks off.
        """
        return await asyncio.wrap_future(self._description)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes into the C-STORE response."""

    status: int
    error_comment: str = ""

    @classmethod
    def of(cls, status: int, reason: str) -> "Answer":
        """Give a status, with the reason where it is a failure."""
        failed = category(status) is Category.FAILURE
        return cls(status, error_comment(reason) if failed else "")


class Receiver:
    """Takes what arrives."""

    def __init__(
        self, bus: Bus, blobs: BlobStore, callers: Callers, deposits: Deposits, budget: Budget
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._callers = callers
        self._deposits = deposits
        self._budget = budget

    async def receive(self, sender: Sender, arrived: Arrived) -> Answer:
        """Store an instance where its sender wants it, and give the sender's answer.

        The status is Success only after S3 has it and its event is in the stream, or, of what we asked for
        ourselves, whoever asked has taken note. Waits while too many bytes are on their way into S3.

        Raises:
            UnavailableError: S3, NATS, or whoever asked, did not answer in time.
        """
        async with self._budget.taken(arrived.size):
            if sender.inbox is not None:
                return await self._deposit(sender.inbox, sender, arrived)
            if sender.origin is not None:
                return Answer.of(NOT_AUTHORIZED, "Nothing can be stored at this origin")
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
        origins = self._callers.origins_of(sender.calling_ae_title)
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
        blob = BlobRef(
            bucket=self._blobs.bucket,
            key=key,
            size=arrived.size,
            study_instance_uid=study,
            series_instance_uid=identity.series_instance_uid,
            sop_instance_uid=identity.sop_instance_uid,
            sop_class_uid=identity.sop_class_uid,
            transfer_syntax_uid=arrived.command.transfer_syntax_uid,
        )
        try:
            answer = await self._bus.request(
                subjects.received(origin, study), Received(blob, sender.calling_ae_title), ReceivedAnswer
            )
        except NoWorker:
            if not keep:
                await self._blobs.delete(key)
            return None
        sender.wanted.add((origin, study))
        return answer.status

    async def _is_there(self, key: str) -> bool:
        async with aclosing(self._blobs.list(key)) as listed:
            return await anext(listed, None) is not None
