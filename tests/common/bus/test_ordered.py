"""A stream read in its order, through whatever happens to the connection and the server."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.bus.streams import EVENTS
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable
from tests.common.bus.server import Server, own_bus, server
from tests.waiting import PATIENCE

__all__ = ["own_bus", "server"]  # fixtures

LATEST = datetime(2100, 1, 1, tzinfo=UTC)


async def publish(bus: Bus, origin: str, first: int, last: int) -> datetime:
    """Publish so many numbered messages, and give the time at which the server took the last one."""
    subject = subjects.event("study.arrived", origin)
    for number in range(first, last + 1):
        await bus.jetstream.publish(subject, str(number).encode())
    newest = await bus.jetstream.get_last_msg(EVENTS, subject)
    assert newest.time is not None
    return newest.time


async def all_of(bus: Bus, subject: str, since: datetime | int | None = None) -> list[str]:
    reading = read_ordered(bus, EVENTS, subject, since=since, follow=False)
    async with aclosing(reading) as messages:
        return [message.data.decode() async for message in messages]


class Following:
    """What a reader that follows has been given, in a task of its own."""

    def __init__(self, bus: Bus, subject: str, since: datetime | None = None) -> None:
        self._given: asyncio.Queue[str] = asyncio.Queue()
        self._task = asyncio.create_task(self._follow(bus, subject, since))

    async def _follow(self, bus: Bus, subject: str, since: datetime | None) -> None:
        async with aclosing(read_ordered(bus, EVENTS, subject, since=since, follow=True)) as messages:
            async for message in messages:
                self._given.put_nowait(message.data.decode())

    async def next(self, count: int = 1) -> list[str]:
        async with asyncio.timeout(PATIENCE):
            return [await self._given.get() for _ in range(count)]

    async def end(self) -> list[str]:
        """Stop it, and give what nobody asked for."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return [self._given.get_nowait() for _ in range(self._given.qsize())]


async def listeners(bus: Bus) -> int:
    """Give how many consumers of the stream somebody waits at."""
    return len([one for one in await bus.jetstream.consumers_info(EVENTS) if one.num_waiting])


async def listening(bus: Bus, count: int) -> None:
    """Wait until so many consumers listen to the stream."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await listeners(bus) >= count:
                return
            await asyncio.sleep(0.01)


async def test_where_nothing_is_there_nothing_is_given(bus: Bus, origin_name: str) -> None:
    assert await all_of(bus, subjects.events(origin=origin_name)) == []


async def test_all_that_is_there_is_given_in_order(bus: Bus, origin_name: str) -> None:
    await publish(bus, origin_name, 1, 1200)
    assert await all_of(bus, subjects.events(origin=origin_name)) == [str(n) for n in range(1, 1201)]


async def test_from_a_time_on_only_what_is_not_older(bus: Bus, origin_name: str) -> None:
    await publish(bus, origin_name, 1, 4)
    since = await publish(bus, origin_name, 5, 5)
    await publish(bus, origin_name, 6, 7)
    assert await all_of(bus, subjects.events(origin=origin_name), since) == ["5", "6", "7"]
    assert await all_of(bus, subjects.events(origin=origin_name), LATEST) == []


async def test_from_a_sequence_on_only_what_stands_there_or_behind(bus: Bus, origin_name: str) -> None:
    subject = subjects.events(origin=origin_name)
    await publish(bus, origin_name, 1, 4)
    sequence = (await bus.jetstream.get_last_msg(EVENTS, subject)).seq or 0
    await publish(bus, origin_name, 5, 6)
    assert await all_of(bus, subject, sequence) == ["4", "5", "6"]
    assert await all_of(bus, subject, sequence + 1000) == []


async def test_what_messages_hold_may_be_left_out_and_no_consumer_is_left_behind(
    own_bus: Bus, origin_name: str
) -> None:
    subject = subjects.events(origin=origin_name)
    await publish(own_bus, origin_name, 1, 3)
    reading = read_ordered(own_bus, EVENTS, subject, since=None, follow=False, headers_only=True)
    async with aclosing(reading) as messages:
        read = [(message.data, (message.headers or {})["Nats-Msg-Size"]) async for message in messages]
    assert read == [(b"", "1")] * 3
    assert await own_bus.jetstream.consumers_info(EVENTS) == []


async def test_who_follows_gets_only_what_is_new_and_at_once(own_bus: Bus, origin_name: str) -> None:
    await publish(own_bus, origin_name, 1, 3)
    following = Following(own_bus, subjects.events(origin=origin_name))
    await listening(own_bus, 1)
    await publish(own_bus, origin_name, 4, 4)
    assert await following.next() == ["4"]
    await publish(own_bus, origin_name, 5, 8)
    assert await following.next(4) == ["5", "6", "7", "8"]
    assert await following.end() == []


async def test_who_follows_from_a_time_on_gets_what_was_and_what_comes(bus: Bus, origin_name: str) -> None:
    since = await publish(bus, origin_name, 1, 1)
    await publish(bus, origin_name, 2, 3)
    following = Following(bus, subjects.events(origin=origin_name), since)
    assert await following.next(3) == ["1", "2", "3"]
    await publish(bus, origin_name, 4, 4)
    assert await following.next() == ["4"]
    assert await following.end() == []


async def test_a_server_that_is_killed_costs_no_message_and_doubles_none(
    server: Server, own_bus: Bus, origin_name: str
) -> None:
    other = await Bus.connect(server.settings, "publisher")
    since = await publish(other, origin_name, 1, 1)
    subject = subjects.events(origin=origin_name)
    waiting = Following(own_bus, subject)
    reading = Following(own_bus, subject, since)
    await listening(other, 2)
    await publish(other, origin_name, 2, 5)
    await server.kill()
    await server.start()
    await publish(other, origin_name, 6, 9)
    assert await reading.next(9) == [str(n) for n in range(1, 10)]
    assert await waiting.next(8) == [str(n) for n in range(2, 10)]
    assert [await one.end() for one in (reading, waiting)] == [[], []]
    await other.close()


async def test_before_its_first_message_a_reader_begins_where_it_had_begun(
    server: Server, own_bus: Bus, origin_name: str
) -> None:
    other = await Bus.connect(server.settings, "publisher")
    await publish(other, origin_name, 1, 3)
    following = Following(own_bus, subjects.events(origin=origin_name))
    await listening(other, 1)
    await server.kill()
    await server.start()
    await publish(other, origin_name, 4, 4)
    assert await following.next() == ["4"]
    assert await following.end() == []
    await other.close()


async def test_without_a_connection_who_does_not_follow_is_told(
    nats_settings: Nats, origin_name: str
) -> None:
    closed = await Bus.connect(nats_settings, "test")
    await closed.close()
    with pytest.raises(BusUnavailable):
        await all_of(closed, subjects.events(origin=origin_name))


@pytest.mark.parametrize("lost", [100, 700])
async def test_what_was_sent_and_did_not_reach_us_is_given_all_the_same(
    own_bus: Bus, origin_name: str, lost: int
) -> None:
    await publish(own_bus, origin_name, 1, 1200)
    subject = subjects.events(origin=origin_name)
    async with aclosing(read_ordered(own_bus, EVENTS, subject, since=None, follow=False)) as messages:
        given = [(await anext(messages)).data.decode()]
        (ours,) = await own_bus.jetstream.consumers_info(EVENTS)
        elsewhere = await own_bus.jetstream.pull_subscribe_bind(ours.name, EVENTS)
        assert len(await elsewhere.fetch(lost, timeout=5)) == lost
        given += [message.data.decode() async for message in messages]
    assert given == [str(number) for number in range(1, 1201)]
