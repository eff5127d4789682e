import asyncio

import pytest

from isthmus.common.bus import Bus, end_tasks, jobs, progress, streams, subjects
from isthmus.common.bus import worker as worker_module
from isthmus.common.bus.jobs import Lane, Running
from isthmus.common.errors import BusUnavailable, NoWorker
from isthmus.common.messages import InstanceStored, Retrieve, Store, StoreDone, store_fact

STUDY = "1.2.3"


async def test_the_second_of_two_equal_retrieves_joins_the_first(bus: Bus, origin_name: str) -> None:
    first = await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    second = await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY, "1.2.3.4"))
    assert second == first


async def test_a_study_may_be_retrieved_again_after_its_job_ended(bus: Bus, origin_name: str) -> None:
    first = await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    assert await jobs.withdraw(bus, streams.JOBS, jobs.sequence_of(first.generation))
    second = await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    assert second.generation != first.generation


async def test_a_job_without_a_worker_is_known_to_have_none(bus: Bus, origin_name: str) -> None:
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    with pytest.raises(NoWorker):
        await jobs.require_worker(bus, streams.JOBS, origin_name)


async def test_a_job_that_a_worker_gave_up_is_taken_by_another(
    bus: Bus, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "ACK_WAIT", 0.5)
    deliveries: asyncio.Queue[int] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        deliveries.put_nowait(running.deliveries)
        if running.deliveries == 1:
            raise BusUnavailable("away")
        await running.acknowledge()
        deliveries.put_nowait(0)

    working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=2))
    submitted = await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    async with asyncio.timeout(5):
        assert [await deliveries.get() for _ in range(3)] == [1, 2, 0]
    assert not await jobs.is_queued(bus, streams.JOBS, jobs.sequence_of(submitted.generation))
    await end_tasks([working])


async def test_a_job_whose_worker_stops_goes_to_another_at_once(bus: Bus, origin_name: str) -> None:
    begun: asyncio.Queue[int] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        begun.put_nowait(running.deliveries)
        await asyncio.Event().wait()

    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    for delivery in (1, 2):
        working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=2))
        async with asyncio.timeout(3):  # far less than ACK_WAIT
            assert await begun.get() == delivery
        await end_tasks([working])


async def test_a_worker_that_has_been_away_from_nats_leaves_no_request_behind(
    bus: Bus, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()

    async def worker(running: Running[Retrieve]) -> None:
        await running.acknowledge()
        done.set()

    working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=1))
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    async with asyncio.timeout(5):
        await done.wait()
    # The consumer goes away under it, as with a server that comes back without its streams.
    await bus.jetstream.delete_consumer(streams.JOBS, jobs.durable_name(streams.JOBS, origin_name))
    done.clear()
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    async with asyncio.timeout(8):
        await done.wait()
    await end_tasks([working])


async def test_a_job_may_be_taken_off_the_queue_before_its_worker_does(bus: Bus, origin_name: str) -> None:
    ended: asyncio.Queue[None] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        assert await jobs.withdraw(bus, streams.JOBS, jobs.sequence_of(running.generation))
        await running.acknowledge()
        ended.put_nowait(None)

    working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=1))
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    async with asyncio.timeout(3):
        await ended.get()
    await end_tasks([working])


async def test_a_running_job_is_not_delivered_again(
    bus: Bus, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "ACK_WAIT", 1.0)
    monkeypatch.setattr(worker_module, "IN_PROGRESS", 0.3)
    begun: list[int] = []
    ended = asyncio.Event()

    async def worker(running: Running[Retrieve]) -> None:
        begun.append(running.deliveries)
        await asyncio.sleep(2.5)  # longer than ACK_WAIT: that is the point
        await running.acknowledge()
        ended.set()

    working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=2))
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    async with asyncio.timeout(10):
        await ended.wait()
    assert begun == [1]
    await end_tasks([working])


async def test_what_is_no_job_is_taken_off_the_queue(bus: Bus, origin_name: str) -> None:
    done = asyncio.Event()

    async def worker(running: Running[Retrieve]) -> None:
        await running.acknowledge()
        done.set()

    ack = await bus.jetstream.publish(subjects.retrieve(origin_name, Lane.INTERACTIVE, "9"), b"rubbish")
    working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=1))
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    async with asyncio.timeout(5):
        await done.wait()
    await bus.client.flush()
    assert not await jobs.is_queued(bus, streams.JOBS, ack.seq)
    await end_tasks([working])


async def test_facts_are_replayed_from_the_beginning(bus: Bus, origin_name: str) -> None:
    subject = subjects.stored(origin_name, "job")
    await progress.publish(bus, subject, InstanceStored(0, "1", "2", 0), "job.0")
    await progress.publish(bus, subject, InstanceStored(0, "1", "2", 0), "job.0")
    await progress.publish(bus, subject, StoreDone(1, 0), "job.done")

    async def still_there() -> bool:
        return True

    async with progress.follow(bus, subject, store_fact, still_there) as facts:
        assert [await anext(facts), await anext(facts)] == [InstanceStored(0, "1", "2", 0), StoreDone(1, 0)]


async def test_facts_end_with_a_job_that_is_lost(
    bus: Bus, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENCE", 0.2)

    async def still_there() -> bool:
        return False

    subject = subjects.stored(origin_name, "lost")
    async with progress.follow(bus, subject, store_fact, still_there) as facts:
        assert [fact async for fact in facts] == []


async def test_a_store_job_is_queued_until_it_is_acknowledged(bus: Bus, origin_name: str) -> None:
    sequence = await jobs.submit_store(bus, Store(origin_name, "job"))
    assert await jobs.is_queued(bus, streams.STORES, sequence)
    assert await jobs.withdraw(bus, streams.STORES, sequence)
    assert not await jobs.withdraw(bus, streams.STORES, sequence)
