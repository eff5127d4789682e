"""Webhooks while NATS is away, and receivers that answer as nobody should."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import nats.errors
import pytest

from isthmus.arrivals.webhooks import source
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams
from isthmus.common.bus.webhooks import WebhookState, consumer_name
from isthmus.common.errors import UnavailableError
from tests.arrivals.webhook_events import Site
from tests.arrivals.webhook_receiver import OK, Request, WebhookReceiver, say, status
from tests.common.bus.server import Server, server
from tests.waiting import PATIENCE, until

__all__ = ["server"]  # fixture

ACK_WAIT = 1.0
"""Seconds, instead of the ten that a real replica may be silent for."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "ACK_WAIT", ACK_WAIT)


@pytest.fixture
async def away(server: Server, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    """A site on that server."""
    bus = await Bus.connect(server.settings, "test")
    yield Site(bus, blobs, origin_name)
    await bus.close()


async def published(site: Site) -> str:
    """Publish as soon as NATS takes it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(UnavailableError):
                return await site.publish()


async def test_what_waits_and_what_comes_after_a_restart_of_nats_is_delivered(
    server: Server, away: Site, receiver: WebhookReceiver
) -> None:
    receiver.behaviour = say(status("503 Busy"))
    hook = away.webhook(receiver.url)
    async with away.delivering(hook):
        before = await away.publish()
        await receiver.take(1)
        await server.kill()
        await server.start()
        receiver.behaviour = say(OK)
        after = await published(away)
        seen: set[str] = set()
        while not {before, after} <= seen:
            seen |= {request.id for request in await receiver.take(1)}
        state = await away.state(hook, lambda state: state.delivered >= 2)
    assert state.failing_since is None


async def test_what_is_taken_while_nats_is_away_is_noted_when_it_is_back(
    server: Server, away: Site, receiver: WebhookReceiver
) -> None:
    """It may come again, but as the same event, and it is neither lost nor a failure."""
    answered = asyncio.Event()

    async def slow(_: Request, writer: asyncio.StreamWriter) -> None:
        await answered.wait()
        writer.write(OK)

    receiver.behaviour = slow
    hook = away.webhook(receiver.url)
    async with away.delivering(hook):
        event_id = await away.publish()
        (first,) = await receiver.take(1)
        await server.kill()
        answered.set()
        await server.start()
        state = await until(lambda: known(away, hook.name), lambda state: state and state.delivered)
        await until(lambda: left(away, hook.name), lambda number: number == 0)
    again = [receiver.requests.get_nowait() for _ in range(receiver.requests.qsize())]
    assert {(request.id, request.body) for request in (first, *again)} == {(event_id, first.body)}
    assert state is not None
    assert (state.failed, state.last_status) == (0, "204")


async def known(site: Site, name: str) -> WebhookState | None:
    """Give the record of a webhook; None while NATS does not tell."""
    try:
        return await site.states.get(name)
    except UnavailableError:
        return None


async def left(site: Site, name: str) -> int:
    """Tell how many events wait for a webhook; -1 while NATS does not."""
    try:
        info = await site.bus.jetstream.consumer_info(streams.EVENTS, consumer_name(name))
    except nats.errors.Error:
        return -1
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def test_an_answer_that_comes_byte_by_byte_is_waited_for_no_longer_than_allowed(
    site: Site, receiver: WebhookReceiver
) -> None:
    """Each byte in time, but never a status; the others are delivered meanwhile."""

    async def drips(_: Request, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 100_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    receiver.behaviour = drips
    hook = site.webhook(receiver.url, timeout_seconds=1)
    async with site.delivering(hook):
        event_id = await site.publish()
        await receiver.take(1)
        receiver.behaviour = say(OK)
        (again,) = await receiver.take(1)
        state = await site.state(hook, lambda state: state.delivered)
    assert again.id == event_id
    assert state.failed == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Header: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Header: x\r\n" * 50_000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 999 \xff\xfe\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=["huge header", "many headers", "only interim answers", "odd", "TLS"],
)
async def test_an_answer_that_is_none_is_a_failure_and_the_event_comes_again(
    site: Site, receiver: WebhookReceiver, answer: bytes
) -> None:
    receiver.behaviour = say(answer)
    hook = site.webhook(receiver.url, timeout_seconds=0.5)
    async with site.delivering(hook):
        event_id = await site.publish()
        await receiver.take(1)
        await site.state(hook, lambda state: state.failed)
        receiver.behaviour = say(OK)
        await site.state(hook, lambda state: state.delivered)
    assert {receiver.requests.get_nowait().id for _ in range(receiver.requests.qsize())} == {event_id}


async def test_an_answer_with_an_impossible_date_is_an_answer(site: Site, receiver: WebhookReceiver) -> None:
    date = "Retry-After: Mon, 01 Jan 2026 00:00:00 +9999999999999"
    receiver.behaviour = say(status("200 OK", date))
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        await site.publish()
        await receiver.take(1)
        state = await site.state(hook, lambda state: state.delivered)
        await until(lambda: left(site, hook.name), lambda number: number == 0)
    assert (state.delivered, state.failed) == (1, 0)
    assert receiver.requests.empty()
