"""A thread writes, the loop reads, and a slow reader slows the writer down."""

import asyncio
import threading
from contextlib import aclosing

import pytest

from isthmus.common.threads import Channel, ChannelClosed
from tests.waiting import PATIENCE


def channel(capacity: int) -> Channel[int]:
    return Channel(asyncio.get_running_loop(), capacity)


async def test_a_reader_that_leaves_wakes_a_blocked_writer_at_once() -> None:
    items = channel(1)
    filled, outcome = threading.Event(), list[str]()

    def write() -> None:
        items.put(1)
        filled.set()
        try:
            items.put(2)
        except ChannelClosed:
            outcome.append("closed")

    writer = asyncio.create_task(asyncio.to_thread(write))
    await asyncio.to_thread(filled.wait, 5)
    await items.aclose()
    await asyncio.wait_for(writer, PATIENCE)
    assert outcome == ["closed"]


async def test_a_writer_that_comes_after_the_reader_has_left_is_told() -> None:
    items = channel(1)
    await items.aclose()
    with pytest.raises(ChannelClosed):
        await asyncio.to_thread(items.put, 1)


def test_a_writer_whose_readers_loop_is_closed_is_told() -> None:
    loop = asyncio.new_event_loop()
    items: Channel[int] = Channel(loop, 1)
    loop.close()
    with pytest.raises(ChannelClosed):
        items.put(1)
    items.close()


def test_a_blocked_writer_notices_that_its_readers_loop_was_closed() -> None:
    loop = asyncio.new_event_loop()
    items: Channel[int] = Channel(loop, 1)
    items.put(1)
    loop.close()
    with pytest.raises(ChannelClosed):
        items.put(2)


async def test_a_failure_comes_after_the_items_before_it() -> None:
    items = channel(4)

    def write() -> None:
        items.put(1)
        items.fail(ValueError())

    await asyncio.to_thread(write)
    assert await anext(items) == 1
    with pytest.raises(ValueError):  # noqa: PT011 - the very object above
        await anext(items)


async def test_the_reader_gets_all_items_in_order_through_a_small_channel() -> None:
    items = channel(2)

    def write() -> None:
        for number in range(1000):
            items.put(number)
        items.close()

    writer = asyncio.create_task(asyncio.to_thread(write))
    async with aclosing(items):
        assert [number async for number in items] == list(range(1000))
    await writer


async def test_the_writer_never_gets_further_ahead_than_the_capacity() -> None:
    items = channel(3)
    written = 0
    full = threading.Event()

    def write() -> None:
        nonlocal written
        for number in range(10):
            items.put(number)
            written = number + 1
            if written == 3:
                full.set()
        items.close()

    writer = asyncio.create_task(asyncio.to_thread(write))
    await asyncio.to_thread(full.wait, 5)
    assert written == 3
    assert [number async for number in items] == list(range(10))
    await writer
