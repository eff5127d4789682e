"""Leasing associations: never more than the origin allows, none that is broken, nothing left behind."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest
from pynetdicom import evt

from isthmus.common.dimse import (
    FIND,
    STUDY_ROOT_FIND,
    VERIFICATION,
    Association,
    Context,
    Peer,
)
from isthmus.common.errors import (
    AssociationAborted,
    OperationFailed,
    OriginTimeout,
    OriginUnreachable,
)
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
from tests.common.dimse.pooling import Pacs, pool


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


async def test_an_association_that_opens_for_nobody_any_more_is_kept_for_the_next(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    pacs = Pacs()
    opening, may_open = threading.Event(), threading.Event()
    opened = Association.open

    def slow(peer: Peer, contexts: Sequence[Context]) -> Association:
        opening.set()
        may_open.wait(20)
        return opened(peer, contexts)

    monkeypatch.setattr(Association, "open", slow)
    with acceptor(*pacs.handlers) as to:
        async with pool(to, threads, 1) as associations:
            task = asyncio.create_task(associations.run([VERIFICATION], Association.echo))
            await asyncio.to_thread(opening.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            may_open.set()
            await associations.run([VERIFICATION], Association.echo)
    assert pacs.opened == 1
