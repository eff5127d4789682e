import asyncio
from collections.abc import AsyncIterator

import pytest

from isthmus.common.bus import Bus, end_tasks, guard, streams
from isthmus.common.bus.guard import running
from isthmus.common.bus.jobs import Lane, Submitted
from isthmus.common.config.settings import Nats
from isthmus.common.messages import Retrieve

STUDY = "1.2.3"


@pytest.fixture
def job(origin_name: str) -> Submitted:
    return Submitted("a-1", Retrieve(origin_name, STUDY), Lane.BULK)


@pytest.fixture
def another(origin_name: str) -> Submitted:
    return Submitted("a-2", Retrieve(origin_name, STUDY, "1.2.3.4"), Lane.INTERACTIVE)


class Holder:
    """Holds a study in a task of its own."""

    def __init__(self, bus: Bus, origin: str, submitted: Submitted | None) -> None:
        self.has_it = asyncio.Event()
        self.task = asyncio.create_task(self._hold(bus, origin, submitted))

    async def _hold(self, bus: Bus, origin: str, submitted: Submitted | None) -> None:
        async with guard.guard(bus, origin, STUDY, submitted):
            self.has_it.set()
            await asyncio.Event().wait()

    async def gets_it(self, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                await self.has_it.wait()
        except TimeoutError:
            return False
        return True

    async def leave(self) -> None:
        await end_tasks([self.task])


@pytest.fixture
async def other_bus(nats_settings: Nats) -> AsyncIterator[Bus]:
    connection = await Bus.connect(nats_settings, "another")
    yield connection
    await connection.close()


async def test_it_is_free_soon_after_its_holder_was_killed(
    bus: Bus,
    other_bus: Bus,
    origin_name: str,
    job: Submitted,
    another: Submitted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "RENEW_SECONDS", 3600.0)  # as little is heard of whom nobody renews
    dead = Holder(bus, origin_name, job)
    assert await dead.gets_it(within=20)
    waiting = Holder(other_bus, origin_name, another)
    assert not await waiting.gets_it(within=streams.GUARD_SECONDS - 2)
    assert await waiting.gets_it(within=20)
    await dead.leave()
    assert await running(bus, origin_name, STUDY) == another  # what was lost is not released
    await waiting.leave()


async def test_it_is_kept_for_longer_than_it_lasts(
    bus: Bus, origin_name: str, job: Submitted, another: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "RENEW_SECONDS", 0.1)
    holder = Holder(bus, origin_name, job)
    assert await holder.gets_it(within=20)
    stream = f"KV_{streams.GUARD_BUCKET}"
    before = (await bus.jetstream.get_last_msg(stream, f"$KV.{streams.GUARD_BUCKET}.{origin_name}.*")).seq
    waiting = Holder(bus, origin_name, another)
    assert not await waiting.gets_it(within=1)
    after = (await bus.jetstream.get_last_msg(stream, f"$KV.{streams.GUARD_BUCKET}.{origin_name}.*")).seq
    assert (after or 0) > (before or 0)
    await waiting.leave()
    await holder.leave()


@pytest.mark.parametrize("lost", ["expired", "answer lost"])
async def test_a_holder_that_missed_its_own_renewal_keeps_it(
    bus: Bus, origin_name: str, job: Submitted, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(guard, "RENEW_SECONDS", 0.2)
    holder = Holder(bus, origin_name, job)
    assert await holder.gets_it(within=20)
    subject = f"$KV.{streams.GUARD_BUCKET}.{origin_name}.1=2=3"
    stream = f"KV_{streams.GUARD_BUCKET}"
    if lost == "expired":
        await bus.jetstream.purge_stream(stream, subject=subject)
        async with asyncio.timeout(20):
            while await running(bus, origin_name, STUDY) is None:
                pass  # each look is a request
    else:
        there = await bus.jetstream.get_last_msg(stream, subject)
        await bus.jetstream.publish(subject, there.data or b"")
    waiting = Holder(bus, origin_name, None)
    assert not await waiting.gets_it(within=1)
    assert await running(bus, origin_name, STUDY) == job
    await waiting.leave()
    await holder.leave()


async def test_who_waits_has_it_at_once_when_it_is_released(
    bus: Bus, other_bus: Bus, origin_name: str, job: Submitted, another: Submitted
) -> None:
    first = Holder(bus, origin_name, job)
    assert await first.gets_it(within=20)
    second = Holder(other_bus, origin_name, another)
    assert not await second.gets_it(within=0.5)
    await first.leave()
    assert await second.gets_it(within=4)
    await second.leave()
    assert await running(bus, origin_name, STUDY) is None


async def test_the_same_job_in_other_hands_takes_it_over_at_once(
    bus: Bus, other_bus: Bus, origin_name: str, job: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "RENEW_SECONDS", 0.1)
    first = Holder(bus, origin_name, job)
    assert await first.gets_it(within=20)
    second = Holder(other_bus, origin_name, job)
    assert await second.gets_it(within=4)
    # The first one lives after all: it does not take the study back, nor release it.
    await asyncio.sleep(0.3)
    await first.leave()
    assert await running(bus, origin_name, STUDY) == job
    await second.leave()


async def test_studies_do_not_wait_for_each_other(bus: Bus, origin_name: str, job: Submitted) -> None:
    holder = Holder(bus, origin_name, job)
    assert await holder.gets_it(within=20)
    async with asyncio.timeout(4), guard.guard(bus, origin_name, "1.2.4", None):
        assert await running(bus, origin_name, "1.2.4") is None  # no job
    await holder.leave()


async def test_what_another_version_wrote_is_held_by_somebody(
    bus: Bus, origin_name: str, job: Submitted
) -> None:
    subject = f"$KV.{streams.GUARD_BUCKET}.{origin_name}.1=2=3"
    await bus.jetstream.publish(subject, b"unknown")
    assert await running(bus, origin_name, STUDY) is None
    waiting = Holder(bus, origin_name, job)
    assert not await waiting.gets_it(within=0.5)
    await waiting.leave()


async def test_who_takes_it_only_if_it_is_free_waits_for_nobody(
    bus: Bus, other_bus: Bus, origin_name: str, another: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "RENEW_SECONDS", 0.1)
    holder = Holder(bus, origin_name, another)
    assert await holder.gets_it(within=20)
    async with guard.guard_if_free(other_bus, origin_name, STUDY) as is_ours:
        assert not is_ours
    assert await running(bus, origin_name, STUDY) == another
    await holder.leave()
    async with guard.guard_if_free(other_bus, origin_name, STUDY) as is_ours:
        assert is_ours
        waiting = Holder(bus, origin_name, another)
        assert not await waiting.gets_it(within=0.5)
    assert await waiting.gets_it(within=4)
    await waiting.leave()
