"""Forwarding from one inbox into another, by the real workers of both."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from nats.js.errors import NotFoundError

from isthmus.arrivals.forwarding import forwarding
from isthmus.arrivals.forwarding.routing import CONSUMER
from isthmus.arrivals.retention.serve import Retention, Turn
from isthmus.arrivals.worker import arriving
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import inbox_prefix
from isthmus.common.bus import Bus, streams
from isthmus.common.bus.forwards import ForwardedStudies, is_pending
from isthmus.common.config import Inbox, Settings
from isthmus.common.config.arriving import Arrivals
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import States
from isthmus.common.service import Parts
from isthmus.web_scu.inbox.head import incoming
from isthmus.web_scu.worker import worker
from tests.arrivals.forwards import QUICK
from tests.arrivals.subscriber import Subscriber
from tests.common.inbox.studies import study_of
from tests.data_sets import make_series
from tests.waiting import until

QUIET = 0.8


class Pair:
    """Two inboxes: what arrives in the first goes into the second, and need not stay."""

    def __init__(self, bus: Bus, blobs: BlobStore, name: str) -> None:
        self.first, self.second = (
            Inbox.model_validate(
                {
                    "name": f"{name}-{number}",
                    "protocol": "inbox",
                    "ae_title": f"INBOX{number}",
                    "quiet_seconds": QUIET,
                    "delete_forwarded": number == 1,
                }
            )
            for number in (1, 2)
        )
        rules = [
            {"inbox": self.first.name, "to": [self.second.name]},
            {"inbox": self.second.name, "to": [self.first.name], "calling_ae_title": "SOMEBODY"},
        ]
        arrivals = Arrivals.model_validate({"forward": rules})
        self.parts = Parts(Settings(origins=(self.first, self.second), arrivals=arrivals), bus, blobs)
        self.bus = bus
        self.blobs = blobs

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let both inboxes and arrivals work."""
        with suppress(NotFoundError):
            await self.bus.jetstream.delete_consumer(streams.EVENTS, CONSUMER)
        async with worker(self.parts), arriving(self.parts), forwarding(self.parts, QUICK):
            yield

    async def send(self, files: list[Path]) -> None:
        """Let files come into the first inbox, as by C-STORE, at the same time."""
        deposits = Deposits(self.bus, self.blobs, "http://127.0.0.1")

        async def deposit(data: bytes) -> None:
            async def write(key: str) -> None:
                await self.blobs.put(key, data)

            one = incoming(data, len(data), hashlib.sha256(data).hexdigest())
            await deposits.deposit(self.first, one, write)

        await asyncio.gather(*(deposit(file.read_bytes()) for file in files))

    async def contents(self, inbox: Inbox, study: str) -> set[bytes]:
        """Give the bytes of all that is read of a study in an inbox."""
        _, contents = await read_study(States(self.bus), ContentsStore(self.blobs, 0), inbox.name, study)
        return {await self.blobs.get(row.blob.key) for row in contents.rows.values()}

    async def everywhere(self, study: str) -> None:
        """Wait until the study went to the second inbox."""
        studies = ForwardedStudies(self.bus)
        await until(lambda: studies.get(self.first.name, study, self.second.name), lambda went: went.revision)
        await until(lambda: is_pending(self.bus, self.first.name, study), lambda pending: not pending)

    async def turn(self) -> Turn:
        """Let retention look once."""
        return await Retention(self.parts).turn(time.time())


@pytest.fixture
def pair(own_bus: Bus, blobs: BlobStore, origin_name: str) -> Pair:
    return Pair(own_bus, blobs, origin_name)


async def test_a_study_moves_from_one_inbox_to_another_byte_for_byte(pair: Pair, tmp_path: Path) -> None:
    files = make_series(tmp_path, 3, seed=11)
    study, sent = study_of(files[0]), {file.read_bytes() for file in files}
    subscriber = await Subscriber.open(pair.bus, pair.second.name)
    async with pair.running():
        await pair.send(files)
        event = await subscriber.next()
        assert (event.data.study, event.data.instances, event.data.revision) == (study, 3, 1)
        await pair.everywhere(study)
        assert await pair.turn() == Turn(studies=1)
        assert await pair.contents(pair.first, study) == set()
        assert [one async for one in pair.blobs.list(inbox_prefix(pair.first.name, study))] == []
        assert await pair.contents(pair.second, study) == sent
        # The same again arrives anew in the first, and is known to the second.
        await pair.send(files)
        await until(
            lambda: States(pair.bus).get(pair.first.name, study), lambda one: one.state.arrival.revision
        )
        await pair.everywhere(study)
        assert await pair.turn() == Turn(studies=1)
        assert await pair.contents(pair.second, study) == sent
        assert await subscriber.waiting() == 0
    await subscriber.close()
