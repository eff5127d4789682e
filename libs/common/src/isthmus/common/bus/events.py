"""Events on their way into the stream EVENTS."""

from typing import Any

from isthmus.common.bus import subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.tracing import sending
from isthmus.common.messages import AssociationEnded, InstancesReported, encode
from isthmus.common.messages.cloud_events import CONTENT_TYPE, to_json
from isthmus.common.messages.events import CloudEvent
from isthmus.common.telemetry import inject


async def publish_event(bus: Bus, event: CloudEvent[Any]) -> bool:
    """Publish an event, durably; False where one with its id was published within the last hour.

    Raises:
        BusUnavailable: NATS does not take it, or did not say so.
    """
    subject = subjects.event(event.type, event.data.origin)
    with sending(subject, origin=event.data.origin), bus_errors("dicom.events"):
        acknowledged = await bus.jetstream.publish(
            subject,
            to_json(event),
            headers={**inject(), "Nats-Msg-Id": event.id, "content-type": CONTENT_TYPE},
        )
    return not acknowledged.duplicate


async def tell(bus: Bus, told: AssociationEnded | InstancesReported) -> None:
    """Publish what a sender told of a study, durably, behind the instances that came before.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    subject = subjects.told(told.origin, told.study)
    with sending(subject, origin=told.origin), bus_errors("dicom.told"):
        await bus.jetstream.publish(subject, encode(told), headers=inject())
