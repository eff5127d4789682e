"""What JetStream tells of the queues: how much waits, since when, and whether somebody takes it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.bus import Bus, end_tasks, forwards, jobs, streams, subjects
from isthmus.common.bus.backlog import SINCE, Backlog, Queue, associations, backlogs, dead_letters, storage
from isthmus.common.bus.dead import bury
from isthmus.common.bus.jobs import Lane, Running
from isthmus.common.bus.slots import Slots
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable
from isthmus.common.messages import DeadLetter, Forwarding, Retrieve
from tests.waiting import PATIENCE, until


@pytest.fixture
async def own_bus(tmp_path: Path) -> AsyncIterator[Bus]:
    """A connection to a server of the test's own."""
    async with EmbeddedNats(tmp_path / "nats") as server:
        bus = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
        yield bus
        await bus.close()


async def _of(bus: Bus, queue: Queue) -> list[Backlog]:
    return [one for one in await backlogs(bus) if one.queue is queue]


async def _take(bus: Bus, stream: str, consumer: str, subject: str) -> None:
    config = ConsumerConfig(durable_name=consumer, filter_subject=subject, ack_policy=AckPolicy.EXPLICIT)
    await bus.jetstream.add_consumer(stream, config)


async def test_without_nats_nothing_is_told(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "nats") as server:
        bus = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
        bus.jetstream = bus.client.jetstream(timeout=0.2)
    for asked in (backlogs, associations, dead_letters, storage):
        with pytest.raises(BusUnavailable):
            await asked(bus)
    await bus.close()


async def test_a_job_that_nobody_takes_waits_since_it_was_submitted(own_bus: Bus) -> None:
    await _take(own_bus, streams.JOBS, "jobs_bulk_pacs", subjects.retrieves("pacs", Lane.BULK))
    before = time.time()
    await jobs.submit_retrieve(own_bus, Retrieve("pacs", "1.2.3"), Lane.BULK)
    after = time.time()
    await jobs.submit_retrieve(own_bus, Retrieve("pacs", "1.2.4"), Lane.BULK)
    (one,) = await _of(own_bus, Queue.RETRIEVE)
    assert (one.origin, one.lane, one.waiting, one.in_work, one.length) == ("pacs", "bulk", 2, 0, 2)
    assert not one.has_takers
    assert one.oldest is not None
    assert before - 0.1 <= one.oldest <= after + 0.1


async def test_what_is_in_work_is_the_oldest_until_it_is_acknowledged(own_bus: Bus) -> None:
    taken: asyncio.Queue[Running[Retrieve]] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        taken.put_nowait(running)
        await asyncio.Event().wait()

    await jobs.submit_retrieve(own_bus, Retrieve("pacs", "1.2.3"))
    working = asyncio.create_task(jobs.work(own_bus, streams.JOBS, "pacs", Retrieve, worker, at_once=1))
    async with asyncio.timeout(PATIENCE):
        running = await taken.get()
    await jobs.submit_retrieve(own_bus, Retrieve("pacs", "1.2.4"))
    (one,) = await _of(own_bus, Queue.RETRIEVE)
    assert (one.waiting, one.in_work, one.redelivered) == (1, 1, 0)
    assert one.has_takers
    first = one.oldest
    assert first is not None
    await running.acknowledge()
    (one,) = await until(lambda: _of(own_bus, Queue.RETRIEVE), lambda found: found[0].length == 1)
    assert one.oldest is not None
    assert one.oldest > first
    await end_tasks([working])


async def test_what_is_put_into_the_queue_of_a_destination_once_more_waits_since_it_was_first_there(
    own_bus: Bus,
) -> None:
    consumer = forwards.consumer_name("pacs")
    await _take(own_bus, streams.FORWARDS, consumer, subjects.forwards("pacs"))
    since = time.time() - 3 * 24 * 3600
    for attempt in ("first", "later"):
        forwarding = Forwarding(attempt, "inbox", "1.2", "pacs", (), since)
        await forwards.enqueue(own_bus, forwarding)
    (one,) = await _of(own_bus, Queue.FORWARD)
    assert one.oldest == since
    taking = await own_bus.jetstream.pull_subscribe_bind(consumer, streams.FORWARDS)
    (first,) = await taking.fetch(1, timeout=PATIENCE)
    await first.ack_sync(timeout=PATIENCE)
    (one,) = await _of(own_bus, Queue.FORWARD)
    assert (one.length, one.oldest) == (1, since)


async def test_what_no_version_of_ours_says_of_a_message_is_not_believed(own_bus: Bus) -> None:
    await _take(own_bus, streams.FORWARDS, forwards.consumer_name("pacs"), subjects.forwards("pacs"))
    before = time.time()
    subject = subjects.forward("pacs", "inbox", "1.2")
    await own_bus.jetstream.publish(subject, b"", headers={SINCE: "yesterday"})
    (one,) = await _of(own_bus, Queue.FORWARD)
    assert one.oldest is not None
    assert one.oldest > before - 1


