"""What is told of the queues: what JetStream tells now, and nothing of before."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.arrivals import queue_watch
from isthmus.arrivals.watch import KNOWN_SECONDS, Watch
from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.bus import Bus, end_tasks, jobs, streams, subjects
from isthmus.common.bus.backlog import backlogs
from isthmus.common.bus.dead import bury
from isthmus.common.bus.jobs import Lane
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable
from isthmus.common.messages import DeadLetter, Retrieve
from tests.common.bus.server import Server, server
from tests.measured import measured, told
from tests.waiting import PATIENCE, until

__all__ = ["server"]  # fixture

LENGTH = "isthmus_queue_length"
AGE = "isthmus_queue_oldest_age_seconds"
LIMIT = 200_000_000
BULK = {"isthmus_queue": "retrieve", "dicom_origin": "pacs", "isthmus_lane": "bulk"}
look = partial(queue_watch.look, lasts=KNOWN_SECONDS)


@pytest.fixture
async def bus(server: Server) -> AsyncIterator[Bus]:
    """With the rights of arrivals, whose watch it is."""
    declaring = await Bus.connect(server.settings, "test")
    one = await Bus.connect(server.settings_of("arrivals"), "arrivals")
    yield one
    await one.close()
    await declaring.close()


@pytest.fixture
async def operator(server: Server) -> AsyncIterator[Bus]:
    """Who may put into queues."""
    one = await Bus.connect(server.settings, "test")
    yield one
    await one.close()


async def _take(bus: Bus, stream: str, consumer: str, subject: str) -> None:
    config = ConsumerConfig(durable_name=consumer, filter_subject=subject, ack_policy=AckPolicy.EXPLICIT)
    await bus.jetstream.add_consumer(stream, config)


async def test_a_queue_has_a_length_and_the_age_of_its_oldest_message(bus: Bus, operator: Bus) -> None:
    await _take(operator, streams.JOBS, "jobs_bulk_pacs", subjects.retrieves("pacs", Lane.BULK))
    await look(bus)
    assert (measured(LENGTH, **BULK), measured(AGE, **BULK)) == (0, None)
    began = time.time()
    for study in ("1.2", "1.3"):
        await jobs.submit_retrieve(operator, Retrieve("pacs", study), Lane.BULK)
    await look(bus)
    age = measured(AGE, **BULK)
    assert measured(LENGTH, **BULK) == 2
    assert age is not None
    assert 0 < age <= time.time() - began + 0.1
    (waiting,) = await backlogs(operator)
    assert waiting.oldest is not None
    assert age == pytest.approx(time.time() - waiting.oldest, abs=2)


async def test_what_nats_does_not_tell_any_more_is_not_told_for_long(
    bus: Bus, operator: Bus, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _take(operator, streams.JOBS, "jobs_bulk_pacs", subjects.retrieves("pacs", Lane.BULK))
    await look(bus)
    now = time.monotonic()
    await server.kill()
    bus.jetstream = bus.client.jetstream(timeout=0.2)
    with pytest.raises(BusUnavailable):
        await look(bus)
    assert measured(LENGTH, **BULK) == 0
    assert measured("isthmus_jetstream_size_bytes") is not None
    later = now + KNOWN_SECONDS + PATIENCE
    monkeypatch.setattr("isthmus.common.telemetry.metrics.monotonic", lambda: later)
    for name in (LENGTH, AGE, "isthmus_jetstream_size_bytes", "isthmus_dead_letters"):
        assert told(name) == [], name
    await server.start()


async def test_a_queue_that_is_gone_is_told_no_more(bus: Bus, operator: Bus) -> None:
    await _take(operator, streams.STORES, "stores-pacs", subjects.store("pacs"))
    await look(bus)
    assert told(LENGTH, isthmus_queue="store") == [{"dicom_origin": "pacs"}]
    await operator.jetstream.delete_consumer(streams.STORES, "stores-pacs")
    await look(bus)
    assert told(LENGTH, isthmus_queue="store") == []


async def test_the_two_queues_of_a_webhook_are_one(bus: Bus, operator: Bus) -> None:
    arrived = subjects.event("study.arrived", "inbox")
    await _take(operator, streams.EVENTS, "webhook-ris", arrived)
    await _take(operator, streams.FORWARDS, "webhook-ris", subjects.webhook("ris"))
    await operator.jetstream.publish(arrived, b"{}")
    await operator.jetstream.publish(subjects.webhook("ris"), b"{}")
    await look(bus)
    assert measured(LENGTH, isthmus_queue="webhooks", isthmus_webhook="ris") == 2
    assert measured(AGE, isthmus_queue="webhooks", isthmus_webhook="ris") is not None


async def test_dead_letters_are_told_until_somebody_takes_them_away(bus: Bus, operator: Bus) -> None:
    await bury(operator, DeadLetter("webhook", "ris", "HTTP 422", 3, 1.7e9, 1.7e9, b"{}"), "one")
    await look(bus)
    assert measured("isthmus_dead_letters", isthmus_queue="webhooks", isthmus_webhook="ris") == 1
    await operator.jetstream.purge_stream(streams.DEAD)
    await look(bus)
    assert told("isthmus_dead_letters") == []


async def test_what_jetstream_keeps_is_told_and_a_limit_only_where_there_is_one(
    bus: Bus, operator: Bus
) -> None:
    await look(bus)
    before = measured("isthmus_jetstream_size_bytes")
    await operator.jetstream.publish(subjects.event("study.arrived", "inbox"), bytes(10_000))
    await look(bus)
    after = measured("isthmus_jetstream_size_bytes")
    assert before is not None
    assert after is not None
    assert after - before >= 10_000
    assert told("isthmus_jetstream_limit_bytes") == []


class LimitedNats(EmbeddedNats):
    """The embedded server, that gives our account so much of the disk and no more."""

    def prepare(self) -> None:
        super().prepare()
        file, before = self.directory / "nats.conf", "jetstream: enabled"
        text = file.read_text()
        assert text.count(before) == 1
        file.write_text(text.replace(before, f"jetstream: {{ max_file: {LIMIT} }}"))


async def test_a_limit_that_nats_names_is_told(tmp_path: Path) -> None:
    async with LimitedNats(tmp_path) as server:
        bus = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
        await look(bus)
        assert measured("isthmus_jetstream_limit_bytes") == LIMIT
        await bus.close()


async def test_the_watch_looks_at_the_queues_too(bus: Bus, operator: Bus) -> None:
    await _take(operator, streams.COMMITMENTS, "commit-watched", subjects.commits("watched"))
    watching = asyncio.create_task(Watch(bus).run())
    here = {"isthmus_queue": "commit", "dicom_origin": "watched"}
    await until(lambda: asyncio.sleep(0, measured(LENGTH, **here)), lambda length: length == 0)
    await end_tasks([watching])
