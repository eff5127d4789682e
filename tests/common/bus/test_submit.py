import asyncio
from collections.abc import AsyncIterator

import pytest

from isthmus.common.bus import Bus, end_tasks, jobs, progress, streams, subjects
from isthmus.common.bus.guard import guard
from isthmus.common.bus.jobs import Lane, Running, Submitted, submit_retrieve
from isthmus.common.config.settings import Nats
from isthmus.common.messages import Retrieve, RetrieveDone, RetrieveStarted, retrieve_fact
from tests.waiting import PATIENCE

STUDY = "1.2.3"


@pytest.fixture
async def other_bus(nats_settings: Nats) -> AsyncIterator[Bus]:
    """Another process, as far as NATS can tell."""
    connection = await Bus.connect(nats_settings, "another")
    yield connection
    await connection.close()


@pytest.fixture
def study(origin_name: str) -> Retrieve:
    return Retrieve(origin_name, STUDY)


@pytest.fixture
def one_series(origin_name: str) -> Retrieve:
    return Retrieve(origin_name, STUDY, "1.2.3.4")


async def still_there() -> bool:
    return True


async def publish(bus: Bus, submitted: Submitted, fact: object) -> None:
    job = submitted.job
    subject = subjects.progress(job.origin, job.study, submitted.generation)
    await progress.publish(bus, subject, fact, f"{submitted.generation}.{type(fact).__name__}")


async def messages_sent(bus: Bus) -> int:
    await bus.client.flush()
    return bus.client.stats["out_msgs"]


async def queued(bus: Bus, origin: str) -> int:
    info = await bus.jetstream.stream_info(streams.JOBS, subjects_filter=f"dicom.retrieve.{origin}.>")
    return len(info.state.subjects or {})


async def test_equal_and_overlapping_retrieves_of_many_processes_are_one_job(
    bus: Bus, other_bus: Bus, study: Retrieve, one_series: Retrieve
) -> None:
    submitted = await asyncio.gather(
        *(
            submit_retrieve(connection, wanted)
            for connection in (bus, other_bus)
            for wanted in (study, one_series) * 10
        )
    )
    assert len({one.generation for one in submitted}) == 1
    assert len({one.job for one in submitted}) == 1
    assert await queued(bus, study.origin) == 1


async def test_a_study_may_be_retrieved_again_after_its_job_ended(bus: Bus, study: Retrieve) -> None:
    first = await submit_retrieve(bus, study)
    assert await jobs.withdraw(bus, streams.JOBS, jobs.sequence_of(first.generation))
    assert (await submit_retrieve(bus, study)).generation != first.generation


async def test_a_job_whose_end_is_published_is_not_joined_though_it_is_queued_and_held(
    bus: Bus, other_bus: Bus, study: Retrieve
) -> None:
    first = await submit_retrieve(bus, study)
    await publish(bus, first, RetrieveDone(0, ()))
    async with guard(bus, study.origin, STUDY, first):
        second = await submit_retrieve(other_bus, study)
    assert second.generation != first.generation


async def test_who_waits_does_not_join_a_bulk_job_that_is_only_queued(bus: Bus, study: Retrieve) -> None:
    later = await submit_retrieve(bus, study, Lane.BULK)
    subject = subjects.progress(study.origin, STUDY, later.generation)
    async with progress.follow(bus, subject, retrieve_fact, still_there):
        now = await submit_retrieve(bus, study)
    assert (later.lane, now.lane) == (Lane.BULK, Lane.INTERACTIVE)
    assert now.generation != later.generation
    assert await queued(bus, study.origin) == 2


async def test_who_waits_joins_a_bulk_job_that_is_at_work(
    bus: Bus, other_bus: Bus, study: Retrieve, one_series: Retrieve
) -> None:
    later = await submit_retrieve(bus, study, Lane.BULK)
    async with guard(bus, study.origin, STUDY, later):
        assert await submit_retrieve(other_bus, one_series) == later


