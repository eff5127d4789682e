import asyncio

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.common.bus import Bus, end_tasks, jobs, streams, subjects
from isthmus.common.bus import worker as worker_module
from isthmus.common.bus.jobs import Lane, Running
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable, NoWorker
from isthmus.common.messages import Retrieve, Store, encode
from tests.common.bus.elsewhere import deliver_unread
from tests.waiting import PATIENCE

STUDY = "1.2.3"


async def test_a_job_without_a_worker_is_known_to_have_none(bus: Bus, origin_name: str) -> None:
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    with pytest.raises(NoWorker):
        await jobs.require_worker(bus, streams.JOBS, origin_name)


async def test_each_lane_has_workers_of_its_own(bus: Bus, origin_name: str) -> None:
    taken: asyncio.Queue[tuple[str, Lane]] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        taken.put_nowait((running.job.study, running.lane))
        await running.acknowledge()

    await jobs.submit_retrieve(bus, Retrieve(origin_name, "1"), Lane.BULK)
    await jobs.submit_retrieve(bus, Retrieve(origin_name, "2"))
    for study, lane in (("1", Lane.BULK), ("2", Lane.INTERACTIVE)):
        with pytest.raises(NoWorker):
            await jobs.require_worker(bus, streams.JOBS, origin_name, lane)
        working = asyncio.create_task(
            jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=2, lane=lane)
        )
        async with asyncio.timeout(PATIENCE):
            assert await taken.get() == (study, lane)
        await jobs.require_worker(bus, streams.JOBS, origin_name, lane)
        await end_tasks([working])


async def test_a_study_has_a_job_until_the_last_one_is_off_its_lane(bus: Bus, origin_name: str) -> None:
    assert not await jobs.has_job(bus, origin_name, STUDY)
    for lane in Lane:
        submitted = await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY), lane)
        assert await jobs.has_job(bus, origin_name, STUDY)
        assert not await jobs.has_job(bus, origin_name, f"{STUDY}.4")
        await jobs.withdraw(bus, streams.JOBS, jobs.sequence_of(submitted.generation))
        assert not await jobs.has_job(bus, origin_name, STUDY)


async def test_the_consumer_of_an_earlier_version_makes_room(bus: Bus, origin_name: str) -> None:
    done = asyncio.Event()

    async def worker(running: Running[Retrieve]) -> None:
        await running.acknowledge()
        done.set()

    earlier = ConsumerConfig(
        durable_name=f"jobs-{origin_name}",
        filter_subject=subjects.retrieves(origin_name, Lane.INTERACTIVE),
        ack_policy=AckPolicy.EXPLICIT,
    )
    await bus.jetstream.add_consumer(streams.JOBS, earlier)
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=1))
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    await end_tasks([working])


async def test_a_job_that_a_worker_gave_up_is_taken_by_another(
    bus: Bus, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "ACK_WAIT", 0.5)
    deaths: asyncio.Queue[int | None] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        deaths.put_nowait(running.deaths)
        if running.deaths == 0:
            raise BusUnavailable("away")
        await running.acknowledge()
        deaths.put_nowait(None)

    working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=2))
    submitted = await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    async with asyncio.timeout(PATIENCE):
        assert [await deaths.get() for _ in range(3)] == [0, 1, None]
    assert not await jobs.is_queued(bus, streams.JOBS, jobs.sequence_of(submitted.generation))
    await end_tasks([working])


async def test_a_job_whose_worker_stops_goes_to_another_at_once(bus: Bus, origin_name: str) -> None:
    begun: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        begun.put_nowait((running.deliveries, running.deaths))
        await asyncio.Event().wait()

    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    for delivery in range(1, 7):
        working = asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=2))
        async with asyncio.timeout(8):  # less than ACK_WAIT
            assert await begun.get() == (delivery, 0)  # nobody has died of it
        await end_tasks([working])


async def test_a_job_that_is_on_its_way_to_a_worker_that_stops_goes_to_another_at_once(
    bus: Bus, nats_settings: Nats, origin_name: str
) -> None:
    begun: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        await running.acknowledge()
        begun.put_nowait((running.job.study, running.deaths))

    async def work() -> None:
        await jobs.work(bus, streams.JOBS, origin_name, Retrieve, worker, at_once=2)

    working = asyncio.create_task(work())
    await jobs.submit_retrieve(bus, Retrieve(origin_name, "1"))
    async with asyncio.timeout(PATIENCE):
        assert await begun.get() == ("1", 0)
    deliver_unread(
        nats_settings,
        streams.JOBS,
        jobs.durable_name(streams.JOBS, origin_name),
        subjects.retrieve(origin_name, Lane.INTERACTIVE, "2"),
        [encode(Retrieve(origin_name, "2"))],
    )
    await end_tasks([working])
    working = asyncio.create_task(work())
    async with asyncio.timeout(8):  # less than ACK_WAIT
        assert await begun.get() == ("2", 0)  # nobody has died of it
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
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    # The consumer goes away under it, as with a server that comes back without its streams.
    await bus.jetstream.delete_consumer(streams.JOBS, jobs.durable_name(streams.JOBS, origin_name))
    done.clear()
    await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    async with asyncio.timeout(8):  # less than ACK_WAIT
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
    async with asyncio.timeout(PATIENCE):
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
    async with asyncio.timeout(PATIENCE):
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
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    await bus.client.flush()
    assert not await jobs.is_queued(bus, streams.JOBS, ack.seq)
    await end_tasks([working])


async def test_a_store_job_is_queued_until_it_is_acknowledged(bus: Bus, origin_name: str) -> None:
    sequence = await jobs.submit_store(bus, Store(origin_name, "job"))
    assert await jobs.is_queued(bus, streams.STORES, sequence)
    assert await jobs.withdraw(bus, streams.STORES, sequence)
    assert not await jobs.withdraw(bus, streams.STORES, sequence)
