import asyncio
import time

import pytest

from isthmus.common.bus import Bus
from isthmus.common.config.settings import Nats
from isthmus.common.messages import encode
from isthmus.common.retrieval import reads
from isthmus.common.retrieval.reads import LastRead, LastReads
from tests.waiting import PATIENCE


async def last(bus: Bus, origin: str) -> dict[str, float]:
    await bus.client.flush()
    return {study: at for (name, study), at in (await LastReads(bus).all()).items() if name == origin}


async def test_a_bus_that_is_gone_disturbs_no_reader(nats_settings: Nats, origin_name: str) -> None:
    bus = await Bus.connect(nats_settings, "test")
    await bus.close()
    await LastReads(bus).touch(origin_name, "1.2")


async def test_what_was_never_read_is_not_there(bus: Bus, origin_name: str) -> None:
    assert await last(bus, origin_name) == {}


async def test_each_study_has_the_time_of_its_last_read_by_any_process(bus: Bus, origin_name: str) -> None:
    begun = time.time()
    await LastReads(bus).touch(origin_name, "1.2")
    first = await last(bus, origin_name)
    await LastReads(bus).touch(origin_name, "1.2")
    await LastReads(bus).touch(origin_name, "1.2.3_odd-name")
    times = await last(bus, origin_name)
    assert times.keys() == {"1.2", "1.2.3_odd-name"}
    assert begun <= first["1.2"] < times["1.2"] <= times["1.2.3_odd-name"] <= time.time()


async def test_one_study_can_be_asked_for(bus: Bus, origin_name: str) -> None:
    assert await LastReads(bus).last(origin_name, "1.2") is None
    read = LastRead(origin_name, "1.2", 1_700_000_000.5)
    await bus.jetstream.publish(f"$KV.READS.{origin_name}.1=2", encode(read))
    assert await LastReads(bus).last(origin_name, "1.2") == read.at
    assert await LastReads(bus).last(origin_name, "1.2.3") is None


async def test_a_process_writes_a_study_down_once_a_minute_at_most(bus: Bus, origin_name: str) -> None:
    subscription = await bus.client.subscribe(f"$KV.READS.{origin_name}.>")
    touching = LastReads(bus)
    for _ in range(100):
        await touching.touch(origin_name, "1.2")
    await subscription.next_msg(5)
    await bus.client.flush()
    assert subscription.pending_msgs == 0


async def test_a_long_read_is_written_down_again_and_again_until_it_ends(
    bus: Bus, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "TOUCH_SECONDS", 0.01)
    subscription = await bus.client.subscribe(f"$KV.READS.{origin_name}.>")
    async with LastReads(bus).reading(origin_name, "1.2"), asyncio.timeout(PATIENCE):
        for _ in range(3):
            await subscription.next_msg()
    await bus.client.flush()
    while subscription.pending_msgs:
        await subscription.next_msg()
    with pytest.raises(TimeoutError):
        await subscription.next_msg(0.1)
