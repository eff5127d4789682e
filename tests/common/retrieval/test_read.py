import asyncio
from contextlib import suppress

import pytest
from nats.errors import NoRespondersError

from isthmus.common.bus import Bus, jobs, progress, subjects
from isthmus.common.bus.jobs import Running
from isthmus.common.errors import (
    Incomplete,
    IsthmusError,
    NoSuchObject,
    NotDelivered,
    NoWorker,
    OperationFailed,
    OriginCancelled,
)
from isthmus.common.messages import (
    Failure,
    InstanceReady,
    MissingInstance,
    Retrieve,
    RetrieveDone,
)
from isthmus.common.retrieval import Retrieval
from tests.common.retrieval.held import SERIES, STUDY, blob
from tests.common.retrieval.worker import FakeWorker, at_work, everything


async def test_nobody_serves_the_origin(
    retrieval: Retrieval, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENCE", 0.2)
    with pytest.raises(NoWorker):
        await everything(retrieval, Retrieve(origin_name, STUDY))


async def test_an_unknown_study_is_no_such_object(bus: Bus, retrieval: Retrieval, origin_name: str) -> None:
    async with at_work(bus, origin_name):
        with pytest.raises(NoSuchObject):
            await everything(retrieval, Retrieve(origin_name, STUDY))


@pytest.mark.parametrize(
    ("done", "error"),
    [
        (RetrieveDone(0, (), Failure("OperationFailed", "no", "pacs", 0xC000)), OperationFailed),
        (
            RetrieveDone(0, (MissingInstance(SERIES, "1"),), Failure("NotDelivered", "no", "pacs")),
            NotDelivered,
        ),
        (RetrieveDone(0, (MissingInstance(SERIES, "1"),)), NotDelivered),
    ],
)
async def test_a_failure_before_the_first_instance_is_raised(
    bus: Bus, retrieval: Retrieval, origin_name: str, done: RetrieveDone, error: type[IsthmusError]
) -> None:
    async def script(_: FakeWorker, __: Running[Retrieve]) -> RetrieveDone:
        return done

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        with pytest.raises(error):
            await everything(retrieval, Retrieve(origin_name, STUDY))


@pytest.mark.parametrize(
    "done",
    [
        RetrieveDone(1, (MissingInstance(SERIES, f"{SERIES}.2"),)),
        RetrieveDone(1, (), Failure("AssociationAborted", "broke off", "pacs")),
    ],
)
async def test_a_part_is_never_the_whole(
    bus: Bus, retrieval: Retrieval, origin_name: str, done: RetrieveDone
) -> None:
    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        return done

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        with pytest.raises(Incomplete) as caught:
            await everything(retrieval, Retrieve(origin_name, STUDY))
    assert caught.value.missing == tuple(missing.sop_instance_uid for missing in done.missing)


async def test_each_instance_comes_once(bus: Bus, retrieval: Retrieval, origin_name: str) -> None:
    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1), blob(2))
        await worker.publish(running, InstanceReady(blob(1)), "again")
        return RetrieveDone(2, ())

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        assert await everything(retrieval, Retrieve(origin_name, STUDY)) == [blob(1), blob(2)]


async def test_one_transfer_serves_all_who_ask(bus: Bus, retrieval: Retrieval, origin_name: str) -> None:
    joined = asyncio.Event()

    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        await joined.wait()
        await worker.ready(running, blob(2), blob(1, "1.2.4"))
        return RetrieveDone(3, ())

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        async with retrieval.read(Retrieve(origin_name, STUDY)) as first:
            assert await anext(first) == blob(1)
            async with (
                retrieval.read(Retrieve(origin_name, STUDY, SERIES)) as series,
                retrieval.read(Retrieve(origin_name, STUDY, SERIES, f"{SERIES}.1")) as instance,
            ):
                assert await anext(series) == await anext(instance) == blob(1)
                joined.set()
                assert [one async for one in instance] == []
                assert [one async for one in series] == [blob(2)]
            assert [one async for one in first] == [blob(2), blob(1, "1.2.4")]
        assert len(worker.jobs) == 1


async def test_what_lacks_elsewhere_in_the_study_does_not_spoil_a_series(
    bus: Bus, retrieval: Retrieval, origin_name: str
) -> None:
    joined = asyncio.Event()

    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await joined.wait()
        await worker.ready(running, blob(1))
        failure = Failure("NotDelivered", "no", "pacs")
        return RetrieveDone(1, (MissingInstance("1.2.4", "1.2.4.1"),), failure)

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        study = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY)))
        await worker.begun.wait()
        series = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY, SERIES)))
        joined.set()
        with pytest.raises(Incomplete):
            await study
        assert await series == [blob(1)]


