import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from isthmus.common.bus import Bus, end_tasks, progress, streams, subjects
from isthmus.common.errors import BusUnavailable, ContractError
from isthmus.common.messages import InstanceStored, StoreDone, store_fact
from tests.waiting import PATIENCE

Facts = AsyncIterator[InstanceStored | StoreDone]


async def it_is() -> bool:
    return True


async def it_is_not() -> bool:
    return False


@asynccontextmanager
async def reader(bus: Bus, subject: str) -> AsyncIterator[Facts]:
    async with progress.follow(bus, subject, store_fact, it_is) as facts:
        yield facts


@asynccontextmanager
async def readers(bus: Bus, subject: str, count: int) -> AsyncIterator[list[Facts]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(reader(bus, subject)) for _ in range(count)]


async def publish(bus: Bus, subject: str, *numbers: int) -> None:
    for number in numbers:
        await progress.publish(bus, subject, InstanceStored(number, "1", "2", 0), f"{subject}.{number}")


async def take(facts: Facts, count: int) -> list[int]:
    taken: list[int] = []
    async with asyncio.timeout(PATIENCE):
        while len(taken) < count:
            fact = await anext(facts)
            assert isinstance(fact, InstanceStored)
            taken.append(fact.index)
    return taken


async def consumers(bus: Bus, subject: str) -> int:
    infos = await bus.jetstream.consumers_info(streams.PROGRESS)
    return sum(info.config.filter_subject == subject for info in infos)


@pytest.fixture
def subject(origin_name: str) -> str:
    return subjects.stored(origin_name, "job")


async def test_what_is_no_fact_reaches_every_reader_as_an_error(bus: Bus, subject: str) -> None:
    await publish(bus, subject, 0)
    await bus.jetstream.publish(subject, b"rubbish")
    await publish(bus, subject, 1)
    async with readers(bus, subject, 3) as all_of_them:
        for facts in all_of_them:
            assert await take(facts, 1) == [0]
            with pytest.raises(ContractError):
                await anext(facts)


async def test_no_consumer_is_the_failure_of_all_who_wait_for_it_and_not_of_the_next(bus: Bus) -> None:
    async def read() -> None:
        async with reader(bus, "dicom.stored..no"):
            pytest.fail("there is nothing to read")

    for _ in range(2):
        failures = await asyncio.gather(*(read() for _ in range(3)), return_exceptions=True)
        assert [type(failure) for failure in failures] == [BusUnavailable] * 3
    assert len(bus.followers) == 0


async def test_a_reader_that_is_cancelled_while_it_begins_takes_nobody_with_it(
    bus: Bus, subject: str
) -> None:
    await publish(bus, subject, 0)

    async def read() -> list[int]:
        async with reader(bus, subject) as facts:
            return await take(facts, 1)

    first, second = (asyncio.create_task(read()) for _ in range(2))
    await asyncio.sleep(0)  # both have begun: the first asks NATS, the second waits for it
    first.cancel()
    assert await second == [0]
    await end_tasks([first])
    assert len(bus.followers) == 0


async def test_readers_in_one_process_share_one_consumer_until_the_last_leaves(
    bus: Bus, subject: str
) -> None:
    async with reader(bus, subject) as first:
        async with readers(bus, subject, 20) as others:
            await publish(bus, subject, 0, 1)
            for facts in others:
                assert await take(facts, 2) == [0, 1]
            assert await consumers(bus, subject) == 1
        await publish(bus, subject, 2)
        assert await take(first, 3) == [0, 1, 2]
    assert len(bus.followers) == 0


async def test_a_slow_reader_delays_nobody_and_loses_nothing(bus: Bus, subject: str) -> None:
    async with readers(bus, subject, 2) as (slow, fast):
        await publish(bus, subject, *range(20))
        assert await take(slow, 1) == [0]
        assert await take(fast, 20) == list(range(20))
        assert await take(slow, 19) == list(range(1, 20))


async def test_a_late_reader_gets_all_from_the_beginning(bus: Bus, subject: str) -> None:
    async with reader(bus, subject) as first:
        await publish(bus, subject, 0, 1)
        assert await take(first, 2) == [0, 1]
        async with reader(bus, subject) as late:
            assert await take(late, 2) == [0, 1]


async def test_the_last_facts_of_a_job_that_is_gone_are_waited_for(
    bus: Bus, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENCE", 0.05)

    async def ends_meanwhile() -> bool:
        await publish(bus, subject, 0)
        return False

    async with progress.follow(bus, subject, store_fact, ends_meanwhile) as facts:
        assert [fact async for fact in facts] == [InstanceStored(0, "1", "2", 0)]


async def test_a_replay_gives_what_is_there_without_waiting_for_more(bus: Bus, subject: str) -> None:
    assert await progress.replay(bus, subject, store_fact) == []
    await publish(bus, subject, *range(3))
    async with asyncio.timeout(progress.SILENCE / 2):
        facts = await progress.replay(bus, subject, store_fact)
    assert facts == [InstanceStored(number, "1", "2", 0) for number in range(3)]


async def test_facts_are_in_order_and_those_with_the_same_id_come_once(bus: Bus, subject: str) -> None:
    await progress.publish(bus, subject, InstanceStored(0, "1", "2", 0), "job.0")
    await progress.publish(bus, subject, InstanceStored(0, "1", "2", 0), "job.0")
    await progress.publish(bus, subject, StoreDone(1, 0), "job.done")
    async with reader(bus, subject) as facts:
        assert [await anext(facts), await anext(facts)] == [InstanceStored(0, "1", "2", 0), StoreDone(1, 0)]


async def test_facts_end_with_a_job_that_is_lost(
    bus: Bus, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENCE", 0.2)
    async with progress.follow(bus, subject, store_fact, it_is_not) as facts:
        assert [fact async for fact in facts] == []
