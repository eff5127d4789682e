"""NATS is killed again and again in a day's traffic: what is told of it is what is told without."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest

from isthmus.arrivals.worker import arriving
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, pull
from isthmus.common.errors import BusUnavailable
from isthmus.common.inbox.state import Phase, States
from isthmus.common.messages.events import CloudEvent, EventType, StudyEvent
from isthmus.common.service import Parts
from tests.arrivals.conftest import ACK_WAIT, Arrivals
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber
from tests.common.bus.server import Server, server
from tests.waiting import PATIENCE

__all__ = ["server"]  # fixture

ARRIVED, AMENDED = EventType.STUDY_ARRIVED, EventType.STUDY_AMENDED


@pytest.fixture
async def buses(server: Server) -> AsyncIterator[list[Bus]]:
    """The connections of a sender and of two replicas."""
    three = [await Bus.connect(server.settings, f"test-{number}") for number in range(3)]
    yield three
    for bus in three:
        await bus.close()


async def test_restarts_change_nothing_of_what_is_told(
    arrivals: Arrivals, blobs: BlobStore, server: Server, buses: list[Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While instances come, while studies are quiet, and when more comes."""
    monkeypatch.setattr(pull, "PULL_SECONDS", 0.3)
    origin, (bus, *replicas) = arrivals.inbox.name, buses
    bus.jetstream = bus.client.jetstream(timeout=0.5)  # it waits for no longer until it sends again
    send = Sender(bus, origin)
    async with AsyncExitStack() as running:
        for one in replicas:
            await running.enter_async_context(arriving(Parts(arrivals.settings(), one, blobs), ACK_WAIT))
        await send.instances("1.2", range(3), association="ct")
        await asyncio.gather(_push(send, "1.3", range(40), "us"), _restart(server))
        await _taken(partial(send.instances, "1.2", range(3, 6), association="ct"))
        await _push(send, "1.3", range(40), "us, once more")
        await _taken(partial(send.ended, "1.2", "ct"))
        await _restart(server)
        await _announced(bus, origin, "1.2", 1)
        await _announced(bus, origin, "1.3", 1)
        await asyncio.gather(_push(send, "1.2", range(4, 9), "ct, later"), _restart(server))
        await _announced(bus, origin, "1.2", 2)
    subscriber = await Subscriber.open(bus, origin)
    first, second, last = [_told(event) for event in await subscriber.events(3)]
    assert {first, second} == {(ARRIVED, "1.2", 6, 6), (ARRIVED, "1.3", 40, 40)}
    assert last == (AMENDED, "1.2", 9, 3)
    assert await subscriber.waiting() == 0


async def _restart(server: Server) -> None:
    await server.kill()
    await server.start()


async def _push(send: Sender, study: str, numbers: range, association: str) -> None:
    """Send instances one after the other, each until it is taken."""
    for number in numbers:
        await _taken(partial(send.instances, study, [number], association=association))
    await _taken(partial(send.ended, study, association))


async def _taken(tell: Callable[[], Awaitable[None]]) -> None:
    """Tell it until NATS takes it, as senders repeat what gets no Success."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await tell()
            except BusUnavailable:
                await asyncio.sleep(0.05)


async def _announced(bus: Bus, origin: str, study: str, revision: int) -> None:
    """Wait until an event of a study is published."""
    states = States(bus)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                arrival = (await states.get(origin, study)).state.arrival
            except BusUnavailable:
                await asyncio.sleep(0.05)
                continue
            if (arrival.phase, arrival.revision) == (Phase.SETTLED, revision):
                return
            await asyncio.sleep(0.05)


def _told(event: CloudEvent[StudyEvent]) -> tuple[EventType, str, int, int]:
    data = event.data
    return event.type, data.study, data.instances, data.new_instances
