"""The record of a webhook counts each attempt once, also where the replica ends meanwhile."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest

from isthmus.arrivals.webhooks.record import Record
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.webhooks import WebhookState, WebhookStates
from tests.arrivals.webhook_events import QUICK, Site

URL: Final = "https://receiver.example/hook"


async def test_what_was_written_when_the_replica_ended_is_not_written_again(
    bus: Bus, blobs: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record(bus, Site(bus, blobs, origin_name).webhook(URL, origin_name), QUICK)
    await record.open()
    record.failed("503", 1.0)
    written, heard = asyncio.Event(), asyncio.Event()
    change = WebhookStates.change

    async def slow(
        states: WebhookStates, name: str, how: Callable[[WebhookState], WebhookState]
    ) -> WebhookState:
        """NATS has it, and we do not know yet."""
        changed = await change(states, name, how)
        written.set()
        await heard.wait()
        return changed

    monkeypatch.setattr(WebhookStates, "change", slow)
    writing = asyncio.create_task(record.flush())
    await written.wait()
    writing.cancel()
    asyncio.get_running_loop().call_soon(heard.set)
    with suppress(asyncio.CancelledError):
        await writing
    assert writing.cancelled()
    await record.flush()
    assert (await WebhookStates(bus).get(origin_name)).failed == 1
    await WebhookStates(bus).forget(origin_name)


async def test_what_was_not_written_when_the_replica_ended_is_written_then(
    bus: Bus, blobs: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record(bus, Site(bus, blobs, origin_name).webhook(URL, origin_name), QUICK)
    await record.open()
    record.failed("503", 1.0)
    asked, hangs = asyncio.Event(), asyncio.Event()

    async def hanging(*_: object) -> WebhookState:
        """NATS does not answer."""
        asked.set()
        await hangs.wait()
        raise AssertionError

    with monkeypatch.context() as away:
        away.setattr(WebhookStates, "change", hanging)
        writing = asyncio.create_task(record.flush())
        await asked.wait()
        while not writing.done():
            writing.cancel()
            await asyncio.wait([writing], timeout=0.01)
    await record.flush()
    assert (await WebhookStates(bus).get(origin_name)).failed == 1
    await WebhookStates(bus).forget(origin_name)
