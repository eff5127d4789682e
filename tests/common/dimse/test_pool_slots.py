"""The slots of a pool: who waits for one, who gives one up, and what an origin that is away costs."""

import asyncio
import threading
from dataclasses import replace

import pytest
from pynetdicom import evt

from isthmus.common.breaker import FAILURES
from isthmus.common.dimse import (
    FIND,
    STUDY_ROOT_FIND,
    VERIFICATION,
    Association,
    AssociationPool,
    Context,
)
from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    CircuitOpen,
    NoAcceptedContext,
    OriginUnreachable,
)
from isthmus.common.telemetry import metrics_text
from isthmus.common.threads import Threads
from tests.common.dimse.acceptor import (
    VERIFICATION_CLASS,
    acceptor,
    listener,
    on,
    silent,
)
from tests.common.dimse.local_slots import LocalSlots
from tests.common.dimse.pooling import Pacs, pool


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
            slots.lose_the_first()
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
            slots.lose_the_first()
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
            slots.want_elsewhere(0)
            await asyncio.to_thread(pacs.wait_until_none_is_open)


async def test_what_is_in_use_is_given_up_to_another_process_that_came_first(threads: Threads) -> None:
    pacs, slots = Pacs(), LocalSlots(1)
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads, slots) as associations:
            async with associations.lease([VERIFICATION]):
                elsewhere = asyncio.create_task(slots.take(0))
                slots.want_elsewhere(0)
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
                slots.want_elsewhere(theirs)
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
            assert 'isthmus_associations{dicom_origin="counted"} 0.0' in metrics_text().decode()
            await associations.run([VERIFICATION], Association.echo)
            assert 'isthmus_associations{dicom_origin="counted"} 1.0' in metrics_text().decode()
            assert 'isthmus_slot_wait_seconds_count{dicom_origin="counted"} 1.0' in metrics_text().decode()
    assert 'isthmus_associations{dicom_origin="counted"} 0.0' in metrics_text().decode()
