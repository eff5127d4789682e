"""Slots of one process, for peers that nobody else counts associations with."""

import asyncio

from isthmus.common.dimse.own_slots import OwnSlots
from tests.waiting import PATIENCE


async def test_no_more_are_taken_than_there_are() -> None:
    slots = OwnSlots(1)
    first = await slots.take(0)
    second = asyncio.create_task(slots.take(0))
    done, _ = await asyncio.wait({second}, timeout=0.05)
    assert not done
    await first.release()
    await asyncio.wait_for(second, PATIENCE)


async def test_what_is_released_twice_counts_once() -> None:
    slots = OwnSlots(1)
    first = await slots.take(0)
    await first.release()
    await first.release()
    await slots.take(0)
    waiting = asyncio.create_task(slots.take(0))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    waiting.cancel()


async def test_the_lower_priority_is_served_first() -> None:
    slots = OwnSlots(1)
    first = await slots.take(0)
    later = asyncio.create_task(slots.take(1))
    sooner = asyncio.create_task(slots.take(0))
    await asyncio.sleep(0)
    await first.release()
    done, _ = await asyncio.wait({later, sooner}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert done == {sooner}
    later.cancel()


async def test_who_is_cancelled_leaves_the_slot_to_the_next() -> None:
    slots = OwnSlots(1)
    first = await slots.take(0)
    gone = asyncio.create_task(slots.take(0))
    next_one = asyncio.create_task(slots.take(0))
    await asyncio.sleep(0)
    await first.release()  # it is given to who is cancelled now
    gone.cancel()
    await asyncio.wait_for(next_one, PATIENCE)


async def test_who_waits_in_vain_says_so() -> None:
    slots, heard = OwnSlots(1), asyncio.Event()
    await slots.take(0)
    slots.on_wanted(lambda elsewhere, _: heard.set() if elsewhere is None else None)
    waiting = asyncio.create_task(slots.take(0))
    await asyncio.wait_for(heard.wait(), PATIENCE)
    waiting.cancel()
