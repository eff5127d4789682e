"""Events, and webhooks that deliver them without delay."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

from isthmus.arrivals.webhooks import Pace, webhooks
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.webhooks import WebhookState, WebhookStates
from isthmus.common.config import Inbox, Protocol, Settings
from isthmus.common.config.arriving import Arrivals, Webhook
from isthmus.common.messages.events import (
    Blob,
    CloudEvent,
    EventType,
    InstanceEvent,
    Reason,
    StudyEvent,
)
from isthmus.common.service import Parts
from tests import planted
from tests.waiting import until

SECRET = planted.secret("webhook")
QUICK = Pace(
    first=0.02,
    longest=0.1,
    down_first=0.02,
    down_longest=0.1,
    look=0.05,
    record=0.02,
    jitter=lambda: 0.0,
)
PATIENT = "Doe^Jane"

T = TypeVar("T")


def study_event(origin: str, kind: EventType = EventType.STUDY_ARRIVED) -> CloudEvent[Any]:
    """Give an event of a study."""
    data = StudyEvent(
        origin=origin,
        study="1.2.3",
        revision=1,
        instances=1,
        size=10,
        complete="assumed",
        reason=Reason.QUIET,
        url="http://127.0.0.1:8080/aets/inbox/studies/1.2.3",
        series=(),
        modalities={"CT": 1},
        attributes={"00100010": {"vr": "PN", "Value": [{"Alphabetic": PATIENT}]}},
        blobs=(),
    )
    return CloudEvent(uuid4().hex, kind, data, "2026-01-01T00:00:00Z")


def instance_event(origin: str) -> CloudEvent[Any]:
    """Give an event of an instance."""
    data = InstanceEvent(
        origin=origin,
        study="1.2.3",
        series="1.2.3.4",
        instance="1.2.3.4.5",
        sop_class="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax="1.2.840.10008.1.2.1",
        digest="0" * 64,
        blob=Blob("isthmus", "inbox/1", 10),
        url="http://127.0.0.1:8080/aets/inbox/studies/1.2.3",
        attributes={},
    )
    return CloudEvent(uuid4().hex, EventType.INSTANCE_STORED, data, "2026-01-01T00:00:00Z")


class Site:
    """An inbox whose events go to webhooks."""

    def __init__(self, bus: Bus, blobs: BlobStore, origin: str) -> None:
        self.bus = bus
        self._blobs = blobs
        self.origin = origin
        self.states = WebhookStates(bus)

    def webhook(self, url: str, name: str = "", **settings: object) -> Webhook:
        """Describe a webhook for the inbox's events."""
        return Webhook.model_validate(
            {"name": name or f"hook-{uuid4().hex[:12]}", "url": url, "origins": {self.origin}}
            | ({} if "secret_file" in settings else {"secret": SECRET})
            | settings
        )

    @asynccontextmanager
    async def delivering(self, *hooks: Webhook, pace: Pace = QUICK) -> AsyncIterator[None]:
        """Run webhooks."""
        inbox = Inbox(name=self.origin, protocol=Protocol.INBOX, ae_title="INBOX")
        settings = Settings(arrivals=Arrivals(webhooks=hooks), origins=(inbox,))
        async with webhooks(Parts(settings, self.bus, self._blobs), pace):
            yield

    async def publish(self, kind: EventType = EventType.STUDY_ARRIVED, origin: str = "") -> str:
        """Publish an event of a study, and give its id."""
        event = study_event(origin or self.origin, kind)
        assert await publish_event(self.bus, event)
        return event.id

    async def state(self, hook: Webhook, wanted: Callable[[WebhookState], object]) -> WebhookState:
        """Wait until the record of a webhook is as wanted."""
        return await until(lambda: self.states.get(hook.name), wanted)
