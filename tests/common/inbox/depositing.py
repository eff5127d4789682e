"""What goes into an inbox, and what is there then: for the tests of that."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.part10 import Identity
from isthmus.common.inbox.contents import Contents, ContentsStore, Row
from isthmus.common.inbox.deposit import Deposited, Incoming
from isthmus.common.inbox.state import States
from isthmus.common.messages import BlobRef
from isthmus.common.messages.events import CloudEvent, InstanceEvent
from tests.scp.stream import instance_events

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
NEW = Deposited(is_new=True)
REPEATED = Deposited(is_new=False)
REFUSED = Deposited(is_new=False, is_duplicate_uid=True)

Send = Callable[..., Awaitable[Deposited]]


def incoming(data: bytes, instance: str = "1.2.3.4") -> Incoming:
    identity = Identity("1.2.3", "1.2.3.9", instance, CT)
    attributes: DicomJson = {"00100020": {"vr": "LO", "Value": ["4711"]}}
    digest = hashlib.sha256(data).hexdigest()
    return Incoming(identity, EXPLICIT, digest, len(data), attributes, "CT1", "one")


async def events(bus: Bus, inbox: Inbox) -> list[CloudEvent[InstanceEvent]]:
    """Everything that was published of an inbox."""
    return await instance_events(bus, inbox.name)


async def held(blobs: BlobStore, inbox: Inbox) -> dict[str, bytes]:
    return {blob.key: await blobs.get(blob.key) async for blob in blobs.list(f"inbox/{inbox.name}/")}


async def listed(bus: Bus, blobs: BlobStore, inbox: Inbox, *, life: int = 0) -> None:
    """Do what `arrivals` does: list what was published, in its order."""
    rows: dict[str, Row] = {}
    for event in await events(bus, inbox):
        data = event.data
        blob = BlobRef(
            data.blob.bucket,
            data.blob.key,
            data.blob.size,
            data.study,
            data.series,
            data.instance,
            data.sop_class,
            data.transfer_syntax,
        )
        before = rows.get(data.instance)
        others = (*before.others, before.blob) if before else ()
        rows[data.instance] = Row(blob, data.digest, 0.0, {}, others)
    await record(bus, blobs, inbox, Contents(rows), life)


async def record(bus: Bus, blobs: BlobStore, inbox: Inbox, contents: Contents, life: int) -> None:
    states = States(bus)
    found = await states.get(inbox.name, "1.2.3")
    key = await ContentsStore(blobs).save(inbox.name, "1.2.3", contents) if contents.rows else None
    assert await states.put(replace(found.state, contents=key, life=life), found.revision)