async def test_a_job_that_was_handed_back_is_known_to_come_again(own_bus: Bus) -> None:
    await jobs.submit_retrieve(own_bus, Retrieve("pacs", "1.2.3"))
    deliveries: asyncio.Queue[int] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        deliveries.put_nowait(running.deliveries)
        await asyncio.Event().wait()

    for expected in (1, 2):
        working = asyncio.create_task(jobs.work(own_bus, streams.JOBS, "pacs", Retrieve, worker, at_once=1))
        async with asyncio.timeout(PATIENCE):
            assert await deliveries.get() == expected
        (one,) = await _of(own_bus, Queue.RETRIEVE)
        assert (one.in_work, one.redelivered) == (1, expected - 1)
        await end_tasks([working])


async def test_a_consumer_of_jobs_that_somebody_made_by_hand_is_passed_over(own_bus: Bus) -> None:
    await _take(own_bus, streams.JOBS, "by-hand", "dicom.retrieve.>")
    assert await backlogs(own_bus) == []


async def test_an_empty_queue_is_told_too_and_has_no_oldest(own_bus: Bus) -> None:
    await _take(own_bus, streams.STORES, "stores-my-pacs", subjects.store("my-pacs"))
    await _take(own_bus, streams.FORWARDS, "forwards-my-pacs", subjects.forwards("my-pacs"))
    await _take(own_bus, streams.COMMITMENTS, "commit-inbox", subjects.commits("inbox"))
    found = await backlogs(own_bus)
    assert [(one.queue, one.origin, one.length, one.oldest) for one in found] == [
        (Queue.STORE, "my-pacs", 0, None),
        (Queue.FORWARD, "my-pacs", 0, None),
        (Queue.COMMIT, "inbox", 0, None),
    ]


async def test_who_hears_of_events_is_named_and_who_reads_along_is_not_told(own_bus: Bus) -> None:
    all_events = subjects.events()
    for consumer in (streams.ARRIVALS_CONSUMER, "webhook-ris", "research"):
        await _take(own_bus, streams.EVENTS, consumer, all_events)
    await own_bus.jetstream.add_consumer(streams.EVENTS, ConsumerConfig(ack_policy=AckPolicy.NONE))
    await own_bus.jetstream.publish(subjects.event("study.arrived", "inbox"), b"{}")
    found = {(one.queue, one.name): one.waiting for one in await backlogs(own_bus)}
    assert found == {
        (Queue.EVENTS, "arrivals"): 1,
        (Queue.WEBHOOKS, "ris"): 1,
        (Queue.SUBSCRIBERS, "research"): 1,
    }


async def test_an_events_age_is_that_of_the_oldest_that_its_consumer_wants(own_bus: Bus) -> None:
    stored = subjects.event("instance.stored", "inbox")
    await own_bus.jetstream.publish(subjects.event("study.arrived", "inbox"), b"{}")
    await own_bus.jetstream.publish(stored, b"{}")
    wanted = await own_bus.jetstream.get_last_msg(streams.EVENTS, stored)
    assert wanted.time is not None
    config = ConsumerConfig(
        durable_name=streams.ARRIVALS_CONSUMER,
        filter_subjects=[stored, subjects.told("inbox", "1.2.3")],
        ack_policy=AckPolicy.EXPLICIT,
    )
    await own_bus.jetstream.add_consumer(streams.EVENTS, config)
    (one,) = await backlogs(own_bus)
    assert (one.waiting, one.oldest) == (1, wanted.time.timestamp())


async def test_of_associations_is_told_how_many_are_allowed_and_wanted_whatever_was_given_back(
    own_bus: Bus,
) -> None:
    slots = await Slots.open(own_bus, "pacs", 2)
    held = await slots.take(0)
    (one,) = await associations(own_bus)
    assert (one.origin, one.allowed, one.waiting) == ("pacs", 2, 0)
    other = await slots.take(0)
    wanting = asyncio.create_task(slots.take(0))
    (one,) = await until(lambda: associations(own_bus), lambda found: found[0].waiting)
    assert (one.allowed, one.waiting) == (2, 1)
    await held.release()
    await (await wanting).release()
    await other.release()
    (one,) = await until(lambda: associations(own_bus), lambda found: not found[0].waiting)
    assert one.allowed == 2
    await slots.close()


async def test_dead_letters_are_counted_by_whom_they_were_for(own_bus: Bus) -> None:
    assert await dead_letters(own_bus) == {}
    for number in range(2):
        letter = DeadLetter("webhook", "ris", "HTTP 422", 3, 1.7e9, 1.7e9, b"{}")
        await bury(own_bus, letter, f"letter-{number}")
    assert await dead_letters(own_bus) == {("webhook", "ris"): 2}


async def test_what_is_kept_on_the_disk_is_told(own_bus: Bus) -> None:
    before = await storage(own_bus)
    await own_bus.jetstream.publish(subjects.event("study.arrived", "inbox"), bytes(10_000))
    after = await storage(own_bus)
    assert after.used - before.used >= 10_000
    assert after.limit is None