async def test_a_wider_retrieve_waits_for_a_narrow_one(
    bus: Bus, retrieval: Retrieval, origin_name: str
) -> None:
    joined = asyncio.Event()

    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        if running.job.series is not None:
            await joined.wait()
            return RetrieveDone(1, ())
        await worker.ready(running, blob(1, "1.2.4"))
        return RetrieveDone(2, ())

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        async with retrieval.read(Retrieve(origin_name, STUDY, SERIES)) as series:
            await anext(series)
            study = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY)))
            joined.set()
            assert await study == [blob(1), blob(1, "1.2.4")]
        assert worker.jobs == [Retrieve(origin_name, STUDY, SERIES), Retrieve(origin_name, STUDY)]


async def test_who_joins_a_job_that_was_just_given_up_gets_another(
    bus: Bus, retrieval: Retrieval, origin_name: str
) -> None:
    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        if len(worker.jobs) == 1:
            return RetrieveDone(1, (), Failure.of(OriginCancelled("nobody", origin=origin_name)))
        await worker.ready(running, blob(2))
        return RetrieveDone(2, ())

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        assert await everything(retrieval, Retrieve(origin_name, STUDY)) == [blob(1), blob(2)]


@pytest.mark.parametrize("failure", [None, Failure("OriginCancelled", "nobody", "pacs")])
async def test_a_job_that_ended_and_is_still_queued_is_not_joined(
    bus: Bus, retrieval: Retrieval, origin_name: str, failure: Failure | None
) -> None:
    ended = await jobs.submit_retrieve(bus, Retrieve(origin_name, STUDY))
    subject = subjects.progress(origin_name, STUDY, ended.generation)
    done = RetrieveDone(0, (MissingInstance(SERIES, "1"),), failure)
    await progress.publish(bus, subject, done, f"{ended.generation}.done")

    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        return RetrieveDone(1, ())

    reading = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY)))
    async with at_work(bus, origin_name) as worker:
        worker.script = script
        assert await reading == [blob(1)]


async def test_many_instances_of_a_study_at_once_wait_for_each_other(
    bus: Bus, retrieval: Retrieval, origin_name: str
) -> None:
    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(int(str(running.job.instance).rpartition(".")[2])))
        return RetrieveDone(1, ())

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        wanted = [Retrieve(origin_name, STUDY, SERIES, f"{SERIES}.{number}") for number in range(12)]
        found = await asyncio.gather(*(everything(retrieval, one) for one in wanted))
    assert found == [[blob(number)] for number in range(12)]


async def test_a_worker_between_two_jobs_is_there(
    bus: Bus, retrieval: Retrieval, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENCE", 0.2)
    async with at_work(bus, origin_name):
        pass  # the durable consumer is there, and nobody waits at it
    reading = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY)))
    await asyncio.sleep(0.4)  # it was silent for once
    async with at_work(bus, origin_name):
        with pytest.raises(NoSuchObject):
            await reading


async def test_more_missing_instances_than_a_message_can_name_are_still_missing(
    bus: Bus, retrieval: Retrieval, origin_name: str
) -> None:
    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        return RetrieveDone(1, (MissingInstance("1.2.4", "1.2.4.1"),), unnamed=7)

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        with pytest.raises(Incomplete, match="8 of 9"):
            await everything(retrieval, Retrieve(origin_name, STUDY))
        with pytest.raises(Incomplete):
            await everything(retrieval, Retrieve(origin_name, STUDY, SERIES))
        assert await everything(retrieval, Retrieve(origin_name, STUDY, SERIES, f"{SERIES}.1")) == [blob(1)]


async def test_an_instance_that_came_is_whole_whatever_became_of_its_study(
    bus: Bus, retrieval: Retrieval, origin_name: str
) -> None:
    begun, joined = asyncio.Event(), asyncio.Event()

    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        begun.set()
        await joined.wait()
        await worker.ready(running, blob(1))
        return RetrieveDone(1, (), Failure("StoreUnavailable", "S3 is away"))

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        study = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY)))
        await begun.wait()
        one = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY, SERIES, f"{SERIES}.1")))
        joined.set()
        with pytest.raises(Incomplete):
            await study
        assert await one == [blob(1)]


async def test_interest_is_answered_while_the_reader_is_there(
    bus: Bus, retrieval: Retrieval, origin_name: str
) -> None:
    left = asyncio.Event()
    answers: list[bool] = []
    asked = asyncio.Event()

    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        subject = subjects.interest(origin_name, STUDY, running.generation)
        answers.append(bool((await bus.client.request(subject, b"", 1)).data))
        asked.set()
        await left.wait()
        with suppress(NoRespondersError):
            await bus.client.request(subject, b"", 1)
            answers.append(True)
        asked.set()
        return RetrieveDone(1, ())

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        async with retrieval.read(Retrieve(origin_name, STUDY)) as instances:
            await anext(instances)
            await asked.wait()
        asked.clear()
        left.set()
        await asked.wait()
    assert answers == [True]
