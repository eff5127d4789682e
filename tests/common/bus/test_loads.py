"""Requests under way, counted over all processes."""

import pytest

from isthmus.common.bus import Bus
from isthmus.common.bus.loads import SILENT_SECONDS, Loads, shared_loads
from isthmus.common.messages.load import Load
from tests.waiting import until


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_block_counts_for_each_of_its_clients_until_it_ends() -> None:
    loads = Loads()
    with loads.counting(["a", "b"]), loads.counting(["a"]):
        assert (loads.of("a"), loads.of("b"), loads.of("c")) == (2, 1, 0)
    assert (loads.of("a"), loads.of("b")) == (0, 0)
    assert loads.told().running == {}


def test_it_ends_also_when_it_fails() -> None:
    loads = Loads()
    with pytest.raises(RuntimeError), loads.counting(["a"]):
        raise RuntimeError
    assert loads.of("a") == 0


def test_what_others_tell_is_added_but_not_what_we_told_ourselves() -> None:
    loads = Loads()
    with loads.counting(["a"]):
        loads.hear(loads.told())
        loads.hear(Load("another", {"a": 3, "b": 1}))
        loads.hear(Load("third", {"a": 1}))
        assert (loads.of("a"), loads.of("b")) == (5, 1)
        loads.hear(Load("another", {"b": 2}))
        assert (loads.of("a"), loads.of("b")) == (2, 2)
        loads.hear(Load("another", {}))
        assert (loads.of("a"), loads.of("b")) == (2, 0)


def test_who_is_silent_for_long_counts_no_more() -> None:
    clock = Clock()
    loads = Loads(clock)
    loads.hear(Load("another", {"a": 3}))
    clock.now += SILENT_SECONDS / 2
    loads.forget_silent()
    loads.hear(Load("third", {"a": 1}))
    assert loads.of("a") == 4
    clock.now += SILENT_SECONDS / 2
    assert loads.of("a") == 1
    loads.forget_silent()
    assert loads.of("a") == 1


async def reached(loads: Loads, client: str, count: int) -> None:
    async def read() -> int:
        return loads.of(client)

    await until(read, lambda found: found == count)


async def test_processes_hear_of_each_other_over_nats(bus: Bus, origin_name: str) -> None:
    async with shared_loads(bus, "wado") as first, shared_loads(bus, "qido") as second:
        with first.counting([origin_name]):
            assert first.of(origin_name) == 1
            await reached(second, origin_name, 1)
            with second.counting([origin_name]):
                await reached(first, origin_name, 2)
            await reached(first, origin_name, 1)
        await reached(second, origin_name, 0)


async def test_who_comes_later_hears_of_what_has_long_been_so(bus: Bus, origin_name: str) -> None:
    async with shared_loads(bus, "wado") as first:
        with first.counting([origin_name]):
            async with shared_loads(bus, "wado") as witness:
                await reached(witness, origin_name, 1)
                async with shared_loads(bus, "wado") as late:
                    await reached(late, origin_name, 1)


async def test_what_is_no_load_is_ignored(bus: Bus, origin_name: str) -> None:
    async with shared_loads(bus, "wado") as first, shared_loads(bus, "wado") as second:
        await bus.client.publish("dicom.load.wado.x", b"no message")
        with first.counting([origin_name]):
            await reached(second, origin_name, 1)
