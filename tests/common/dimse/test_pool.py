"""Leasing associations: never more than the origin allows, none that is broken, nothing left behind."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pynetdicom import evt
from pynetdicom.events import EventHandlerType

from isthmus.common.dimse import (
    FIND,
    STUDY_ROOT_FIND,
    VERIFICATION,
    Association,
    AssociationPool,
    Context,
    Peer,
)
from isthmus.common.dimse.breaker import FAILURES
from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    CircuitOpen,
    NoAcceptedContext,
    OperationFailed,
    OriginTimeout,
    OriginUnreachable,
)
from isthmus.common.telemetry import metrics_text
from isthmus.common.threads import Threads
from tests.common.dimse.acceptor import (
    VERIFICATION_CLASS,
    aborting,
    acceptor,
    listener,
    on,
    query,
    silent,
)
from tests.common.dimse.local_slots import LocalSlots


class Pacs:
    """An acceptor that counts its associations."""

    def __init__(self) -> None:
        self.opened = 0
        self.most = 0
        self._now = 0
        self._changed = threading.Condition()
        self.associations: list[evt.Event] = []

    @property
    def handlers(self) -> list[EventHandlerType]:
        return [
            (evt.EVT_ESTABLISHED, self._established),
            (evt.EVT_RELEASED, self._ended),
            (evt.EVT_ABORTED, self._ended),
        ]

    def _established(self, event: evt.Event) -> None:
        with self._changed:
            self.associations.append(event)
            self.opened += 1
            self._now += 1
            self.most = max(self.most, self._now)

    def _ended(self, _: evt.Event) -> None:
        with self._changed:
            self._now -= 1
            self._changed.notify_all()

    def drop(self) -> None:
        """Drop every connection, as a firewall or a restart would."""
        for event in self.associations:
            assert event.assoc.dul.socket is not None
            event.assoc.dul.socket.close()

    def wait_until_none_is_open(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._now == 0, 5)


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads("dimse", 8)
    yield made
    made.close()


@asynccontextmanager
async def pool(
    to: Peer, threads: Threads, associations: int | LocalSlots = 2, idle_seconds: float = 60
) -> AsyncIterator[AssociationPool]:
    slots = LocalSlots(associations) if isinstance(associations, int) else associations
    made = AssociationPool(to, slots, threads, idle_seconds=idle_seconds)
    try:
        yield made
    finally:
        await made.close()


async def test_no_association_to_be_had_leaves_the_place_free(threads: Threads) -> None:
    with listener(silent, timeout=0.2) as quiet:
        pass
    async with pool(quiet, threads, 1) as associations:
        for _ in range(3):
            with pytest.raises(OriginUnreachable):
                await associations.run([VERIFICATION], Association.echo)


async def test_a_silent_peer_leaves_the_place_free(threads: Threads) -> None:
    with listener(silent, timeout=0.2) as quiet:
        async with pool(quiet, threads, 1) as associations:
            with pytest.raises(OriginTimeout):
                await associations.run([VERIFICATION], Association.echo)
            with pytest.raises((OriginUnreachable, OriginTimeout)):
                await associations.run([VERIFICATION], Association.echo)


async def test_a_broken_association_is_not_used_again(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(on(evt.EVT_C_ECHO, aborting), *pacs.handlers) as to:
        async with pool(to, threads, 1) as associations:
            for _ in range(2):
                with pytest.raises(AssociationAborted):
                    await associations.run([VERIFICATION], Association.echo)
    assert pacs.opened == 2


async def test_a_failure_status_does_not_break_the_association(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(on(evt.EVT_C_ECHO, lambda _: 0x0122), *pacs.handlers) as to:
        async with pool(to, threads) as associations:
            for _ in range(2):
                with pytest.raises(OperationFailed):
                    await associations.run([VERIFICATION], Association.echo)
    assert pacs.opened == 1


async def test_a_failure_on_a_fresh_association_is_not_tried_again(threads: Threads) -> None:
    tried: list[Association] = []

    def fail(association: Association) -> None:
        tried.append(association)
        raise AssociationAborted("gone", origin="pacs")

    with acceptor() as to:
        async with pool(to, threads) as associations:
            with pytest.raises(AssociationAborted):
                await associations.run([VERIFICATION], fail)
    assert len(tried) == 1


async def test_an_association_that_the_origin_dropped_is_replaced(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads) as associations:
            await associations.run([VERIFICATION], Association.echo)
            pacs.drop()
            assert await associations.run([VERIFICATION], Association.echo) > 0
    assert pacs.opened == 2


async def test_an_operation_that_finds_its_association_dropped_is_done_again_on_a_fresh_one(
    threads: Threads,
) -> None:
    pacs = Pacs()
    first = True

    def echo(association: Association) -> float:
        nonlocal first
        if first and association.answered:
            first = False
            pacs.drop()
        return association.echo()

    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads) as associations:
            await associations.run([VERIFICATION], echo)
            assert await associations.run([VERIFICATION], echo) > 0
    assert not first
    assert pacs.opened == 2


async def test_a_suitable_association_is_used_again(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(*pacs.handlers, classes=[VERIFICATION_CLASS, STUDY_ROOT_FIND]) as to:
        async with pool(to, threads) as associations:
            async with associations.lease([VERIFICATION, FIND]) as first:
                pass
            async with associations.lease([VERIFICATION]) as second:
                assert second is first
    assert pacs.opened == 1


async def test_one_for_another_purpose_makes_room(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(*pacs.handlers, classes=[VERIFICATION_CLASS, STUDY_ROOT_FIND]) as to:
        async with pool(to, threads, 1) as associations:
            async with associations.lease([VERIFICATION]):
                pass
            async with associations.lease([FIND]):
                pass
    assert (pacs.opened, pacs.most) == (2, 1)


async def test_no_more_at_a_time_than_the_origin_allows(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(*pacs.handlers, classes=[VERIFICATION_CLASS, STUDY_ROOT_FIND]) as to:
        async with pool(to, threads, 2) as associations:

            async def use(number: int) -> None:
                contexts = [VERIFICATION] if number % 2 else [VERIFICATION, FIND]
                await associations.run(contexts, Association.echo)

            async with asyncio.TaskGroup() as group:
                for number in range(12):
                    group.create_task(use(number))
    assert pacs.most <= 2


async def test_an_idle_association_is_released_after_a_while(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads, idle_seconds=0.05) as associations:
            await associations.run([VERIFICATION], Association.echo)
            await asyncio.to_thread(pacs.wait_until_none_is_open)


async def test_closing_releases_what_waits_and_what_comes_back_later(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads) as associations, associations.lease([VERIFICATION]):
            async with associations.lease([VERIFICATION]):
                pass
            await associations.close()
        await asyncio.to_thread(pacs.wait_until_none_is_open)


async def test_a_cancelled_lease_aborts_and_waits_for_its_thread(threads: Threads) -> None:
    pacs = Pacs()
    begun, over = threading.Event(), threading.Event()

    def never_answer(_: evt.Event) -> Iterator[object]:
        begun.set()
        over.wait(5)
        yield 0x0000, None

    ended: list[str] = []

    def search(association: Association) -> None:
        try:
            list(association.find(STUDY_ROOT_FIND, query()))
        except AssociationAborted:
            ended.append("aborted")

    with acceptor(on(evt.EVT_C_FIND, never_answer), *pacs.handlers, classes=[STUDY_ROOT_FIND]) as to:
        async with pool(to, threads, 1) as associations:
            task = asyncio.create_task(associations.run([FIND], search))
            await asyncio.to_thread(begun.wait, 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert ended == ["aborted"]
            over.set()
            async with associations.lease([FIND]) as again:
                assert again.alive
    assert pacs.opened == 2


async def test_a_lease_that_is_cancelled_while_it_connects_gives_its_place_back(threads: Threads) -> None:
    connected = threading.Event()
    with listener(lambda _: connected.set(), timeout=0.5) as quiet:
        async with pool(quiet, threads, 1) as associations:
            task = asyncio.create_task(associations.run([VERIFICATION], Association.echo))
            await asyncio.to_thread(connected.wait, 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises((OriginUnreachable, OriginTimeout)):
                await associations.run([VERIFICATION], Association.echo)


async def test_a_failed_opening_and_a_closed_association_give_their_slots_back(threads: Threads) -> None:
    slots = LocalSlots(2)
    with acceptor() as to:
        async with pool(to, threads, slots) as associations:
            await associations.run([VERIFICATION], Association.echo)
            assert slots.free == 1
        assert slots.free == 2
        refused = replace(to, called_ae_title="NOBODY")
        async with pool(refused, threads, slots) as associations:
            with pytest.raises(AssociationRejected):
                await associations.run([VERIFICATION], Association.echo)
            assert slots.free == 2


async def test_a_lost_slot_aborts_the_operation_that_runs_and_frees_nothing(threads: Threads) -> None:
    pacs, slots = Pacs(), LocalSlots(1)
    begun, over = threading.Event(), threading.Event()

    def never_answer(_: evt.Event) -> int:
        begun.set()
        over.wait(5)
        return 0

    with acceptor(on(evt.EVT_C_ECHO, never_answer), *pacs.handlers) as to:
        async with pool(to, threads, slots) as associations:
            echo = asyncio.create_task(associations.run([VERIFICATION], Association.echo))
            await asyncio.to_thread(begun.wait, 5)
            slots.taken[0].lost.set_result(None)
            with pytest.raises(AssociationAborted):
                await echo
            over.set()
        await asyncio.to_thread(pacs.wait_until_none_is_open)
    assert slots.free == 0


async def test_a_lost_slot_ends_an_association_that_waits(threads: Threads) -> None:
    pacs, slots = Pacs(), LocalSlots(2)
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads, slots) as associations:
            await associations.run([VERIFICATION], Association.echo)
            slots.taken[0].lost.set_result(None)
            await asyncio.to_thread(pacs.wait_until_none_is_open)
            await associations.run([VERIFICATION], Association.echo)
    assert pacs.opened == 2


async def test_who_waits_for_a_slot_gets_the_association_that_becomes_free(threads: Threads) -> None:
    pacs = Pacs()
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads, 1) as associations:
            async with associations.lease([VERIFICATION]):
                waiting = [
                    asyncio.create_task(associations.run([VERIFICATION], Association.echo)) for _ in range(5)
                ]
                await asyncio.sleep(0)
            await asyncio.gather(*waiting)
    assert pacs.opened == 1


async def test_interactive_is_served_before_bulk_that_waited_longer(threads: Threads) -> None:
    served: list[int] = []

    async def use(associations: AssociationPool, priority: int) -> None:
        async with associations.lease([VERIFICATION], priority=priority):
            served.append(priority)

    with acceptor() as to:
        async with pool(to, threads, 1) as associations:
            async with associations.lease([VERIFICATION]):
                waiting = [asyncio.create_task(use(associations, priority)) for priority in (1, 1, 0)]
                await asyncio.sleep(0)
            await asyncio.gather(*waiting)
    assert served == [0, 1, 1]


async def test_bulk_that_could_share_does_not_overtake_who_cannot(threads: Threads) -> None:
    pacs = Pacs()
    served: list[str] = []

    async def use(associations: AssociationPool, name: str, context: Context, priority: int) -> None:
        async with associations.lease([context], priority=priority):
            served.append(name)

    with acceptor(*pacs.handlers, classes=[VERIFICATION_CLASS, STUDY_ROOT_FIND]) as to:
        async with pool(to, threads, 1) as associations:
            async with associations.lease([VERIFICATION]):
                waiting = [
                    asyncio.create_task(use(associations, "bulk", VERIFICATION, 1)),
                    asyncio.create_task(use(associations, "search", FIND, 0)),
                ]
                await asyncio.sleep(0)
            await asyncio.gather(*waiting)
    assert served == ["search", "bulk"]
    assert pacs.most == 1


async def test_a_cancelled_wait_leaves_the_slot_for_the_next(threads: Threads) -> None:
    with acceptor() as to:
        async with pool(to, threads, 1) as associations:
            async with associations.lease([VERIFICATION]):
                gone = asyncio.create_task(associations.run([VERIFICATION], Association.echo))
                await asyncio.sleep(0)
                gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            await associations.run([VERIFICATION], Association.echo)


async def test_an_association_that_waits_is_given_up_to_another_process(threads: Threads) -> None:
    pacs, slots = Pacs(), LocalSlots(2)
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads, slots) as associations:
            await associations.run([VERIFICATION], Association.echo)
            slots.wanted("elsewhere", 0)
            await asyncio.to_thread(pacs.wait_until_none_is_open)


async def test_what_is_in_use_is_given_up_to_another_process_that_came_first(threads: Threads) -> None:
    pacs, slots = Pacs(), LocalSlots(1)
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads, slots) as associations:
            async with associations.lease([VERIFICATION]):
                elsewhere = asyncio.create_task(slots.take(0))
                slots.wanted("elsewhere", 0)
                ours = asyncio.create_task(associations.run([VERIFICATION], Association.echo))
                await asyncio.sleep(0)
            slot = await elsewhere
            assert not ours.done()
            await slot.release()
            await ours
    assert pacs.opened == 2


@pytest.mark.parametrize(("ours", "theirs", "opened"), [(0, 0, 1), (0, 1, 1), (1, 0, 2)])
async def test_who_waits_elsewhere_has_the_place_that_priority_and_time_give(
    threads: Threads, ours: int, theirs: int, opened: int
) -> None:
    pacs = Pacs()
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads, slots := LocalSlots(1)) as associations:
            async with associations.lease([VERIFICATION]):
                waiting = asyncio.create_task(
                    associations.run([VERIFICATION], Association.echo, priority=ours)
                )
                await asyncio.sleep(0)
                slots.wanted("elsewhere", theirs)
            await waiting
    assert pacs.opened == opened


async def test_an_origin_that_is_down_is_left_alone_after_three_failures(threads: Threads) -> None:
    with listener(silent, timeout=0.2) as quiet:
        pass
    async with pool(quiet, threads, 2) as associations:
        for _ in range(FAILURES):
            with pytest.raises(OriginUnreachable):
                await associations.run([VERIFICATION], Association.echo)
        for _ in range(20):
            with pytest.raises(CircuitOpen):
                await associations.run([VERIFICATION], Association.echo)


async def test_who_waits_for_a_slot_while_the_circuit_opens_does_not_try(threads: Threads) -> None:
    with listener(silent, timeout=0.2) as quiet:
        pass
    async with pool(quiet, threads, 1) as associations:
        tasks = [associations.run([VERIFICATION], Association.echo) for _ in range(10)]
        errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [OriginUnreachable] * FAILURES + [CircuitOpen] * 7


async def test_an_association_that_is_open_is_used_though_the_circuit_is_open_too(threads: Threads) -> None:
    with acceptor() as to:
        async with pool(to, threads, 1) as associations:
            await associations.run([VERIFICATION], Association.echo)
            for _ in range(FAILURES):
                associations._breaker.failed(OriginUnreachable("", origin="pacs"))
            await associations.run([VERIFICATION], Association.echo)


async def test_an_origin_that_accepts_no_context_is_not_away(threads: Threads) -> None:
    with acceptor() as to:
        async with pool(to, threads, 1) as associations:
            for _ in range(FAILURES + 1):
                with pytest.raises(NoAcceptedContext):
                    await associations.run([FIND], Association.echo)


async def test_open_associations_are_counted(threads: Threads) -> None:
    with acceptor() as to:
        counted = replace(to, origin="counted")
        async with pool(counted, threads, 2) as associations:
            assert 'isthmus_associations{origin="counted"} 0.0' in metrics_text().decode()
            await associations.run([VERIFICATION], Association.echo)
            assert 'isthmus_associations{origin="counted"} 1.0' in metrics_text().decode()
            assert 'isthmus_slot_wait_seconds_count{origin="counted"} 1.0' in metrics_text().decode()
    assert 'isthmus_associations{origin="counted"} 0.0' in metrics_text().decode()
