"""S3 or NATS killed while a modality sends: what got no Success is sent again, and then all is there."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import BytesIO
from pathlib import Path

import pytest

from isthmus.cli.embedded import EmbeddedS3
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.dicom.statuses import OUT_OF_RESOURCES, SUCCESS
from isthmus.common.dimse import Association, Context
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp.worker import serving
from tests.common.bus.server import Server
from tests.scp.conftest import CT, EXPLICIT, INBOX, peer
from tests.scp.stream import instance_events

S3_SECONDS = 0.5
"""Patience with S3, instead of the 30 s of a real scp."""
INSTANCES = ["1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"]


Away = AbstractAsyncContextManager[None]
Site = tuple[Parts, Callable[[], Away]]
"""What an scp stands on, and what kills a part of that and starts it again."""


@pytest.fixture
async def own_s3(tmp_path: Path, parts: Parts) -> AsyncIterator[Site]:
    s3 = EmbeddedS3(tmp_path / "s3")
    threads = Threads("own-s3", 4)
    await s3.__aenter__()
    blobs = BlobStore(
        s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads, deadline=S3_SECONDS
    )

    async def kill() -> None:
        os.kill(s3.pid, signal.SIGKILL)  # it takes its time to stop
        await s3.__aexit__(None, None, None)

    @asynccontextmanager
    async def away() -> AsyncIterator[None]:
        await kill()
        yield
        await s3.__aenter__()

    yield Parts(parts.settings, parts.bus, blobs), away
    blobs.close()
    threads.close()
    await kill()


@pytest.fixture
async def own_nats(tmp_path: Path, parts: Parts) -> AsyncIterator[Site]:
    nats = Server(tmp_path / "nats")
    await nats.start()
    bus = await Bus.connect(nats.settings, "test")

    @asynccontextmanager
    async def away() -> AsyncIterator[None]:
        await nats.kill()
        yield
        await nats.start()

    yield Parts(parts.settings, bus, parts.blobs), away
    await bus.close()
    await nats.stop()


async def test_what_s3_did_not_take_is_there_after_the_repeat_and_told_once(
    own_s3: Site, inbox: Inbox, dataset: Callable[..., bytes]
) -> None:
    await _send_and_repeat(*own_s3, inbox, dataset)


async def test_what_nats_did_not_take_is_there_after_the_repeat_and_told_once(
    own_nats: Site, inbox: Inbox, dataset: Callable[..., bytes]
) -> None:
    await _send_and_repeat(*own_nats, inbox, dataset)


async def _send_and_repeat(
    parts: Parts, away: Callable[[], Away], inbox: Inbox, dataset: Callable[..., bytes]
) -> None:
    async with serving(parts) as server:
        association = await asyncio.to_thread(
            Association.open, peer(server, called=INBOX), [Context(CT, (EXPLICIT,))]
        )

        async def store(uid: str) -> tuple[int, bool]:
            """Give the status, and whether it has an Error Comment."""
            result = await asyncio.to_thread(
                association.store,
                BytesIO(dataset(instance=uid)),
                sop_class_uid=CT,
                sop_instance_uid=uid,
                transfer_syntax_uid=EXPLICIT,
            )
            return result.status, bool(result.error_comment)

        assert await store(INSTANCES[0]) == (SUCCESS, False)
        async with away():
            assert await store(INSTANCES[1]) == (OUT_OF_RESOURCES, True)
        assert [await store(uid) for uid in INSTANCES] == [(SUCCESS, False)] * len(INSTANCES)
        await asyncio.to_thread(association.release)
    events = [event.data for event in await instance_events(parts.bus, inbox.name)]
    assert sorted(event.instance for event in events) == INSTANCES
    for event in events:
        assert (await parts.blobs.get(event.blob.key)).endswith(dataset(instance=event.instance))
