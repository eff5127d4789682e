"""Who did what, recorded before he has all of the answer (PS3.15 A.5).

What cannot be recorded does not happen: no answer but an error goes out before its record is on disk. Of the
parts of a study that a viewer asks for by the thousand there is one record in a minute.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Final

from isthmus.common.access.patients import Patients
from isthmus.common.bus import Bus
from isthmus.common.bus.audit import audit
from isthmus.common.config.networks import counted_as
from isthmus.common.messages import BlobRef
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditRecord

PARTS_SECONDS: Final = 60.0
"""For so long one record stands for all parts of a study that somebody reads, or for many refusals."""
REFUSALS: Final = 100
"""Of one address within a minute: so many are a record each, and of more each hundredth, which tells of them.

Else whoever has no credential could fill the disk with records, and so have everybody refused.
"""
MOST_STUDIES: Final = 1_000
"""Of one request, that are named."""
MOST_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class Notes:
    """What an answer is about beside what its URL says; whoever makes it adds to this."""

    first: BlobRef | None = None
    """The first instance that was read."""
    instances: int = 0
    """How many were read."""
    studies: dict[str, None] = field(default_factory=dict)
    """Study Instance UIDs of what was read, in their order."""
    _last: str = ""

    def read(self, blob: BlobRef) -> None:
        """Note an instance that is read; one that passes several readers counts once."""
        if self.first is None:
            self.first = blob
        if blob.sop_instance_uid != self._last:
            self._last = blob.sop_instance_uid
            self.instances += 1
            if len(self.studies) < MOST_STUDIES:
                self.studies[blob.study_instance_uid] = None


_notes: ContextVar[Notes | None] = ContextVar("audit_notes", default=None)


def open_notes() -> Notes:
    """Begin to note what is read from here on, in this task and in those that it starts."""
    notes = Notes()
    _notes.set(notes)
    return notes


def noted(blob: BlobRef) -> BlobRef:
    """Note that an instance is read, if anybody wants to know."""
    notes = _notes.get()
    if notes is not None:
        notes.read(blob)
    return blob


class AuditTrail:
    """Writes the records of a service."""

    def __init__(self, bus: Bus, service: str, patients: Patients | None = None) -> None:
        """Prepare.

        Args:
            bus: where the stream is.
            service: which of the services this is.
            patients: tells whose studies are; without it nobody does.
        """
        self._bus = bus
        self.service: Final = service
        self._patients = patients
        self._refusals: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """By what an address is counted as: until when they count together, and how many there were."""
        self._lately: OrderedDict[tuple[str, ...], tuple[float, asyncio.Task[None]]] = OrderedDict()

    async def write(self, record: AuditRecord) -> None:
        """Write a record; it is on disk when this returns.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        await audit(self._bus, replace(record, service=self.service))

    async def write_once(
        self, record: AuditRecord, key: tuple[str, ...], first: BlobRef | None = None
    ) -> None:
        """Write a record, unless one with this key was written within the last minute.

        Args:
            record: it.
            key: what is alike of those that it stands for.
            first: an instance of its study, which tells whose that is if the record does not.

        Raises:
            BusUnavailable: NATS does not take it; then the next one of this key is written.
        """
        now = time.monotonic()
        until, writing = self._lately.get(key, (0.0, None))
        if writing is None or now >= until or (writing.done() and _has_failed(writing)):
            writing = asyncio.create_task(self._write_with_patients(record, first))
            writing.add_done_callback(_has_failed)  # that it was looked at: who waited may be gone
            self._lately[key] = now + PARTS_SECONDS, writing
            self._lately.move_to_end(key)
            while len(self._lately) > MOST_REMEMBERED:
                self._lately.popitem(last=False)
        # Shielded: others wait for it too, and he who leaves has seen something perhaps.
        await asyncio.shield(writing)

    async def write_refusal(self, record: AuditRecord) -> None:
        """Write a record of what was refused; of very many of one address one stands for several.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        now = time.monotonic()
        address = counted_as(record.address)
        until, count = self._refusals.pop(address, (0.0, 0))
        if now >= until:
            until, count = now + PARTS_SECONDS, 0
        self._refusals[address] = until, count + 1
        while len(self._refusals) > MOST_REMEMBERED:
            self._refusals.popitem(last=False)
        if count >= REFUSALS:
            if (count + 1) % REFUSALS:
                return
            record = replace(record, reason=f"{record.reason}, and {REFUSALS - 1} before it")
        await self.write(record)

    async def _write_with_patients(self, record: AuditRecord, first: BlobRef | None) -> None:
        if record.studies and not record.patients:
            patients = await self.patients_of(record.origin, record.studies[0], first)
            record = replace(record, patients=patients)
        await self.write(record)

    async def patients_of(self, origin: str, study: str, blob: BlobRef | None) -> tuple[str, ...]:
        """Give the Patient IDs of a study, as far as they are at hand."""
        if self._patients is None:
            return ()
        return self._patients.known(origin, study) if blob is None else await self._patients.of(origin, blob)

    async def learn_of_inbox(self, origin: str, study: str) -> None:
        """Find out whose a study in an inbox is, before it is deleted from there."""
        if self._patients is not None:
            await self._patients.learn_of_inbox(origin, study)

    async def storing(self, record: AuditRecord, blobs: Sequence[BlobRef]) -> dict[str, AuditRecord]:
        """Record that instances are about to go to an origin, and give a record of each study for the end.

        Args:
            record: who, and where from.
            blobs: the instances.

        Raises:
            BusUnavailable: NATS does not take it: they must not go.
        """
        studies: dict[str, list[BlobRef]] = {}
        for blob in blobs:
            studies.setdefault(blob.study_instance_uid, []).append(blob)
        records = {}
        for study, its in studies.items():
            patients = await self.patients_of(record.origin, study, its[0])
            records[study] = replace(record, studies=(study,), patients=patients, instances=len(its))
            begins = replace(
                records[study], event=AuditEvent.BEGIN_TRANSFERRING, action_code=ActionCode.EXECUTE
            )
            await self.write(begins)
        return records


def _has_failed(writing: "asyncio.Task[None]") -> bool:
    return writing.cancelled() or writing.exception() is not None
