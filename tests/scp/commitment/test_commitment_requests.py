"""What is wrong with a request for storage commitment, and what becomes of one that is not."""

import asyncio
import threading
import time
from collections.abc import Callable

import nats.errors
import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from isthmus.common.auth import Grants, Policy
from isthmus.common.bus import Bus, streams
from isthmus.common.bus.granted import Gate, Refusal
from isthmus.common.config import Inbox
from isthmus.common.config.settings import Nats
from isthmus.common.messages import decode
from isthmus.common.service import Parts
from isthmus.scp.commitment.report import ResultReported
from isthmus.scp.commitment.requests import CommitmentRequest, keep
from tests import planted
from tests.scp.commitment.asking import (
    EXPLICIT,
    Deposit,
    nothing_waits,
    reachable,
    request,
    transaction,
    waiting,
)
from tests.scp.conftest import with_rules
from tests.scp.modality import (
    CT,
    MODALITY,
    Modality,
    Result,
    action_information,
    ask,
    committed,
    services,
    with_callers,
)
from tests.waiting import PATIENCE


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
            return modality.here.get(timeout=PATIENCE)

    async with services(parts) as port:
        await bus.jetstream.delete_stream(streams.COMMITMENTS)
        assert committed(await asyncio.to_thread(run, port)) == {"1.2.3.4"}


async def test_who_has_a_password_for_nats_alone_has_nothing_reported(
    parts: Parts, bus: Bus, nats_settings: Nats, inbox: Inbox, deposit: Deposit
) -> None:
    await deposit("1.2.3.4")
    refused: list[Refusal] = []

    async def note(refusal: Refusal) -> None:
        refused.append(refusal)

    bus.gate = Gate(Grants(planted.secret("signing"), "scp"), Policy.of(parts.settings))
    bus.gate.record = note
    thief, modality, has_left = await Bus.connect(nats_settings, "thief"), Modality(), threading.Event()
    asked = time.time()
    forged = CommitmentRequest(
        inbox.name, transaction(), ((CT, "1.2.3.4"),), MODALITY, "127.0.0.1", asked, "", "", 1, EXPLICIT
    )

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(association, action_information(transaction(), (CT, "1.2.3.4")))
            result = modality.here.get(timeout=PATIENCE)
            assert has_left.wait(PATIENCE)
            return result

    with modality.listening() as there, reachable(there) as callers:
        async with services(with_callers(parts, inbox, callers)) as port:
            await keep(thief, forged)
            await nothing_waits(bus, inbox)
            results = await thief.client.subscribe("dicom.committed.*")
            await thief.client.flush()
            asking = asyncio.create_task(asyncio.to_thread(run, port))
            heard = await results.next_msg(timeout=PATIENCE)
            answer = await thief.client.request(heard.subject, heard.data, PATIENCE)
            assert decode(answer.data, ResultReported) == ResultReported(None)
            has_left.set()
            assert committed(await asking) == {"1.2.3.4"}
    await thief.close()
    assert modality.there.empty()
    assert modality.here.empty()
    assert [(one.action, one.origin) for one in refused] == [
        ("dicom.commit", inbox.name),
        ("dicom.committed", inbox.name),
    ]