async def test_who_waits_is_told_of_a_narrower_job_that_is_at_work(
    bus: Bus, other_bus: Bus, study: Retrieve, one_series: Retrieve
) -> None:
    narrow = await submit_retrieve(bus, one_series)
    async with guard(bus, study.origin, STUDY, narrow):
        assert await submit_retrieve(other_bus, study) == narrow


async def test_a_bulk_job_is_queued_behind_a_narrower_one(
    bus: Bus, study: Retrieve, one_series: Retrieve
) -> None:
    narrow = await submit_retrieve(bus, one_series)
    subject = subjects.progress(study.origin, STUDY, narrow.generation)
    async with (
        guard(bus, study.origin, STUDY, narrow),
        progress.follow(bus, subject, retrieve_fact, still_there),
    ):
        later = await submit_retrieve(bus, study, Lane.BULK)
    assert later.lane is Lane.BULK
    assert await queued(bus, study.origin) == 2


async def test_a_bulk_job_is_not_queued_when_one_at_work_brings_the_same(
    bus: Bus, other_bus: Bus, study: Retrieve, one_series: Retrieve
) -> None:
    wide = await submit_retrieve(bus, study)
    async with guard(bus, study.origin, STUDY, wide):
        assert await submit_retrieve(other_bus, one_series, Lane.BULK) == wide


async def test_a_second_bulk_job_is_the_first(bus: Bus, other_bus: Bus, study: Retrieve) -> None:
    first = await submit_retrieve(bus, study, Lane.BULK)
    assert await submit_retrieve(other_bus, study, Lane.BULK) == first


async def test_a_job_that_this_process_follows_is_joined_without_a_request(
    bus: Bus, study: Retrieve, one_series: Retrieve
) -> None:
    first = await submit_retrieve(bus, study)
    subject = subjects.progress(study.origin, STUDY, first.generation)
    async with progress.follow(bus, subject, retrieve_fact, still_there) as facts:
        before = await messages_sent(bus)
        assert await submit_retrieve(bus, one_series) is first
        assert await messages_sent(bus) == before
        # Not after its end, though its readers are still there.
        await publish(bus, first, RetrieveStarted(study, ""))
        await publish(bus, first, RetrieveDone(0, ()))
        async with asyncio.timeout(PATIENCE):
            assert [type(await anext(facts)) for _ in range(2)] == [RetrieveStarted, RetrieveDone]
        assert (await submit_retrieve(bus, study)).generation != first.generation


async def test_a_submission_that_is_cancelled_does_not_hold_up_the_next(bus: Bus, study: Retrieve) -> None:
    first = asyncio.create_task(submit_retrieve(bus, study))
    await asyncio.sleep(0)  # it has begun
    second = asyncio.create_task(submit_retrieve(bus, study))
    await asyncio.sleep(0)
    await end_tasks([first])
    async with asyncio.timeout(PATIENCE):
        assert (await second).job == study


async def test_the_stream_is_asked_for_once(bus: Bus, study: Retrieve, origin_name: str) -> None:
    await submit_retrieve(bus, study)
    before = await messages_sent(bus)
    await submit_retrieve(bus, Retrieve(origin_name, "1.2.4"))
    assert await messages_sent(bus) == before + 2  # who is at work, and the job


async def test_a_worker_and_who_submitted_name_a_job_alike(bus: Bus, other_bus: Bus, study: Retrieve) -> None:
    taken: asyncio.Queue[Running[Retrieve]] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        await running.acknowledge()
        taken.put_nowait(running)

    for lane in Lane:
        submitted = await submit_retrieve(bus, study, lane)
        working = asyncio.create_task(
            jobs.work(other_bus, streams.JOBS, study.origin, Retrieve, worker, at_once=1, lane=lane)
        )
        async with asyncio.timeout(PATIENCE):
            running = await taken.get()
        assert Submitted(running.generation, running.job, running.lane) == submitted
        await end_tasks([working])
