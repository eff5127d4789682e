"""Slots: never more than the origin allows, none lost for long, and who is in a hurry goes first."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import monotonic

import nats.errors
import pytest

from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.bus import Bus, end_tasks, slot_queue, slots, streams
from isthmus.common.bus.slots import Slot, Slots
from isthmus.common.config.settings import Nats

ROOT = Path(__file__).parents[3]
AT_ONCE = 5.0
"""Seconds: far less than what JetStream waits for a holder that says nothing."""
PATIENCE = 6.0
"""Seconds: JetStream does not always tell that a consumer has gone."""

Open = Callable[..., Awaitable[Slots]]


@pytest.fixture
async def open_slots(bus: Bus, other_bus: Bus, origin_name: str) -> AsyncIterator[Open]:
    """Open the slots of one origin, over `other_bus` too, and close them before the connections."""
    opened: list[Slots] = []

    async def open_one(associations: int = 1, *, over: Bus = bus) -> Slots:
        opened.append(await Slots.open(over, origin_name, associations))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
async def other_bus(nats_settings: Nats) -> AsyncIterator[Bus]:
    """The connection of another process."""
    connection = await Bus.connect(nats_settings, "other")
    yield connection
    await connection.close()


async def _soon(taking: Awaitable[Slot]) -> Slot:
    async with asyncio.timeout(AT_ONCE):
        return await taking


async def _waiting(taker: Slots, priority: int = 0) -> asyncio.Task[Slot]:
    """Take where nothing is to be had; the request is with JetStream when this returns."""
    reminded = asyncio.Event()
    taker.on_wanted(lambda _, __: reminded.set())
    task = asyncio.create_task(taker.take(priority))
    async with asyncio.timeout(AT_ONCE):
        await reminded.wait()
    await taker._bus.client.flush()
    return task


def _hold_and_die(nats_settings: Nats, origin_name: str, associations: int) -> None:
    asked = {
        "nats": nats_settings.model_dump(mode="json"),
        "origin": origin_name,
        "associations": associations,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.common.bus.slot_holder"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(json.dumps(asked) + "\n")
        holder.stdin.flush()
        try:
            assert holder.stdout.readline() == "held\n"
        finally:
            holder.kill()


async def test_a_cancelled_take_swallows_no_slot(open_slots: Open) -> None:
    one = await open_slots()
    held = await one.take(0)
    gone = await _waiting(one)
    await end_tasks([gone])
    await held.release()
    await _soon(one.take(0))


async def test_a_take_that_is_cancelled_as_its_slot_comes_swallows_none(open_slots: Open) -> None:
    one = await open_slots()
    for turns in range(40):
        task = asyncio.create_task(one.take(0))
        for _ in range(turns):
            await asyncio.sleep(0)
        await end_tasks([task])
        if not task.cancelled():
            await task.result().release()
    await _soon(one.take(0))


async def test_a_slot_that_comes_when_nobody_waits_any_more_is_handed_back_at_close(
    open_slots: Open, other_bus: Bus
) -> None:
    one, other = await open_slots(), await open_slots(over=other_bus)
    held = await other.take(0)
    await end_tasks([await _waiting(one)])
    await held.release()
    await one.close()
    await _soon(other.take(0))


async def test_a_slot_that_cannot_be_renewed_is_lost_and_never_released(
    open_slots: Open, other_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "LOST_AFTER", 0.2)
    one, other = await open_slots(), await open_slots(over=other_bus)
    held = await one.take(0)
    async with asyncio.timeout(AT_ONCE):
        await held.lost
    await held.release()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await other.take(0)


async def test_a_slot_is_held_for_longer_than_jetstream_waits(
    open_slots: Open, other_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_queue, "ACK_WAIT", 2.0)
    for name, seconds in {"LOST_AFTER": 1.7, "RENEW": 0.1, "LOOK": 0.1}.items():
        monkeypatch.setattr(slots, name, seconds)
    one, other = await open_slots(), await open_slots(over=other_bus)
    held = await one.take(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(4.5):
            await other.take(0)
    assert not held.lost.done()


async def test_the_slots_of_a_killed_process_are_free_after_ten_seconds(
    open_slots: Open, nats_settings: Nats, origin_name: str
) -> None:
    one = await open_slots(2)
    await asyncio.to_thread(_hold_and_die, nats_settings, origin_name, 2)
    killed = monotonic()
    async with asyncio.timeout(slot_queue.ACK_WAIT + AT_ONCE):
        for _ in range(2):
            await one.take(0)
    assert monotonic() - killed > slots.LOST_AFTER


async def test_a_stream_that_was_lost_is_declared_anew_and_what_was_held_of_it_is_lost(
    open_slots: Open, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "RENEW", 0.1)
    one = await open_slots()
    held = await one.take(0)
    waiting = await _waiting(one)
    await bus.jetstream.delete_stream(streams.SLOTS)
    async with asyncio.timeout(PATIENCE):
        await waiting
    assert held.lost.done()


async def test_a_holder_notices_that_the_stream_was_lost(
    open_slots: Open, bus: Bus, other_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "RENEW", 0.1)
    one, other = await open_slots(), await open_slots(over=other_bus)
    held = await one.take(0)
    await bus.jetstream.delete_stream(streams.SLOTS)
    async with asyncio.timeout(PATIENCE):
        new = await other.take(0)
    async with asyncio.timeout(AT_ONCE):
        await held.lost
    await held.release()  # of the old stream: it must not free the new one
    assert not new.lost.done()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await one.take(0)


async def test_takers_and_holders_survive_a_restart_of_nats(tmp_path: Path, origin_name: str) -> None:
    server = EmbeddedNats(tmp_path)
    async with server:
        bus = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
        one = await Slots.open(bus, origin_name, 1)
        held = await one.take(0)
        waiting = await _waiting(one)
    async with server:
        while not bus.connected:
            with pytest.raises(nats.errors.Error):  # reconnecting: what it asks is not answered
                await bus.client.request("nobody", timeout=0.1)
        await held.release()
        async with asyncio.timeout(PATIENCE):
            again = await waiting
        await again.release()
        await one.close()
        await bus.close()


async def test_closing_does_not_wait_for_nats_to_come_back(tmp_path: Path, origin_name: str) -> None:
    server = EmbeddedNats(tmp_path)
    async with server:
        bus = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
        one = await Slots.open(bus, origin_name, 1)
        await one.take(0)
        waiting = await _waiting(one)
    await end_tasks([waiting])
    async with asyncio.timeout(PATIENCE):
        await one.close()
    await bus.close()


async def test_surplus_slots_vanish_also_those_that_are_held(open_slots: Open) -> None:
    many = await open_slots(3)
    held = [await many.take(0) for _ in range(2)]  # the first two; the third is free
    few = await open_slots(1)
    for slot in held:
        await slot.release()
    await _soon(few.take(0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await few.take(0)


async def test_slots_are_added_when_more_are_allowed(open_slots: Open) -> None:
    few = await open_slots(1)
    await few.take(0)
    waiting = await _waiting(few)
    many = await open_slots(3)
    await _soon(waiting)
    await _soon(many.take(0))


async def test_a_released_slot_goes_at_once_to_who_waits_in_another_process(
    open_slots: Open, other_bus: Bus
) -> None:
    one, other = await open_slots(), await open_slots(over=other_bus)
    held = await one.take(0)
    waiting = await _waiting(other)
    await held.release()
    await _soon(waiting)


async def test_interactive_goes_before_bulk_that_waited_longer(open_slots: Open, other_bus: Bus) -> None:
    one, other = await open_slots(), await open_slots(over=other_bus)
    held = await one.take(1)
    bulk = [await _waiting(one, 1) for _ in range(3)]
    interactive = await _waiting(other, 0)
    await held.release()
    await _soon(interactive)
    assert not any(task.done() for task in bulk)
    await end_tasks(bulk)


async def test_who_waits_reminds_the_others_at_once_and_again(open_slots: Open, other_bus: Bus) -> None:
    one, other = await open_slots(), await open_slots(over=other_bus)
    held = await one.take(0)
    reminders: asyncio.Queue[tuple[str | None, int]] = asyncio.Queue()
    one.on_wanted(lambda who, priority: reminders.put_nowait((who, priority)))
    waiting = asyncio.create_task(other.take(1))
    async with asyncio.timeout(AT_ONCE):
        (first, priority), again = [await reminders.get() for _ in range(2)]
    assert first is not None
    assert (priority, again) == (1, (first, 1))
    await held.release()
    await _soon(waiting)


async def test_who_finds_a_slot_free_reminds_nobody(open_slots: Open, bus: Bus) -> None:
    one = await open_slots()
    reminders: list[int] = []
    one.on_wanted(lambda _, priority: reminders.append(priority))
    await one.take(0)
    await bus.client.flush()
    assert not reminders


async def test_whoever_waits_in_the_same_process_has_no_name(open_slots: Open) -> None:
    one = await open_slots()
    held = await one.take(0)
    reminders: asyncio.Queue[str | None] = asyncio.Queue()
    one.on_wanted(lambda who, _: reminders.put_nowait(who))
    waiting = asyncio.create_task(one.take(0))
    async with asyncio.timeout(AT_ONCE):
        assert await reminders.get() is None
    await held.release()
    await _soon(waiting)
