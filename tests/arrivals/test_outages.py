"""NATS and S3 away: what waits is merged when they are back, and announced once."""

import asyncio
from pathlib import Path

import nats.errors
import pytest
from nats.js.errors import NotFoundError

from isthmus.arrivals import horizon
from isthmus.arrivals.watch import Watch
from isthmus.arrivals.worker import arriving
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.config.settings import S3
from isthmus.common.inbox.state import States
from isthmus.common.messages.events import EventType
from isthmus.common.service import Parts
from isthmus.common.telemetry import metrics_text
from isthmus.common.threads import Threads
from tests.arrivals.conftest import ACK_WAIT, QUIET, Arrivals
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber
from tests.common.bus.server import Server
from tests.peers import free_port
from tests.waiting import PATIENCE, until


async def test_what_cannot_be_written_waits(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, s3_settings: S3, own_bus: Bus
) -> None:
    threads = Threads("no-s3", 2)
    away = BlobStore(f"127.0.0.1:{free_port()}", "key", "secret", "bucket", threads=threads, deadline=0.2)
    await send.instances("1.2", range(3))
    async with arriving(Parts(arrivals.settings(), own_bus, away), ack_wait=ACK_WAIT):
        await until(lambda: _redelivered(own_bus))
    away.close()
    threads.close()
    async with arrivals.running():
        event = await subscriber.next()
    assert event.data.instances == 3
    assert await subscriber.waiting() == 0


async def _redelivered(bus: Bus) -> int:
    try:
        return (await bus.jetstream.consumer_info("EVENTS", "arrivals")).num_redelivered or 0
    except NotFoundError:  # the replica is just starting
        return 0


async def test_a_restart_of_nats_loses_nothing(arrivals: Arrivals, blobs: BlobStore, tmp_path: Path) -> None:
    """It is away when the quiet time is over."""
    server = Server(tmp_path)
    await server.start()
    bus = await Bus.connect(server.settings, "test")
    send = Sender(bus, arrivals.inbox.name)
    async with arriving(Parts(arrivals.settings(), bus, blobs), ack_wait=ACK_WAIT):
        await send.instances("1.2", range(3))
        await until(lambda: States(bus).get(arrivals.inbox.name, "1.2"), lambda found: found.revision)
        await server.kill()
        await asyncio.sleep(QUIET)
        await server.start()
        subscriber = await _subscriber(bus, arrivals.inbox.name)
        event = await subscriber.next()
        assert event.data.instances == 3
        await send.instances("1.2", [7])
        assert (await subscriber.next()).data.revision == 2
        assert await subscriber.waiting() == 0
    await bus.close()
    await server.stop()


async def _subscriber(bus: Bus, origin: str) -> Subscriber:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await Subscriber.open(bus, origin)
            except (nats.errors.Error, TimeoutError):
                await asyncio.sleep(0.1)


async def test_an_event_that_is_not_understood_does_not_hold_up_others_for_ever(
    arrivals: Arrivals, blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server of its own: it comes again after a minute, and until then other tests would wait for it."""
    monkeypatch.setattr(horizon, "STUCK_SECONDS", 0.2)
    inbox = arrivals.inbox.name
    server = Server(tmp_path)
    await server.start()
    bus = await Bus.connect(server.settings, "test")
    async with arriving(Parts(arrivals.settings(), bus, blobs), ack_wait=ACK_WAIT):
        await bus.jetstream.publish(
            subjects.event(EventType.INSTANCE_STORED, inbox), b'{"specversion": "9.9"}'
        )
        await Sender(bus, inbox).instances("1.2", range(2))
        event = await (await Subscriber.open(bus, inbox)).next()
        assert event.data.instances == 2
    await bus.close()
    await server.stop()


async def test_metrics_say_what_waits(arrivals: Arrivals, send: Sender, own_bus: Bus) -> None:
    async with arrivals.running(quiet_seconds=600.0):
        await send.instances("1.2", range(3))
        watch = Watch(own_bus)
        async with asyncio.timeout(PATIENCE):
            while True:
                await watch.look()
                text = metrics_text().decode()
                if "isthmus_arrivals_waiting" in text and f'dicom_origin="{arrivals.inbox.name}"' in text:
                    break
                await asyncio.sleep(0.05)
