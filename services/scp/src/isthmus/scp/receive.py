"""A C-STORE that arrives: into S3, then to whoever asked for it, and only then a status (PS3.4 B.2)."""

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from isthmus.common.blobs import BlobStore, digest_of, held_key, size_of
from isthmus.common.bus import Bus, subjects
from isthmus.common.dicom.part10 import Identity, file_header, identify
from isthmus.common.dicom.raw_bytes import RawBytes
from isthmus.common.dicom.statuses import meaning
from isthmus.common.dimse import Category, category
from isthmus.common.dimse.status import NOT_AUTHORIZED
from isthmus.common.errors import NoWorker
from isthmus.common.messages import BlobRef, Received, ReceivedAnswer
from isthmus.scp.callers import Callers

LONGEST_COMMENT: Final = 64
"""Of an Error Comment (0000,0902), which is an LO."""


@dataclass(slots=True)
class Sender:
    """Who is at the other end of an association, and what was found out about what comes over it."""

    calling_ae_title: str
    wanted: set[tuple[str, str]] = field(default_factory=set)
    """Origin and Study Instance UID of what somebody asked for."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An instance as it came, and what it is."""

    header: bytes
    """The Part 10 header to go before it."""
    data: RawBytes
    """The data set."""
    digest: str
    """SHA-256 of both."""
    identity: Identity
    transfer_syntax_uid: str

    @classmethod
    def of(cls, sender: Sender, data: RawBytes, transfer_syntax_uid: str) -> "Arrived":
        """Find out what it is: by its data set, for the command may cut UIDs. It takes time: not on the loop.

        Raises:
            MalformedDataset: it is no data set, or lacks a UID.
        """
        identity = identify(data.head(), transfer_syntax_uid)
        header = file_header(
            sop_class_uid=identity.sop_class_uid,
            sop_instance_uid=identity.sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            source_ae_title=sender.calling_ae_title,
        )
        return cls(header, data, digest_of((header, data)), identity, transfer_syntax_uid)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes into the C-STORE response."""

    status: int
    error_comment: str = ""

    @classmethod
    def of(cls, status: int, reason: str) -> "Answer":
        """Give a status, with the reason where it is a failure."""
        failed = category(status) is Category.FAILURE
        return cls(status, reason[:LONGEST_COMMENT] if failed else "")


class Receiver:
    """Takes what arrives."""

    def __init__(self, bus: Bus, blobs: BlobStore, callers: Callers) -> None:
        self._bus = bus
        self._blobs = blobs
        self._callers = callers

    async def receive(self, sender: Sender, arrived: Arrived) -> Answer:
        """Store an instance for the origin that somebody retrieves it from, and give its sender's answer.

        The status is Success only after S3 has it and whoever asked has taken note; 0124 if nobody asked.

        Raises:
            UnavailableError: S3, or whoever asked, did not answer in time.
        """
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
        key = held_key(origin, study, identity.series_instance_uid, identity.sop_instance_uid, arrived.digest)
        # The same bytes may be there already, because a retrieve brought them: those are not ours to delete.
        keep = (origin, study) in sender.wanted or await self._is_there(key)
        data = (arrived.header, arrived.data)
        await self._blobs.put(key, data)
        blob = BlobRef(
            bucket=self._blobs.bucket,
            key=key,
            size=size_of(data),
            study_instance_uid=study,
            series_instance_uid=identity.series_instance_uid,
            sop_instance_uid=identity.sop_instance_uid,
            sop_class_uid=identity.sop_class_uid,
            transfer_syntax_uid=arrived.transfer_syntax_uid,
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
