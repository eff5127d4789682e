"""Where the result goes: wherever whoever asked can be told."""

import asyncio
import threading
import time
from contextlib import AsyncExitStack, nullcontext
from queue import Empty

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.consumer import Consumer
from isthmus.common.config import Inbox
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp.commitment import committer, report
from isthmus.scp.commitment.requests import CommitmentRequest
from tests.peers import free_port
from tests.scp.commitment.asking import (
    EXPLICIT,
    Deposit,
    get,
    nothing_waits,
    reachable,
    request,
    transaction,
    waiting,
)
from tests.scp.modality import (
    CT,
    MODALITY,
    Modality,
    Result,
    action_information,
    ask,
    committed,
    failed,
    services,
    with_callers,
)
from tests.waiting import PATIENCE, until


async def test_after_a_release_the_result_goes_to_the_address_of_the_caller(
    parts: Parts, inbox: Inbox, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    uid, modality = transaction(), Modality()
    with modality.listening() as there, reachable(there) as callers:
        async with services(with_callers(parts, inbox, callers)) as port:
            assert await asyncio.to_thread(
                request, port, modality, action_information(uid, (CT, "1.2.3.4"))
            ) == [0]
            result = await get(modality.there)
    assert (result[0], result[1].TransactionUID) == (1, uid)
    assert modality.here.empty()
    assert modality.roles == [(True, False)]  # though it accepted the association, it is the user


async def test_the_process_that_has_the_association_reports_what_another_one_found_out(
    parts: Parts, deposit: Deposit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deposit("1.2.3.4")
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(association, action_information(transaction(), (CT, "1.2.3.4")))
            return modality.here.get(timeout=PATIENCE)

    async with AsyncExitStack() as stack:
        with monkeypatch.context() as patching:
            patching.setattr(committer.Committer, "working", lambda _: nullcontext())
            port = await stack.enter_async_context(services(parts))
        await stack.enter_async_context(services(parts))
        assert committed(await asyncio.to_thread(run, port)) == {"1.2.3.4"}


async def test_a_caller_that_is_away_is_tried_again_by_whichever_process_is_there(
    parts: Parts, bus: Bus, inbox: Inbox, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    modality, there = Modality(), free_port()
    with reachable(there) as callers:
        settings = with_callers(parts, inbox, callers)
        async with services(settings) as port:
            await asyncio.to_thread(
                request, port, modality, action_information(transaction(), (CT, "1.2.3.4"))
            )
        assert await waiting(bus, inbox) == 1
        with modality.listening(there):
            async with services(settings):
                assert committed(await get(modality.there)) == {"1.2.3.4"}
                await nothing_waits(bus, inbox)


async def test_a_caller_that_cannot_take_the_result_gets_it_again(
    parts: Parts, inbox: Inbox, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    modality = Modality(status=0x0110)
    with modality.listening() as there, reachable(there) as callers:
        async with services(with_callers(parts, inbox, callers)) as port:
            await asyncio.to_thread(
                request, port, modality, action_information(transaction(), (CT, "1.2.3.4"))
            )
            await get(modality.there)
            await get(modality.there)


async def test_a_caller_without_an_address_gets_its_result_when_it_asks_again(
    parts: Parts, bus: Bus, inbox: Inbox, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    uid, modality = transaction(), Modality()
    async with services(parts) as port:
        await asyncio.to_thread(request, port, modality, action_information(uid, (CT, "1.2.3.4")))
        await nothing_waits(bus, inbox)
        while not modality.here.empty():  # it was quick enough
            modality.here.get()

        def run() -> Result:
            with modality.associated(port) as association:
                ask(association, action_information(uid, (CT, "1.2.3.4")))
                return modality.here.get(timeout=PATIENCE)

        assert committed(await asyncio.to_thread(run)) == {"1.2.3.4"}


async def test_a_caller_that_never_answers_on_its_own_association_is_called(
    parts: Parts, inbox: Inbox, deposit: Deposit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "REPLY_SECONDS", 0.3)
    await deposit("1.2.3.4")
    modality = Modality(answers_here=False)
    with modality.listening() as there, reachable(there) as callers:
        async with services(with_callers(parts, inbox, callers)) as port:
            with modality.associated(port) as association:
                await asyncio.to_thread(ask, association, action_information(transaction(), (CT, "1.2.3.4")))
                result = await get(modality.there)
    assert committed(result) == {"1.2.3.4"}


async def test_a_caller_that_hangs_does_not_hold_up_the_end(
    parts: Parts, bus: Bus, inbox: Inbox, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    modality = Modality()
    modality.answers_there.clear()
    with modality.listening() as there, reachable(there) as callers:
        async with services(with_callers(parts, inbox, callers)) as port:
            await asyncio.to_thread(
                request, port, modality, action_information(transaction(), (CT, "1.2.3.4"))
            )
            await get(modality.there)
        for thread in threading.enumerate():
            if thread.name.startswith("commitment"):
                await asyncio.to_thread(thread.join, committer.TIMEOUT_SECONDS / 3)
                assert not thread.is_alive()
        assert await waiting(bus, inbox) == 1
        modality.answers_there.set()


async def test_a_request_that_is_repeated_while_it_waits_is_answered_once(
    parts: Parts, bus: Bus, inbox: Inbox, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    modality, there, uid = Modality(), free_port(), transaction()
    with reachable(there) as callers:
        settings = with_callers(parts, inbox, callers)
        async with services(settings) as port:
            for _ in range(3):
                await asyncio.to_thread(request, port, modality, action_information(uid, (CT, "1.2.3.4")))
        assert await waiting(bus, inbox) == 1
        with modality.listening(there):
            async with services(settings):
                await get(modality.there)
                await nothing_waits(bus, inbox)
                with pytest.raises(Empty):
                    modality.there.get_nowait()


async def test_other_requests_are_answered_while_a_result_is_reported(parts: Parts, deposit: Deposit) -> None:
    await deposit("1.2.3.4")
    modality = Modality()

    def run(port: int) -> tuple[set[int], list[Result]]:
        with modality.associated(port) as association:
            statuses = {
                int(ask(association, action_information(transaction(), (CT, "1.2.3.4"))).Status)
                for _ in range(30)
            }
            return statuses, [modality.here.get(timeout=PATIENCE) for _ in range(30)]

    async with services(parts) as port:
        statuses, results = await asyncio.to_thread(run, port)
    assert statuses == {0}
    assert {result[0] for result in results} == {1}


async def test_a_request_of_many_instances_is_answered_whole(parts: Parts, deposit: Deposit) -> None:
    await deposit("1.2.3.4")
    modality = Modality()
    wanted = [f"1.2.826.0.1.3680043.8.498.{number:039}" for number in range(2000)]

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            data = action_information(transaction(), (CT, "1.2.3.4"), *((CT, uid) for uid in wanted))
            assert ask(association, data).Status == 0
            return modality.here.get(timeout=PATIENCE)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert committed(result) == {"1.2.3.4"}
    assert failed(result) == dict.fromkeys(wanted, 0x0112)


async def test_logs_say_nothing_of_what_was_asked_for(
    parts: Parts, bus: Bus, inbox: Inbox, deposit: Deposit, capsys: pytest.CaptureFixture[str]
) -> None:
    await deposit("1.2.3.4.55555")
    modality, uid = Modality(), transaction()

    def run(port: int) -> None:
        with modality.associated(port) as association:
            ask(association, action_information(uid, (CT, "1.2.3.4.55555")))
            modality.here.get(timeout=PATIENCE)

    async with services(parts) as port:
        await asyncio.to_thread(run, port)
        await nothing_waits(bus, inbox)
    text = "".join(capsys.readouterr())
    assert "commitment reported" in text
    assert uid not in text
    assert "55555" not in text


async def test_what_nobody_can_read_leaves_the_queue(parts: Parts, bus: Bus, inbox: Inbox) -> None:
    await bus.jetstream.publish(subjects.commit(inbox.name, MODALITY, "1.2.3"), b"none of ours")
    async with services(parts):
        await nothing_waits(bus, inbox)


async def test_the_process_does_not_live_on_without_its_commitments(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def mistaken(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Consumer, "serve", mistaken)
    monkeypatch.setattr(committer, "fail", failed.set)
    async with services(parts), asyncio.timeout(PATIENCE):
        await failed.wait()


async def test_it_ends_its_commitments_without_failing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = asyncio.Event()
    monkeypatch.setattr(committer, "fail", failed.set)
    async with services(parts):
        pass
    assert not failed.is_set()


async def test_a_request_is_given_up_after_a_day(
    parts: Parts,
    bus: Bus,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(committer, "GIVE_UP_SECONDS", 0.5)
    modality = Modality()
    with reachable(free_port()) as callers:
        async with services(with_callers(parts, inbox, callers)) as port:
            await asyncio.to_thread(
                request, port, modality, action_information(transaction(), (CT, "1.2.3.4"))
            )
            await nothing_waits(bus, inbox)
    assert "commitment given up" in "".join(capsys.readouterr())


def test_the_time_to_the_next_attempt_grows_with_that_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "FIRST_DELAY", 5.0)

    def delay(age: float) -> float:
        asked = time.time() - age
        waits = CommitmentRequest("in", "1.2", (), MODALITY, "127.0.0.1", asked, "", "", 1, EXPLICIT)
        return committer._later(waits).seconds

    assert 5 <= delay(0) <= 6
    assert 60 <= delay(60) <= 67
    assert 600 <= delay(40_000) <= 660
    assert 700 <= committer._later(request_of_now(), 700.0).seconds <= 770


def request_of_now() -> CommitmentRequest:
    return CommitmentRequest("in", "1.2", (), MODALITY, "127.0.0.1", time.time(), "", "", 1, EXPLICIT)


async def test_while_s3_is_away_nothing_is_reported_and_afterwards_the_truth(
    parts: Parts, bus: Bus, inbox: Inbox, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    threads = Threads("away", 2)
    away = BlobStore("127.0.0.1:1", "key", "secret", "bucket", threads=threads, deadline=0.2)
    modality, there = Modality(), free_port()
    with reachable(there) as callers, modality.listening(there):
        settings = with_callers(parts, inbox, callers)
        async with services(Parts(settings.settings, bus, away)) as port:
            await asyncio.to_thread(
                request, port, modality, action_information(transaction(), (CT, "1.2.3.4"))
            )
            await delivered_twice(bus, inbox)
        assert modality.there.empty()
        async with services(settings):
            assert committed(await get(modality.there)) == {"1.2.3.4"}
    away.close()
    threads.close()


async def delivered_twice(bus: Bus, inbox: Inbox) -> None:
    name = f"commit-{subjects.token(inbox.name)}"
    await until(
        lambda: bus.jetstream.consumer_info(streams.COMMITMENTS, name),
        lambda info: info.delivered.consumer_seq >= 2,
    )
