"""NATS that is killed and comes back, with what it had or without."""

import asyncio

import pytest
from structlog.testing import capture_logs

from isthmus.common.bus import Bus, end_tasks, jobs, progress, streams, subjects
from isthmus.common.bus.jobs import Lane, Running
from isthmus.common.errors import BusUnavailable
from isthmus.common.messages import InstanceStored, Retrieve, StoreDone, store_fact
from tests.common.bus.server import Server, own_bus, server
from tests.waiting import PATIENCE

__all__ = ["own_bus", "server"]  # fixtures

AWAY_SECONDS = 3.0


async def until_taken(bus: Bus, subject: str, fact: InstanceStored | StoreDone, message_id: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await progress.publish(bus, subject, fact, message_id)
            except BusUnavailable:
                await asyncio.sleep(0.1)  # what a worker does while NATS is away


async def test_readers_go_on_without_loss_or_repetition(server: Server, own_bus: Bus) -> None:
    subject = subjects.stored("pacs", "job")
    half_read = [asyncio.Event() for _ in range(3)]

    async def still_there() -> bool:
        return True

    async def read(half: asyncio.Event) -> list[int]:
        indexes: list[int] = []
        async with progress.follow(own_bus, subject, store_fact, still_there) as facts:
            async for fact in facts:
                if isinstance(fact, StoreDone):
                    return indexes
                indexes.append(fact.index)
                if len(indexes) == 20:
                    half.set()
        pytest.fail("ended without the end of the job")

    async def publish(start: int, stop: int) -> None:
        for index in range(start, stop):
            await until_taken(own_bus, subject, InstanceStored(index, "1", "2", 0), f"job.{index}")

    reading = [asyncio.create_task(read(half)) for half in half_read]
    await publish(0, 20)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(half.wait() for half in half_read))
    await server.kill()
    publishing = asyncio.create_task(publish(20, 40))
    await asyncio.sleep(AWAY_SECONDS)  # the outage itself
    await server.start()
    await publishing
    await until_taken(own_bus, subject, StoreDone(40, 0), "job.done")
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*reading) == [list(range(40))] * 3


@pytest.mark.parametrize("lost", [False, True])
async def test_workers_take_jobs_again(server: Server, own_bus: Bus, lost: bool) -> None:
    taken: asyncio.Queue[str] = asyncio.Queue()

    async def worker(running: Running[Retrieve]) -> None:
        await running.acknowledge()
        taken.put_nowait(running.generation)

    working = [
        asyncio.create_task(jobs.work(own_bus, streams.JOBS, "pacs", Retrieve, worker, at_once=1, lane=lane))
        for lane in Lane
    ]
    first = await jobs.submit_retrieve(own_bus, Retrieve("pacs", "1.2.3"))
    async with asyncio.timeout(PATIENCE):
        assert await taken.get() == first.generation
    await server.kill()
    if lost:
        server.lose_everything()
    await server.start()
    for lane in Lane:
        async with asyncio.timeout(PATIENCE):
            submitted = None
            while submitted is None:
                try:
                    submitted = await jobs.submit_retrieve(own_bus, Retrieve("pacs", "1.2.3"), lane)
                except BusUnavailable:
                    await asyncio.sleep(0.1)  # not connected again yet
            # The sequence of a lost stream starts again, and still no job is named like an earlier one.
            assert await taken.get() == submitted.generation != first.generation
    await end_tasks(working)


async def test_that_it_is_away_is_logged_once_not_with_each_attempt(
    server: Server, own_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: asyncio.Queue[None] = asyncio.Queue()
    connect = asyncio.open_connection

    async def counted(
        host: str, port: int, **limits: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        attempts.put_nowait(None)
        return await connect(host, port, **limits)

    monkeypatch.setattr(asyncio, "open_connection", counted)
    with capture_logs() as logs:
        await server.kill()
        for _ in range(5):
            await attempts.get()
    told = [log["error"] for log in logs if log["event"] == "nats"]
    assert told
    assert sorted(told) == sorted(set(told))
    assert not own_bus.connected
    await server.start()
