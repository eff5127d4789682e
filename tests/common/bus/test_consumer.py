"""Messages of a durable consumer, taken by whoever has room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import uuid4

import pytest
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig
from nats.js.errors import APIError

from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.connection import reason
from isthmus.common.bus.consumer import Consumer, acknowledge
from isthmus.common.config.settings import Nats
from tests.common.bus.elsewhere import deliver_unread
from tests.waiting import PATIENCE, until


@pytest.fixture
async def queue(bus: Bus) -> AsyncIterator[Consumer]:
    """A consumer of a stream of its own, whose name is its subject."""
    name = f"TEST-{uuid4().hex}"
    await bus.jetstream.add_stream(StreamConfig(name=name, subjects=[name, f"{name}.other"]))
    yield Consumer(
        bus, name, ConsumerConfig(durable_name="all", ack_policy=AckPolicy.EXPLICIT, filter_subject=name)
    )
    await bus.jetstream.delete_stream(name)


async def publish(queue: Consumer, *payloads: str) -> None:
    for payload in payloads:
        await queue.bus.jetstream.publish(queue.stream, payload.encode())


def texts(messages: list[Msg]) -> list[str]:
    return [message.data.decode() for message in messages]


async def test_a_batch_has_what_is_there_and_no_more_than_is_wanted(queue: Consumer) -> None:
    await publish(queue, "a", "b", "c")
    async with aclosing(queue.batches(2, linger=0.2)) as batches:
        assert texts(await anext(batches)) == ["a", "b"]
        assert texts(await anext(batches)) == ["c"]
        waiting = asyncio.ensure_future(anext(batches))
        await publish(queue, "d")
        assert texts(await waiting) == ["d"]


async def test_what_was_asked_for_and_not_given_comes_to_another_at_once(queue: Consumer) -> None:
    await publish(queue, "a", "b", "c")
    async with aclosing(queue.batches(3)) as batches:
        given = await anext(batches)
        await acknowledge(given)
    await assert_at_once(queue, {"a", "b", "c"} - set(texts(given)))


async def assert_at_once(queue: Consumer, left: set[str]) -> None:
    async with asyncio.timeout(20), aclosing(queue.batches(3)) as batches:  # far less than `ack_wait`
        while left:
            left -= set(texts(await anext(batches)))


async def test_what_is_on_its_way_to_one_who_leaves_comes_to_another_at_once(
    queue: Consumer, nats_settings: Nats
) -> None:
    await publish(queue, "a")
    async with aclosing(queue.batches(3)) as batches:
        await acknowledge(await anext(batches))
        deliver_unread(nats_settings, queue.stream, queue.name, queue.stream, [b"b", b"c"])
    await assert_at_once(queue, {"b", "c"})


async def test_what_there_was_no_room_for_comes_to_another_at_once(queue: Consumer) -> None:
    begun = asyncio.Event()

    async def work(_: Msg) -> None:
        begun.set()
        await asyncio.Event().wait()

    await publish(queue, "a", "b", "c")
    serving = asyncio.create_task(queue.serve(work, 1, most=3))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    await end_tasks([serving])
    await assert_at_once(queue, {"b", "c"})


async def test_a_consumer_that_is_lost_is_made_anew(queue: Consumer) -> None:
    async with aclosing(queue.batches()) as batches:
        waiting = asyncio.ensure_future(anext(batches))
        await until(lambda: queue.bus.jetstream.consumers_info(queue.stream))
        await queue.bus.jetstream.delete_consumer(queue.stream, "all")
        await publish(queue, "a")
        assert texts(await waiting) == ["a"]


async def test_why_there_can_be_none_is_said(queue: Consumer) -> None:
    await queue.bus.jetstream.add_stream(StreamConfig(name=f"{queue.stream}-full", max_consumers=1))
    first, second = (
        Consumer(queue.bus, f"{queue.stream}-full", ConsumerConfig(durable_name=name)) for name in ("a", "b")
    )
    await first.make()
    with pytest.raises(APIError, match="maximum consumers") as raised:
        await second.make()
    assert reason(raised.value) == "JetStream error 10026"
    await queue.bus.jetstream.delete_stream(second.stream)


async def test_its_place_stays_when_its_filters_and_limits_change(queue: Consumer) -> None:
    await queue.make()
    changed = ConsumerConfig(
        durable_name="all",
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.NEW,  # where it begins was decided
        filter_subjects=[queue.stream, f"{queue.stream}.other"],
        ack_wait=7.0,
    )
    await Consumer(queue.bus, queue.stream, changed).make()
    config = (await queue.bus.jetstream.consumer_info(queue.stream, "all")).config
    assert (config.deliver_policy, config.ack_wait) == (DeliverPolicy.ALL, 7.0)
    assert config.filter_subjects == changed.filter_subjects


async def test_no_more_are_at_work_than_there_is_room_for(queue: Consumer) -> None:
    at_work, most, done, go = 0, 0, asyncio.Event(), asyncio.Event()
    two = asyncio.Barrier(2)

    async def work(message: Msg) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await two.wait()
        await message.ack_sync()
        at_work -= 1
        if message.data == b"5":
            done.set()

    await publish(queue, *"012345")
    serving = asyncio.create_task(queue.serve(work, 2, go))
    assert (await queue.bus.jetstream.stream_info(queue.stream)).state.consumer_count == 0
    go.set()
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    await end_tasks([serving])
    assert most == 2


async def test_what_was_asked_for_before_it_may_not_be_worked_on_is_left_to_others(queue: Consumer) -> None:
    go, worked = asyncio.Event(), list[bytes]()
    stopped = asyncio.Event()

    async def work(message: Msg) -> None:
        worked.append(message.data)
        go.clear()
        await message.ack_sync()
        stopped.set()

    go.set()
    await publish(queue, "a")
    serving = asyncio.create_task(queue.serve(work, 2, go))
    async with asyncio.timeout(PATIENCE):
        await stopped.wait()
        await publish(queue, "b")
        async with aclosing(queue.batches()) as others:
            assert texts(await anext(others)) == ["b"]
    await end_tasks([serving])
    assert worked == [b"a"]


async def test_an_error_costs_one_message(queue: Consumer) -> None:
    second = asyncio.Event()

    async def work(message: Msg) -> None:
        if message.data == b"first":
            raise ValueError
        second.set()

    await publish(queue, "first", "second")
    serving = asyncio.create_task(queue.serve(work, 1))
    async with asyncio.timeout(PATIENCE):
        await second.wait()
    await end_tasks([serving])


async def test_what_is_at_work_is_cancelled_with_the_rest(queue: Consumer) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work(_: Msg) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    await publish(queue, "a")
    serving = asyncio.create_task(queue.serve(work, 1))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    await end_tasks([serving])
    assert cancelled.is_set()
