"""C-STORE to an origin that takes its time: who hears nothing in time, and sends it again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from io import BytesIO

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.stores import submit_store_once
from isthmus.common.config import DimseOrigin
from isthmus.common.dimse import Association, Context, StoreResult
from isthmus.common.errors import BusUnavailable, OperationFailed, OriginTimeout
from isthmus.common.messages import Failure, Store
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests.scp.conftest import CT, EXPLICIT, PACS, Sending, peer, send
from tests.scp.through.conftest import cleared
from tests.stow.worker import Employ, Job
from tests.waiting import PATIENCE, until

Dataset = Callable[..., bytes]


@pytest.fixture
def origins(origin_name: str) -> tuple[DimseOrigin, ...]:
    """One with little patience."""
    return (DimseOrigin(name=origin_name, ae_title=PACS, port=104, timeout_seconds=0.1),)


@pytest.fixture
async def server(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """And we have little more."""
    monkeypatch.setattr("isthmus.scp.storing.store_through.OWN_SECONDS", 0.5)
    async with serving(parts) as running:
        yield running


class Slow:
    """A worker that takes a job and says nothing of it until it may."""

    def __init__(self, *said: int) -> None:
        self.taken: list[Job] = []
        self.may_answer = asyncio.Event()
        self.has_ended = asyncio.Event()
        self._said = list(said)

    async def __call__(self, job: Job) -> None:
        self.taken.append(job)
        await self.may_answer.wait()
        status = self._said.pop(0)
        failure = OperationFailed("no", origin="pacs", status=status) if status >= 0xC000 else None
        await job.answer_all(status, Failure.of(failure) if failure else None)
        self.has_ended.set()


async def send_one(server: Server, data: bytes) -> StoreResult:
    (result,) = await send(server, Sending(data), calling="CT1", called=PACS)
    return result


async def test_who_hears_nothing_in_time_is_told_so_and_may_ask_again(
    server: Server, employ: Employ, dataset: Dataset, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    employ(slow := Slow(0xB000))
    for _ in range(2):
        result = await send_one(server, dataset())
        assert (result.status, result.error_comment) == (0xA700, "No answer in time")
    slow.may_answer.set()
    monkeypatch.setattr("isthmus.scp.storing.store_through.OWN_SECONDS", PATIENCE)
    assert (await send_one(server, dataset())).status == 0xB000
    (job,) = slow.taken
    await cleared(blobs, job)


async def test_what_the_origin_took_meanwhile_is_not_sent_to_it_again(
    server: Server, employ: Employ, dataset: Dataset, blobs: BlobStore
) -> None:
    employ(slow := Slow(0x0000, 0xB000))
    assert (await send_one(server, dataset())).status == 0xA700
    slow.may_answer.set()
    await slow.has_ended.wait()
    assert (await send_one(server, dataset())).status == 0x0000
    assert len(slow.taken) == 1
    await cleared(blobs, slow.taken[0])


async def test_what_it_refused_meanwhile_is_tried_again(
    server: Server, employ: Employ, dataset: Dataset
) -> None:
    employ(slow := Slow(0xC000, 0x0000))
    assert (await send_one(server, dataset())).status == 0xA700
    slow.may_answer.set()
    await slow.has_ended.wait()
    assert (await send_one(server, dataset())).status == 0x0000
    assert len(slow.taken) == 2


async def test_what_failed_is_tried_again_though_its_job_is_still_in_the_queue(
    server: Server, employ: Employ, dataset: Dataset
) -> None:
    statuses, may_leave = iter((0xC000, 0x0000)), asyncio.Event()

    async def answers_and_stays(job: Job) -> None:
        status = next(statuses)
        failure = Failure.of(OperationFailed("no", origin="pacs", status=status)) if status else None
        await job.answer_all(status, failure)
        await may_leave.wait()

    employ(answers_and_stays)
    assert (await send_one(server, dataset())).status == 0xC000
    assert (await send_one(server, dataset())).status == 0x0000
    may_leave.set()


async def test_what_was_answered_is_sent_again_when_it_comes_again(
    server: Server, employ: Employ, dataset: Dataset
) -> None:
    employ(slow := Slow(0x0000, 0x0000))
    slow.may_answer.set()
    assert (await send_one(server, dataset())).status == 0x0000
    assert (await send_one(server, dataset())).status == 0x0000
    assert len(slow.taken) == 2


async def test_another_process_joins_the_job_that_is_there(
    server: Server, parts: Parts, employ: Employ, dataset: Dataset, blobs: BlobStore
) -> None:
    employ(slow := Slow(0x0000))
    assert (await send_one(server, dataset())).status == 0xA700
    async with serving(parts) as another:
        assert (await send_one(another, dataset())).status == 0xA700
        slow.may_answer.set()
        assert (await send_one(another, dataset())).status == 0x0000
    (job,) = slow.taken
    await cleared(blobs, job)


async def test_who_has_not_waited_for_the_answer_and_repeats_it_hears_of_it(
    parts: Parts, employ: Employ, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.scp.storing.store_through.OWN_SECONDS", 20.0)
    employ(slow := Slow(0xB000, 0x0000))
    async with serving(parts) as server:

        def give_up() -> None:
            hurried = replace(peer(server, "CT1", PACS), timeout=2.0)
            association = Association.open(hurried, [Context(CT, (EXPLICIT,))])
            with pytest.raises(OriginTimeout):
                association.store(
                    BytesIO(dataset()),
                    sop_class_uid=CT,
                    sop_instance_uid="1.2.3.4",
                    transfer_syntax_uid=EXPLICIT,
                )

        async def all_are_gone() -> bool:
            return all(one.is_gone for one in server._listener._senders.values())

        async def none_is_open() -> bool:
            return not server.associations

        await asyncio.to_thread(give_up)
        await until(all_are_gone)
        slow.may_answer.set()
        await until(none_is_open)
        assert (await send_one(server, dataset())).status == 0xB000
    assert len(slow.taken) == 1


async def test_a_job_of_which_nats_did_not_say_that_it_has_it_is_joined_by_the_repeat(
    server: Server, employ: Employ, dataset: Dataset, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def submit(bus: Bus, store: Store, name: str) -> tuple[Store, int]:
        await submit_store_once(bus, store, name)
        raise BusUnavailable("NATS does not say that it has it")

    employ(slow := Slow(0x0000))
    with monkeypatch.context() as broken:
        broken.setattr("isthmus.scp.storing.store_through.submit_store_once", submit)
        result = await send_one(server, dataset())
    assert (result.status, result.error_comment) == (0xA700, "NATS does not say that it has it")
    assert (await send_one(server, dataset())).status == 0xA700
    slow.may_answer.set()
    assert (await send_one(server, dataset())).status == 0x0000
    (job,) = slow.taken
    await cleared(blobs, job)


async def test_other_content_under_the_same_uid_is_another_job(
    server: Server, employ: Employ, dataset: Dataset
) -> None:
    employ(slow := Slow(0x0000, 0x0000))
    assert (await send_one(server, dataset())).status == 0xA700
    slow.may_answer.set()
    assert (await send_one(server, dataset(name=b"Else"))).status == 0x0000
    assert len(slow.taken) == 2
