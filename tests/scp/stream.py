"""What is in the streams of NATS."""

from typing import TypeVar

from nats.js.api import ConsumerConfig, DeliverPolicy

from isthmus.common.bus import Bus, subjects
from isthmus.common.messages import AssociationEnded, decode
from isthmus.common.messages.audit import AuditRecord
from isthmus.common.messages.cloud_events import from_json
from isthmus.common.messages.events import CloudEvent, EventType, InstanceEvent
from tests.documents.asyncapi import check

M = TypeVar("M")


async def _all(bus: Bus, stream: str, subject: str, least: int) -> list[bytes]:
    """Give all that was published; waits until it is so much at least."""
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
    reader = await bus.jetstream.pull_subscribe(subject, stream=stream, config=config)
    least = max(least, (await reader.consumer_info()).num_pending or 0)
    found: list[bytes] = []
    while len(found) < least:
        found.extend([message.data for message in await reader.fetch(least - len(found), timeout=20)])
    await reader.unsubscribe()
    return found


async def instance_events(bus: Bus, inbox: str, least: int = 0) -> list[CloudEvent[InstanceEvent]]:
    """Give the events of an inbox's instances; each is as docs/asyncapi.yaml describes it."""
    subject = subjects.event(EventType.INSTANCE_STORED, inbox)
    written = await _all(bus, "EVENTS", subject, least)
    for data in written:
        check(data)
    return [from_json(data) for data in written]


async def ends(bus: Bus, inbox: str, least: int = 0) -> list[AssociationEnded]:
    found = await _all(bus, "EVENTS", f"dicom.told.{subjects.token(inbox)}.*", least)
    return [decode(data, AssociationEnded) for data in found]


async def audited(bus: Bus, outcome: str, calling: str, least: int = 0) -> list[AuditRecord]:
    """What was recorded of a caller, whose AE title is the test's own."""
    found: list[AuditRecord] = []
    many = 0
    while len(found) < least or not many:
        many = max(many + 1, least)
        records = [
            decode(data, AuditRecord)
            for data in await _all(bus, "AUDIT", subjects.audits(service="scp", outcome=outcome), many)
        ]
        many = max(many, len(records))
        found = [record for record in records if record.calling_ae_title == calling]
    return found
