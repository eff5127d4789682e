"""A store job waits for the lists of its studies, and not for ever."""

import asyncio

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.inbox.contents import Contents, ContentsStore
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import States, Versioned
from isthmus.web_scu.inbox.listed import Listed

STORED = ("1.2", "1.2.3", "0" * 64)


async def test_what_is_never_listed_is_waited_for_no_longer_than_a_while(
    bus: Bus, blobs: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the end of the while comes in the same moment as an answer of NATS."""

    async def dropping(
        states: States, contents: ContentsStore, origin: str, study: str
    ) -> tuple[Versioned, Contents]:
        found = asyncio.create_task(read_study(states, contents, origin, study))
        while not found.done():
            try:
                await asyncio.wait([found])
            except asyncio.CancelledError:
                continue  # as `asyncio.wait_for` of Python 3.11, on which nats-py stands
        return await found

    monkeypatch.setattr("isthmus.web_scu.inbox.listed.read_study", dropping)
    monkeypatch.setattr("isthmus.web_scu.inbox.listed.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("isthmus.web_scu.inbox.listed.LISTED_SECONDS", 0.05)
    waiting = asyncio.create_task(Listed(bus, blobs, origin_name).wait_for({STORED}))
    await asyncio.wait([waiting], timeout=5)
    is_over = waiting.done()
    await end_tasks([waiting])
    assert is_over
