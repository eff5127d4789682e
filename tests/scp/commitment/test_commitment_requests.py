"""What is wrong with a request for storage commitment, and what becomes of one that is not."""

import asyncio
from collections.abc import Callable

import nats.errors
import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from isthmus.common.bus import Bus, streams
from isthmus.common.config import Inbox
from isthmus.common.service import Parts
from tests.scp.commitment.asking import (
    Deposit,
    request,
    transaction,
    waiting,
)
from tests.scp.conftest import with_rules
from tests.scp.modality import (
    CT,
    MODALITY,
    SECONDS,
    Modality,
    Result,
    action_information,
    ask,
    committed,
    services,
)


def wrong_requests() -> list[tuple[str, Callable[[Association], Dataset], int, str]]:
    good = action_information("1.2.3", (CT, "1.2.3.4"))
    without_class = action_information("1.2.3", (CT, "1.2.3.4"))
    del without_class.ReferencedSOPSequence[0].ReferencedSOPClassUID
    empty = action_information("1.2.3", (CT, ""))
    return [
        ("action", lambda one: ask(one, good, action=2), 0x0123, "The Action Type ID is not 1"),
        (
            "instance",
            lambda one: ask(one, good, instance="1.2.3"),
            0x0112,
            "The SOP Instance UID is not 1.2.840.10008.1.20.1.1",
        ),
        ("nothing", lambda one: ask(one, None), 0x0115, "ReferencedSOPSequence has no item"),
        (
            "transaction",
            lambda one: ask(one, action_information(None, (CT, "1.2.3.4"))),
            0x0115,
            "TransactionUID is missing",
        ),
        (
            "no references",
            lambda one: ask(one, action_information("1.2.3")),
            0x0115,
            "ReferencedSOPSequence has no item",
        ),
        ("class", lambda one: ask(one, without_class), 0x0115, "ReferencedSOPClassUID is missing"),
        ("uid", lambda one: ask(one, empty), 0x0115, "ReferencedSOPInstanceUID is empty"),
        (
            "no uid",
            lambda one: ask(one, action_information("1.2 3", (CT, "1.2.3.4"))),
            0x0115,
            "TransactionUID is no UID",
        ),
    ]


async def test_a_wrong_request_is_refused_by_name_and_the_association_goes_on(
    parts: Parts, bus: Bus, inbox: Inbox
) -> None:
    def run(port: int) -> list[tuple[str, int, str]]:
        with Modality().associated(port) as association:
            answers = [(what, send(association)) for what, send, _, _ in wrong_requests()]
            return [(what, int(one.Status), str(one.get("ErrorComment", ""))) for what, one in answers]

    async with services(parts) as port:
        answers = await asyncio.to_thread(run, port)
    assert answers == [(what, status, comment) for what, _, status, comment in wrong_requests()]
    assert await waiting(bus, inbox) == 0


async def test_a_caller_that_may_not_is_told_so(parts: Parts) -> None:
    searches: dict[str, object] = {"ae_title": MODALITY, "operations": ["search"]}

    def run(port: int) -> tuple[int, str]:
        with Modality().associated(port) as association:
            status = ask(association, action_information("1.2.3", (CT, "1.2.3.4")))
            return int(status.Status), str(status.ErrorComment)

    async with services(with_rules(parts, searches)) as port:
        assert await asyncio.to_thread(run, port) == (0x0124, "N-ACTION is not allowed to this caller")


async def test_a_called_ae_title_that_is_no_origin_commits_to_nothing(parts: Parts) -> None:
    def run(port: int) -> tuple[int, str]:
        with Modality().associated(port) as association:
            status = ask(association, action_information("1.2.3", (CT, "1.2.3.4")))
            return int(status.Status), str(status.ErrorComment)

    async with services(parts, called="ourselves") as port:
        answer = await asyncio.to_thread(run, port)
    assert answer == (0x0110, "The called AE title is not that of an origin")


async def test_what_cannot_be_kept_is_not_promised(
    parts: Parts, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise nats.errors.TimeoutError

    async with services(parts) as port:
        monkeypatch.setattr(bus.jetstream, "publish", away)
        (status,) = await asyncio.to_thread(
            request, port, Modality(), action_information("1.2.3", (CT, "1.2.3.4"))
        )
    assert status == 0x0110


async def test_after_the_loss_of_its_stream_the_queue_is_there_again(
    parts: Parts, bus: Bus, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            while ask(association, action_information(transaction(), (CT, "1.2.3.4"))).Status:
                pass
            return modality.here.get(timeout=SECONDS)

    async with services(parts) as port:
        await bus.jetstream.delete_stream(streams.COMMITMENTS)
        assert committed(await asyncio.to_thread(run, port)) == {"1.2.3.4"}
