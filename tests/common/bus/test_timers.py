"""Timers of studies: each comes once, when it was last set to."""

import time
from collections.abc import AsyncIterator

import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.timers import StudyTimer, set_timer
from isthmus.common.messages import decode
from tests.waiting import PATIENCE


@pytest.fixture
async def fired(bus: Bus, origin_name: str) -> AsyncIterator[JetStreamContext.PullSubscription]:
    """The timers of an inbox."""
    config = ConsumerConfig(
        filter_subject=subjects.timer_fired(origin_name, "1.2"),
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.NONE,
    )
    info = await bus.jetstream.add_consumer("TIMERS", config)
    reader = await bus.jetstream.pull_subscribe_bind(info.name, "TIMERS")
    yield reader
    await reader.unsubscribe()


@pytest.mark.parametrize("before", [60.0, 0.3])
async def test_a_timer_that_is_set_again_comes_when_it_was_set_to_last(
    bus: Bus, origin_name: str, fired: JetStreamContext.PullSubscription, before: float
) -> None:
    timer = StudyTimer(origin_name, "1.2")
    now = time.time()
    await set_timer(bus, timer, now + before)
    await set_timer(bus, timer, now + 0.6)
    (message,) = await fired.fetch(1, timeout=PATIENCE)
    assert decode(message.data, StudyTimer) == timer
    assert message.metadata.timestamp.timestamp() >= now + 0.59
    assert (await fired.consumer_info()).num_pending == 0


async def test_a_timer_whose_time_is_over_comes_at_once(
    bus: Bus, origin_name: str, fired: JetStreamContext.PullSubscription
) -> None:
    await set_timer(bus, StudyTimer(origin_name, "1.2"), 0.0)
    (message,) = await fired.fetch(1, timeout=PATIENCE)
    assert message.subject == subjects.timer_fired(origin_name, "1.2")
