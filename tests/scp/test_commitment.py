"""Storage commitment: the truth about what is in S3, reported wherever whoever asked can be told."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from dataclasses import replace
from queue import Empty, Queue
from uuid import uuid4

import nats.errors
import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.config import Inbox, Settings
from isthmus.common.config.arriving import Caller, CallerOperation
from isthmus.common.dicom.part10 import Identity
from isthmus.common.inbox.contents import Contents, ContentsStore, Row
from isthmus.common.inbox.deposit import Deposits, Incoming
from isthmus.common.inbox.state import Removal, States, StudyState
from isthmus.common.messages import BlobRef
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp import commitment, commitment_report, commitment_search
from isthmus.scp.commitment_requests import CommitmentRequest
from tests.peers import free_port
from tests.scp.modality import (
    CT,
    MODALITY,
    MR,
    SECONDS,
    Modality,
    Result,
    action_information,
    ask,
    committed,
    failed,
    services,
    with_callers,
)

EXPLICIT = "1.2.840.10008.1.2.1"
Deposit = Callable[[str], Awaitable[str]]


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return Inbox(name=origin_name, protocol="inbox", ae_title="INBOX")  # type: ignore[arg-type]


@pytest.fixture
def parts(bus: Bus, blobs: BlobStore, inbox: Inbox) -> Parts:
    return with_callers(Parts(Settings(), bus, blobs), inbox)


@pytest.fixture
def deposit(bus: Bus, blobs: BlobStore, inbox: Inbox) -> Deposit:
    """Put an instance into the inbox, as a C-STORE does, and give the key of its blob."""
    deposits = Deposits(bus, blobs, "http://gateway:8080")

    async def run(instance: str) -> str:
        data = instance.encode()
        keys: list[str] = []

        async def write(key: str) -> None:
            keys.append(key)
            await blobs.put(key, data)

        identity = Identity("1.2.3", "1.2.3.9", instance, CT)
        digest = hashlib.sha256(data).hexdigest()
        await deposits.deposit(inbox, Incoming(identity, EXPLICIT, digest, len(data), {}), write)
        return keys[0]

    return run


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again sooner, and try again sooner."""
    monkeypatch.setattr(commitment, "LOOKS", (0.0, 0.05, 0.05))
    monkeypatch.setattr(commitment, "FIRST_DELAY", 0.2)
    monkeypatch.setattr(commitment_report, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(commitment_report, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(commitment, "AWAY_SECONDS", 0.2)


def transaction() -> str:
    return f"2.25.{uuid4().int}"


@contextmanager
def reachable(port: int) -> Iterator[tuple[Caller, ...]]:
    yield (Caller(ae_title=MODALITY, host="127.0.0.1", port=port),)


async def get(results: "Queue[Result]") -> Result:
    return await asyncio.to_thread(results.get, True, SECONDS)


async def waiting(bus: Bus, inbox: Inbox) -> int:
    """How many requests of an inbox are in the work queue."""
    info = await bus.jetstream.streams_info()
    assert any(one.config.name == streams.COMMITMENTS for one in info)
    state = (
        await bus.jetstream.stream_info(streams.COMMITMENTS, subjects_filter=subjects.commits(inbox.name))
    ).state
    return sum((state.subjects or {}).values())


async def nothing_waits(bus: Bus, inbox: Inbox) -> None:
    """Wait until the work queue is empty; NATS tells nobody of an acknowledgement."""
    async with asyncio.timeout(SECONDS):
        while await waiting(bus, inbox):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def listed(bus: Bus, blobs: BlobStore, inbox: Inbox, study: str, *instances: str) -> None:
    """Put instances into S3 and into a study's list, of which no event tells."""
    rows = {}
    for instance in instances:
        key = f"inbox/{inbox.name}/{study}/1.9/{instance}/digest.dcm"
        await blobs.put(key, b"bytes")
        blob = BlobRef(blobs.bucket, key, 5, study, "1.9", instance, CT, EXPLICIT)
        rows[instance] = Row(blob, "digest", 1.0, {})
    states, contents = States(bus), ContentsStore(blobs)
    found = await states.get(inbox.name, study)
    key = await contents.save(inbox.name, study, Contents(rows))
    assert await states.put(replace(found.state, contents=key), found.revision)


def request(port: int, modality: Modality, *data: Dataset) -> list[int]:
    with modality.associated(port) as association:
        return [int(ask(association, one).Status) for one in data]


# What is wrong with a request.


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


async def test_a_caller_that_may_not_is_told_so(parts: Parts, inbox: Inbox) -> None:
    caller = Caller(ae_title=MODALITY, operations=frozenset({CallerOperation.STORE}))

    def run(port: int) -> tuple[int, str]:
        with Modality().associated(port) as association:
            status = ask(association, action_information("1.2.3", (CT, "1.2.3.4")))
            return int(status.Status), str(status.ErrorComment)

    async with services(with_callers(parts, inbox, [caller])) as port:
        assert await asyncio.to_thread(run, port) == (0x0124, "This caller may not commit")


async def test_a_called_ae_title_that_is_no_inbox_commits_to_nothing(parts: Parts) -> None:
    def run(port: int) -> tuple[int, str]:
        with Modality().associated(port) as association:
            status = ask(association, action_information("1.2.3", (CT, "1.2.3.4")))
            return int(status.Status), str(status.ErrorComment)

    async with services(parts, called="ourselves") as port:
        answer = await asyncio.to_thread(run, port)
    assert answer == (0x0110, "The called AE title is not that of an inbox")


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


# What is committed to.


async def test_what_is_there_is_committed_to_on_the_same_association(
    parts: Parts, deposit: Deposit, bus: Bus, inbox: Inbox
) -> None:
    for instance in ("1.2.3.4", "1.2.3.5"):
        await deposit(instance)
    uid, modality = transaction(), Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            data = action_information(uid, (CT, "1.2.3.4"), (CT, "1.2.3.5"), (CT, "1.2.3.4"))
            assert ask(association, data).Status == 0
            return modality.here.get(timeout=SECONDS)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
        event_type, information = result
        assert event_type == 1
        assert information.TransactionUID == uid
        assert "RetrieveAETitle" not in information  # nobody can retrieve from an inbox over DIMSE
        assert committed(result) == {"1.2.3.4", "1.2.3.5"}
        assert len(information.ReferencedSOPSequence) == 2
        assert "FailedSOPSequence" not in information
        await nothing_waits(bus, inbox)


async def test_what_is_not_there_or_is_of_another_class_is_said_to_have_failed(
    parts: Parts, deposit: Deposit
) -> None:
    for instance in ("1.2.3.4", "1.2.3.5"):
        await deposit(instance)
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(
                association,
                action_information(transaction(), (CT, "1.2.3.4"), (MR, "1.2.3.5"), (CT, "1.2.3.6")),
            )
            return modality.here.get(timeout=SECONDS)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert result[0] == 2
    assert committed(result) == {"1.2.3.4"}
    assert failed(result) == {"1.2.3.5": 0x0119, "1.2.3.6": 0x0112}


async def test_a_blob_that_is_lost_or_cut_is_not_committed_to(
    parts: Parts, deposit: Deposit, blobs: BlobStore
) -> None:
    await deposit("1.2.3.4")
    await blobs.delete(await deposit("1.2.3.5"))
    await blobs.put(await deposit("1.2.3.6"), b"1")
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            references = [(CT, f"1.2.3.{number}") for number in (4, 5, 6)]
            ask(association, action_information(transaction(), *references))
            return modality.here.get(timeout=SECONDS)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert committed(result) == {"1.2.3.4"}
    assert failed(result) == {"1.2.3.5": 0x0112, "1.2.3.6": 0x0112}


async def test_what_is_in_the_lists_of_studies_is_found_however_long_ago(
    parts: Parts, bus: Bus, blobs: BlobStore, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.scp.commitment_search.NEWEST_RECORDS", 2)
    many = [f"1.7.{number}" for number in range(20)]
    await listed(bus, blobs, inbox, "1.7", *many)
    for number in range(8):
        await listed(bus, blobs, inbox, f"1.8.{number}", f"1.8.{number}.1")
    await blobs.put(f"contents/{inbox.name}/1.9/broken", b"no list")
    assert await States(bus).put(
        StudyState(inbox.name, "1.9", contents=f"contents/{inbox.name}/1.9/broken"), 0
    )
    assert await States(bus).put(StudyState(inbox.name, "1.10", contents="contents/replaced"), 0)
    modality = Modality()
    wanted = [*many, "1.8.0.1", "1.8.7.1", "1.8.8.1"]

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(association, action_information(transaction(), *((CT, uid) for uid in wanted)))
            return modality.here.get(timeout=SECONDS)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert committed(result) == set(wanted) - {"1.8.8.1"}
    assert failed(result) == {"1.8.8.1": 0x0112}


async def test_what_is_being_deleted_is_not_committed_to(
    parts: Parts, deposit: Deposit, bus: Bus, inbox: Inbox
) -> None:
    await deposit("1.2.3.4")
    states = States(bus)
    found = await states.get(inbox.name, "1.2.3")
    deleted = replace(found.state, life=1, removals=(Removal(life=1, instances=1),))
    assert await states.put(deleted, found.revision)
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(association, action_information(transaction(), (CT, "1.2.3.4"), (CT, "1.2.3.5")))
            return modality.here.get(timeout=SECONDS)

    await deposit("1.2.3.5")
    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert committed(result) == {"1.2.3.5"}
    assert failed(result) == {"1.2.3.4": 0x0112}


async def test_what_another_inbox_has_is_not_committed_to(
    parts: Parts, deposit: Deposit, bus: Bus, blobs: BlobStore, inbox: Inbox
) -> None:
    await deposit("1.2.3.4")
    other = Inbox(name=f"{inbox.name}-b", protocol="inbox", ae_title="INBOX")  # type: ignore[arg-type]
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(association, action_information(transaction(), (CT, "1.2.3.4")))
            return modality.here.get(timeout=SECONDS)

    async with services(with_callers(parts, other)) as port:
        result = await asyncio.to_thread(run, port)
    assert failed(result) == {"1.2.3.4": 0x0112}


async def test_an_image_that_comes_shortly_after_the_request_is_waited_for(
    parts: Parts, deposit: Deposit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment, "LOOKS", (0.0, *[0.1] * 100))
    modality = Modality()
    looked = asyncio.Event()
    look = commitment_search.Search.look

    async def watched(search: commitment_search.Search) -> None:
        await look(search)
        looked.set()

    monkeypatch.setattr(commitment_search.Search, "look", watched)
    async with services(parts) as port:
        with modality.associated(port) as association:
            await asyncio.to_thread(ask, association, action_information(transaction(), (CT, "1.2.3.4")))
            await looked.wait()
            await deposit("1.2.3.4")
            result = await get(modality.here)
    assert committed(result) == {"1.2.3.4"}


# Where the result goes.


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
            return modality.here.get(timeout=SECONDS)

    async with AsyncExitStack() as stack:
        with monkeypatch.context() as patching:
            patching.setattr(commitment.Committer, "working", lambda _: nullcontext())
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
                return modality.here.get(timeout=SECONDS)

        assert committed(await asyncio.to_thread(run)) == {"1.2.3.4"}


async def test_a_caller_that_never_answers_on_its_own_association_is_called(
    parts: Parts, inbox: Inbox, deposit: Deposit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_report, "REPLY_SECONDS", 0.3)
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
                await asyncio.to_thread(thread.join, commitment.TIMEOUT_SECONDS / 3)
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
            return statuses, [modality.here.get(timeout=SECONDS) for _ in range(30)]

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
            return modality.here.get(timeout=SECONDS)

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
            modality.here.get(timeout=SECONDS)

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


async def test_a_request_is_given_up_after_a_day(
    parts: Parts,
    bus: Bus,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commitment, "GIVE_UP_SECONDS", 0.5)
    modality = Modality()
    with reachable(free_port()) as callers:
        async with services(with_callers(parts, inbox, callers)) as port:
            await asyncio.to_thread(
                request, port, modality, action_information(transaction(), (CT, "1.2.3.4"))
            )
            await nothing_waits(bus, inbox)
    assert "commitment given up" in "".join(capsys.readouterr())


def test_the_time_to_the_next_attempt_grows_with_that_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "FIRST_DELAY", 5.0)

    def delay(age: float) -> float:
        asked = time.time() - age
        waits = CommitmentRequest("in", "1.2", (), MODALITY, "127.0.0.1", asked, "", "", 1, EXPLICIT)
        return commitment._later(waits).seconds

    assert 5 <= delay(0) <= 6
    assert 60 <= delay(60) <= 67
    assert 600 <= delay(40_000) <= 660
    assert 700 <= commitment._later(request_of_now(), 700.0).seconds <= 770


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
    async with asyncio.timeout(SECONDS):
        while (await bus.jetstream.consumer_info(streams.COMMITMENTS, name)).delivered.consumer_seq < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
