"""Studies of inboxes as `arrivals` leaves them: the blobs, the list, the record."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from isthmus.common.blobs import BlobStore, inbox_key
from isthmus.common.bus import Bus
from isthmus.common.config import Conflicts, Inbox
from isthmus.common.config.origins import Protocol
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.merge import Happened, merge
from isthmus.common.inbox.state import Arrival, States, StudyState
from isthmus.common.messages.events import Blob, InstanceEvent
from isthmus.web_scu.inbox.head import incoming


def inbox_of(name: str) -> Inbox:
    """Give an inbox with its defaults."""
    return Inbox(name=name, protocol=Protocol.INBOX, ae_title="INBOX")


def study_of(file: Path) -> str:
    """Give the Study Instance UID of a file."""
    return incoming(file.read_bytes(), 0, "").identity.study_instance_uid


async def event_of(blobs: BlobStore, inbox: str, data: bytes, life: int = 0) -> InstanceEvent:
    """Put an instance into S3, and give the event that says so."""
    digest = hashlib.sha256(data).hexdigest()
    one = incoming(data, len(data), digest)
    uids = one.identity
    key = inbox_key(
        inbox,
        uids.study_instance_uid,
        uids.series_instance_uid,
        uids.sop_instance_uid,
        digest,
        life,
    )
    await blobs.put(key, data)
    return InstanceEvent(
        inbox,
        uids.study_instance_uid,
        uids.series_instance_uid,
        uids.sop_instance_uid,
        uids.sop_class_uid,
        one.transfer_syntax_uid,
        digest,
        Blob(blobs.bucket, key, len(data)),
        "",
        one.attributes,
    )


async def arrived(
    bus: Bus, blobs: BlobStore, inbox: str, files: Sequence[Path | bytes], arrival: Arrival | None = None
) -> list[StudyState]:
    """Let files have arrived; gives the records of their studies."""
    states, lists = States(bus), ContentsStore(blobs)
    by_study: dict[str, list[InstanceEvent]] = {}
    for file in files:
        event = await event_of(blobs, inbox, file if isinstance(file, bytes) else file.read_bytes())
        by_study.setdefault(event.study, []).append(event)
    written = []
    for study, events in by_study.items():
        found = await states.get(inbox, study)
        contents = await lists.load(found.state.contents)
        happened = [Happened(event, 1000.0 + place) for place, event in enumerate(events)]
        merged = merge(found.state, contents, happened, Conflicts.NEWEST)
        key = await lists.save(inbox, study, merged.contents)
        state = replace(merged.state, contents=key)
        if arrival is not None:
            state = replace(state, arrival=replace(arrival, announced=key))
        assert await states.put(state, found.revision) is not None
        written.append(state)
    return written
