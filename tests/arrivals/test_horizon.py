"""Up to when all that came is merged: never later than what waits, whoever has it."""

from collections.abc import AsyncIterator, Sequence

import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, ConsumerInfo

from isthmus.arrivals import horizon
from isthmus.arrivals.horizon import Horizon
from isthmus.arrivals.instances import STORED, TOLD
from isthmus.common.bus import Bus
from isthmus.common.bus.streams import ARRIVALS_CONSUMER, EVENTS
from isthmus.common.config import Inbox
from isthmus.common.errors import BusUnavailable
from tests.arrivals.sender import Sender

LATER = 4_000_000_000.0


@pytest.fixture
async def taken(own_bus: Bus, inbox: Inbox, send: Sender) -> AsyncIterator[Sequence[Msg]]:
    """Four events that a replica has, and has not acknowledged; a fifth that nobody has."""
    jetstream = own_bus.jetstream
    await jetstream.purge_stream(EVENTS)
    await _delete_consumer(jetstream)
    await send.instances("1.2", range(1))
    await send.instances("1.3", range(1))
    await send.instances("1.2", range(1, 3))
    config = ConsumerConfig(durable_name=ARRIVALS_CONSUMER, filter_subjects=[STORED, TOLD])
    await jetstream.add_consumer(EVENTS, config)
    reader = await jetstream.pull_subscribe_bind(ARRIVALS_CONSUMER, EVENTS)
    messages: list[Msg] = []
    while len(messages) < 4:
        messages += await reader.fetch(4 - len(messages))
    await send.instances("1.2", [9])
    yield messages
    await reader.unsubscribe()
    await _delete_consumer(jetstream)


async def _delete_consumer(jetstream: JetStreamContext) -> None:
    names = [consumer.name for consumer in await jetstream.consumers_info(EVENTS)]
    if ARRIVALS_CONSUMER in names:
        await jetstream.delete_consumer(EVENTS, ARRIVALS_CONSUMER)


def time_of(message: Msg) -> float:
    """Give the time just before a message came, and well after the one before it: both are rounded."""
    return message.metadata.timestamp.timestamp() - 0.0001


async def test_nothing_is_merged_that_is_not_acknowledged(
    own_bus: Bus, inbox: Inbox, taken: Sequence[Msg]
) -> None:
    known = Horizon(own_bus)
    assert await known.reached(inbox.name, time_of(taken[0]), LATER, 0)
    assert not await known.reached(inbox.name, time_of(taken[0]) + 0.001, LATER, 0)


async def test_what_is_acknowledged_behind_a_gap_does_not_count(
    own_bus: Bus, inbox: Inbox, taken: Sequence[Msg]
) -> None:
    for message in taken[1:]:
        await message.ack_sync()
    known = Horizon(own_bus)
    assert not await known.reached(inbox.name, time_of(taken[0]) + 0.001, LATER, 0)
    await taken[0].ack_sync()
    assert await known.reached(inbox.name, time_of(taken[3]), LATER, 0)
    assert not await known.reached(inbox.name, LATER, LATER, 0)  # nobody has taken the last one


async def test_another_inbox_has_nothing_to_wait_for(own_bus: Bus, taken: Sequence[Msg]) -> None:
    assert await Horizon(own_bus).reached("another", LATER, LATER, 0)


async def test_what_is_stuck_holds_up_nobody_for_ever(
    own_bus: Bus, inbox: Inbox, taken: Sequence[Msg], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "STUCK_SECONDS", 0.2)
    known = Horizon(own_bus)
    assert not await known.reached(inbox.name, time_of(taken[3]), LATER, 0)
    assert await known.reached(inbox.name, time_of(taken[3]), LATER, 5)
    assert not await known.reached(inbox.name, LATER, LATER, 0)  # what nobody has taken still counts


async def test_without_a_consumer_nothing_is_known(own_bus: Bus, inbox: Inbox) -> None:
    await _delete_consumer(own_bus.jetstream)
    with pytest.raises(BusUnavailable):
        await Horizon(own_bus).reached(inbox.name, 1.0, LATER, 0)


async def test_what_the_server_has_not_counted_yet_waits_too(
    own_bus: Bus, inbox: Inbox, taken: Sequence[Msg], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts a message a moment after it has acknowledged it."""
    for message in taken:
        await message.ack_sync()
    consumer_info = JetStreamContext.consumer_info

    async def late(jetstream: JetStreamContext, stream: str, name: str) -> ConsumerInfo:
        info: ConsumerInfo = await consumer_info(jetstream, stream, name)
        info.num_pending = info.num_ack_pending = 0
        return info

    monkeypatch.setattr(JetStreamContext, "consumer_info", late)
    assert not await Horizon(own_bus).reached(inbox.name, LATER, LATER, 0)
