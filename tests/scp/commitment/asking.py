"""What tests of storage commitment do again and again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from queue import Queue
from uuid import uuid4

from pydicom.dataset import Dataset

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.config import Inbox
from isthmus.common.config.arriving import Caller
from isthmus.common.inbox.contents import Contents, ContentsStore, Row
from isthmus.common.inbox.state import States
from isthmus.common.messages import BlobRef
from tests.scp.modality import (
    CT,
    MODALITY,
    Modality,
    Result,
    ask,
)
from tests.waiting import PATIENCE, until

EXPLICIT = "1.2.840.10008.1.2.1"
Deposit = Callable[[str], Awaitable[str]]


def transaction() -> str:
    return f"2.25.{uuid4().int}"


@contextmanager
def reachable(port: int) -> Iterator[tuple[Caller, ...]]:
    yield (Caller(ae_title=MODALITY, host="127.0.0.1", port=port),)


async def get(results: "Queue[Result]") -> Result:
    return await asyncio.to_thread(results.get, True, PATIENCE)


async def waiting(bus: Bus, inbox: Inbox) -> int:
    """How many requests of an inbox are in the work queue."""
    info = await bus.jetstream.streams_info()
    assert any(one.config.name == streams.COMMITMENTS for one in info)
    state = (
        await bus.jetstream.stream_info(streams.COMMITMENTS, subjects_filter=subjects.commits(inbox.name))
    ).state
    return sum((state.subjects or {}).values())


async def nothing_waits(bus: Bus, inbox: Inbox) -> None:
    """Wait until the work queue is empty."""
    await until(lambda: waiting(bus, inbox), lambda number: number == 0)


async def listed(bus: Bus, blobs: BlobStore, inbox: Inbox, study: str, *instances: str) -> None:
    """Put instances into S3 and into a study's list, of which no event tells."""
    rows = {}
    for instance in instances:
        key = f"inbox/{inbox.name}/{study}/1.9/{instance}/digest.dcm"
        await blobs.put(key, b"bytes")
        blob = BlobRef(blobs.bucket, key, 5, study, "1.9", instance, CT, EXPLICIT)
        rows[instance] = Row(blob, "digest", 1.0, {})
    states, contents = States(bus), ContentsStore(blobs)
    found = await states.get(inbox.name, study)
    key = await contents.save(inbox.name, study, Contents(rows))
    assert await states.put(replace(found.state, contents=key), found.revision)


def request(port: int, modality: Modality, *data: Dataset) -> list[int]:
    with modality.associated(port) as association:
        return [int(ask(association, one).Status) for one in data]
