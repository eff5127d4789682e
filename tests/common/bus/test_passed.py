"""Whether a consumer is done with what came up to a sequence; its counts are told a moment late."""

from collections.abc import AsyncIterator

import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo

from isthmus.common.bus import Bus
from isthmus.common.bus.consumer import has_passed
from isthmus.common.bus.streams import EVENTS
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable

CONSUMER = "taking"


@pytest.fixture
async def stream(bus: Bus, origin_name: str) -> AsyncIterator[str]:
    """A stream of the test's own: what it publishes would be nonsense to others."""
    await bus.jetstream.add_stream(name=origin_name, subjects=[f"{origin_name}.>"])
    yield origin_name
    await bus.jetstream.delete_stream(origin_name)


@pytest.fixture
async def taking(bus: Bus, stream: str) -> AsyncIterator[JetStreamContext.PullSubscription]:
    """A durable consumer of some subjects of the stream."""
    wanted = [f"{stream}.wanted.>", f"{stream}.other.>"]
    config = ConsumerConfig(durable_name=CONSUMER, filter_subjects=wanted, ack_policy=AckPolicy.EXPLICIT)
    await bus.jetstream.add_consumer(stream, config)
    taking = await bus.jetstream.pull_subscribe_bind(CONSUMER, stream)
    yield taking
    await taking.unsubscribe()


@pytest.fixture
def _counted_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server counts what is pending a moment after it acknowledged it: under load it tells too few."""
    consumer_info = JetStreamContext.consumer_info

    async def late(jetstream: JetStreamContext, stream: str, name: str) -> ConsumerInfo:
        info: ConsumerInfo = await consumer_info(jetstream, stream, name)
        info.num_pending = 0
        return info

    monkeypatch.setattr(JetStreamContext, "consumer_info", late)


async def published(bus: Bus, stream: str) -> int:
    return (await bus.jetstream.publish(f"{stream}.wanted.1", b"")).seq


@pytest.mark.usefixtures("taking", "_counted_late")
async def test_what_was_just_published_has_not_been_passed(bus: Bus, stream: str) -> None:
    assert not await has_passed(bus, stream, CONSUMER, await published(bus, stream))


async def test_only_what_is_acknowledged_has_been_passed(
    bus: Bus, stream: str, taking: JetStreamContext.PullSubscription
) -> None:
    before = await published(bus, stream) - 1
    behind = await published(bus, stream)
    assert await has_passed(bus, stream, CONSUMER, before)
    messages = await taking.fetch(2)
    await messages[1].ack_sync()
    assert not await has_passed(bus, stream, CONSUMER, behind)
    await messages[0].ack_sync()
    assert await has_passed(bus, stream, CONSUMER, behind)


async def test_what_it_does_not_want_it_passes(
    bus: Bus, stream: str, taking: JetStreamContext.PullSubscription
) -> None:
    sequence = (await bus.jetstream.publish(f"{stream}.nobody.1", b"")).seq
    assert await has_passed(bus, stream, CONSUMER, sequence)
    assert (await taking.consumer_info()).num_pending == 0


async def test_a_consumer_that_is_not_there_has_passed_nothing(bus: Bus) -> None:
    assert not await has_passed(bus, EVENTS, "nobody-has-this-name", 1)


async def test_without_nats_nobody_knows(nats_settings: Nats) -> None:
    closed = await Bus.connect(nats_settings, "closed")
    await closed.close()
    with pytest.raises(BusUnavailable):
        await has_passed(closed, EVENTS, "nobody-has-this-name", 1)
