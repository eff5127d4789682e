"""A bus of its own: what other tests publish is none of what arrives here, and its streams may be changed."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest

from isthmus.arrivals.worker import arriving
from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Settings
from isthmus.common.config.settings import Nats
from isthmus.common.service import Parts
from tests.arrivals.killed import DYING, FORWARD_DYING
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber
from tests.arrivals.webhook_events import Site
from tests.arrivals.webhook_receiver import (
    WebhookReceiver,
    listening,
)
from tests.servers import started

QUIET = 0.4
ACK_WAIT = 1.0
"""Seconds, instead of the ten that a real replica may be silent for."""


@pytest.fixture(scope="session", autouse=True)
def _processes_that_die(nothing_is_left_running: None) -> Iterator[None]:
    """What replicas that are to die are forked from ends with the run."""
    yield
    DYING.close()
    FORWARD_DYING.close()


@pytest.fixture(scope="session")
def own_nats_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """A nats-server for what arrives."""
    with started(EmbeddedNats(tmp_path_factory.mktemp("arrivals-nats"))) as server:
        yield Nats(url=server.url, user=server.user, password=server.password)


@pytest.fixture
async def own_bus(own_nats_settings: Nats) -> AsyncIterator[Bus]:
    connection = await Bus.connect(own_nats_settings, "test")
    yield connection
    await connection.close()


@dataclass(frozen=True)
class Arrivals:
    """The service in this process, for one inbox."""

    bus: Bus
    blobs: BlobStore
    inbox: Inbox

    def settings(self, **changed: object) -> Settings:
        inbox = Inbox.model_validate({**self.inbox.model_dump(), **changed})
        return Settings.model_construct(
            **{
                **dict(Settings()),
                "origins": (inbox,),
                "gateway": Settings().gateway.model_copy(update={"url": "http://gateway"}),
            }
        )

    def running(self, **changed: object) -> AbstractAsyncContextManager[None]:
        """Run a replica; what is given is changed in the inbox's settings."""
        return arriving(Parts(self.settings(**changed), self.bus, self.blobs), ack_wait=ACK_WAIT)


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return Inbox.model_validate(
        {"name": origin_name, "protocol": "inbox", "ae_title": "INBOX", "quiet_seconds": QUIET}
    )


@pytest.fixture
def arrivals(own_bus: Bus, blobs: BlobStore, inbox: Inbox) -> Arrivals:
    return Arrivals(own_bus, blobs, inbox)


@pytest.fixture
def send(own_bus: Bus, inbox: Inbox) -> Sender:
    """Tells what came into the inbox."""
    return Sender(own_bus, inbox.name)


@pytest.fixture
async def subscriber(own_bus: Bus, inbox: Inbox) -> AsyncIterator[Subscriber]:
    """Who gets the events of the inbox's studies."""
    one = await Subscriber.open(own_bus, inbox.name)
    yield one
    await one.close()


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with listening() as running:
        yield running


@pytest.fixture
def site(bus: Bus, blobs: BlobStore, origin_name: str) -> Site:
    return Site(bus, blobs, origin_name)
