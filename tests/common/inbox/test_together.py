"""Senders, arrivals and deletions at the same time: what was taken last is there, what is listed exists."""

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from isthmus.arrivals.worker import arriving
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import inbox_prefix
from isthmus.common.bus import Bus, streams
from isthmus.common.bus.consumer import has_passed
from isthmus.common.config import Inbox, Settings
from isthmus.common.inbox.contents import Contents, ContentsStore
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.remove import remove
from isthmus.common.inbox.state import States
from isthmus.common.messages import Delete
from isthmus.common.service import Parts
from isthmus.web_scu.inbox.head import incoming
from tests.common.inbox.studies import inbox_of, study_of
from tests.data_sets import make_series
from tests.waiting import until

ROUNDS: Final = 8


class Site:
    """A study that is sent and deleted again and again."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: Inbox, files: list[Path], seed: int) -> None:
        self._bus, self._blobs, self._inbox = bus, blobs, inbox
        self._data = [file.read_bytes() for file in files]
        self._study = study_of(files[0])
        # Two processes receive.
        self._deposits = [Deposits(bus, blobs, "http://gateway") for _ in range(2)]
        self._random = random.Random(seed)
        self.instances = [incoming(data, len(data), hashlib.sha256(data).hexdigest()) for data in self._data]
        self.sent: dict[int, float] = {}
        """When each instance was last begun to be sent that was taken."""
        self.deleted: list[tuple[Delete, float]] = []
        """When each deletion was at its end."""

    async def round(self) -> None:
        """Let senders and deletions go at the same time."""
        places = [place for place in range(len(self._data)) if self._random.random() < 0.8]
        deletions = self._random.randint(0, 3)
        await asyncio.gather(*map(self._send, places), *(self._delete() for _ in range(deletions)))

    async def _send(self, place: int) -> None:
        for _ in range(self._random.randint(1, 3)):
            await asyncio.sleep(self._random.random() * 0.05)
            began = time.monotonic()
            await self._random.choice(self._deposits).deposit(
                self._inbox,
                self.instances[place],
                partial(self._blobs.put, data=self._data[place]),
                may_rewrite=self._random.random() < 0.5,
            )
            self.sent[place] = began

    async def _delete(self) -> None:
        await asyncio.sleep(self._random.random() * 0.08)
        uids = self._random.choice(self.instances).identity
        levels = (
            (None, None),
            (uids.series_instance_uid, None),
            (uids.series_instance_uid, uids.sop_instance_uid),
        )
        delete = Delete(self._inbox.name, self._study, *self._random.choice(levels))
        assert (await remove(self._bus, self._blobs, delete)).failure is None
        self.deleted.append((delete, time.monotonic()))

    async def caught_up(self) -> None:
        """Wait until `arrivals` has read all events."""
        last = (await self._bus.jetstream.stream_info(streams.EVENTS)).state.last_seq
        await until(lambda: has_passed(self._bus, streams.EVENTS, streams.ARRIVALS_CONSUMER, last))

    async def contents(self) -> Contents:
        _, contents = await read_study(
            States(self._bus), ContentsStore(self._blobs), self._inbox.name, self._study
        )
        return contents

    async def keys(self) -> set[str]:
        return {listed.key async for listed in self._blobs.list(inbox_prefix(self._inbox.name, self._study))}

    def has_to_be_there(self, place: int) -> bool:
        """Tell whether an instance was taken after whatever may have deleted it."""
        uids = self.instances[place].identity
        ends = [
            ended
            for delete, ended in self.deleted
            if delete.series in (None, uids.series_instance_uid)
            and delete.instance in (None, uids.sop_instance_uid)
        ]
        return self.sent.get(place, 0) > max(ends, default=0)


@pytest.fixture
async def arrivals(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[None]:
    async with arriving(Parts(Settings(origins=(inbox_of(origin_name),)), bus, blobs)):
        yield


@pytest.mark.usefixtures("arrivals")
@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_that_was_taken_last_is_lost_and_nothing_that_is_listed_is_missing(
    bus: Bus, blobs: BlobStore, origin_name: str, tmp_path: Path, seed: int
) -> None:
    first = make_series(tmp_path / "one", 2)
    files = [*first, *make_series(tmp_path / "two", 2, study_uid=study_of(first[0]), seed=1)]
    site = Site(bus, blobs, inbox_of(origin_name), files, seed)
    for _ in range(ROUNDS):
        await site.round()
        await site.caught_up()
        contents, keys = await site.contents(), await site.keys()
        assert {row.blob.key for row in contents.rows.values()} <= keys
        expected = {
            one.identity.sop_instance_uid
            for place, one in enumerate(site.instances)
            if site.has_to_be_there(place)
        }
        assert expected <= contents.rows.keys()
    assert site.deleted
