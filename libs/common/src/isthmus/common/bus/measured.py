"""How queues are called in metrics, and what is counted when a message is taken."""

from collections.abc import Collection, Mapping

from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from isthmus.common.bus.backlog import Place, Queue, place_of
from isthmus.common.telemetry.attributes import (
    DICOM_ORIGIN,
    ISTHMUS_CONSUMER,
    ISTHMUS_LANE,
    ISTHMUS_QUEUE,
    ISTHMUS_WEBHOOK,
)
from isthmus.common.telemetry.instruments import queue_redeliveries


def labels(place: Place) -> Mapping[str, str]:
    """Give the attributes of a queue."""
    whose = ISTHMUS_WEBHOOK if place.queue is Queue.WEBHOOKS else ISTHMUS_CONSUMER
    said = {
        ISTHMUS_QUEUE: place.queue.value,
        DICOM_ORIGIN: place.origin,
        ISTHMUS_LANE: place.lane,
        whose: place.name,
    }
    return {name: value for name, value in said.items() if value is not None}


def count_redelivered(stream: str, config: ConsumerConfig, messages: Collection[Msg]) -> None:
    """Count those of the messages that a consumer had been given before."""
    again = sum(message.metadata.num_delivered > 1 for message in messages)
    place = place_of(stream, config) if again else None
    if place is not None:
        queue_redeliveries.add(again, labels(place))
