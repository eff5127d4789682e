"""Events as they lie in the stream."""

import pytest

from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import EVENTS
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable
from isthmus.common.telemetry import span
from tests.documents.asyncapi import agree, check
from tests.documents.sample_events import instance, study


async def test_an_event_lies_in_the_stream_as_it_is_described(bus: Bus, origin_name: str) -> None:
    event = study(origin_name)
    with span("test"):
        assert await publish_event(bus, event)
    message = await bus.jetstream.get_last_msg(EVENTS, subjects.event(event.type, origin_name))
    assert message.data is not None
    check(message.data)
    headers = dict(message.headers or {})
    agree(headers, {"$ref": "#/components/schemas/headers"})
    assert (headers["Nats-Msg-Id"], headers["content-type"]) == (event.id, "application/cloudevents+json")


async def test_an_event_with_the_same_id_is_no_second_one(bus: Bus, origin_name: str) -> None:
    event = instance(origin_name)
    assert await publish_event(bus, event)
    assert not await publish_event(bus, event)
    information = await bus.jetstream.stream_info(EVENTS, subjects_filter=subjects.events(origin=origin_name))
    assert information.state.subjects == {subjects.event(event.type, origin_name): 1}


async def test_without_a_connection_nothing_is_published(nats_settings: Nats, origin_name: str) -> None:
    closed = await Bus.connect(nats_settings, "test")
    await closed.close()
    with pytest.raises(BusUnavailable, match=r"dicom\.events"):
        await publish_event(closed, study(origin_name))
