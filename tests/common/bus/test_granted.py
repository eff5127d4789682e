"""The second check: a worker does what a face vouches for and the rules allow, and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from nats.aio.msg import Msg

from isthmus.common.auth import Grants, Kind, Policy, Principal, Right, StudyLink, acting_as
from isthmus.common.auth.grants import HEADER
from isthmus.common.bus import (
    Bus,
    MatchWriter,
    end_tasks,
    jobs,
    progress,
    search,
    serve_queries,
    serve_worklists,
    streams,
    subjects,
)
from isthmus.common.bus.delete import request_deletion, serve_deletions
from isthmus.common.bus.echo import echo, serve_echo
from isthmus.common.bus.forwards import send
from isthmus.common.bus.granted import Gate, Guarded, Refusal
from isthmus.common.bus.jobs import Running
from isthmus.common.bus.received import offer, serve_received
from isthmus.common.bus.stores import new_job, run_store
from isthmus.common.config.access import Rule
from isthmus.common.config.settings import Nats
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.statuses import NOT_AUTHORIZED, SUCCESS
from isthmus.common.errors import BusUnavailable, Forbidden
from isthmus.common.messages import (
    Ahead,
    AheadTaken,
    BlobRef,
    Delete,
    Deleted,
    Echo,
    EchoDone,
    Forwarding,
    InstanceStored,
    Query,
    QueryDone,
    Received,
    ReceivedAnswer,
    Retrieve,
    RetrieveDone,
    Store,
    StoreDone,
    WorklistQuery,
    decode,
    encode,
    retrieve_fact,
    store_fact,
)
from tests import planted
from tests.waiting import PATIENCE

KEY = planted.secret("signing")
STUDY, OTHER_STUDY = "1.2.3", "1.2.4"
ALICE = Principal(Kind.USER, "alice")
"""Who may search and retrieve, and echo."""
BOB = Principal(Kind.USER, "bob")
"""Who may store and delete."""


def blob(origin: str) -> BlobRef:
    return BlobRef("b", f"spool/{origin}/1.dcm", 1, STUDY, f"{STUDY}.1", f"{STUDY}.1.1", "1.2", "1.2.840")


class Site:
    """An origin's worker, a face that shares its key, and what the worker was asked to do."""

    def __init__(self, origin: str, face: Bus, thief: Bus, worker: Bus) -> None:
        self.origin = origin
        self.face = face
        self.thief = thief
        """With a password for NATS, and nothing else."""
        self.worker = worker
        self.done: list[object] = []
        self.refused: list[str] = []

    async def note(self, refusal: Refusal) -> None:
        self.refused.append(refusal.action)

    async def search(self, query: Query | WorklistQuery, _: MatchWriter) -> None:
        self.done.append(query)

    async def echo(self, asked: Echo) -> EchoDone:
        self.done.append(asked)
        return EchoDone(1.0)

    async def delete(self, delete: Delete) -> Deleted:
        self.done.append(delete)
        return Deleted(1)

    async def receive(self, received: Received) -> ReceivedAnswer:
        self.done.append(received)
        return ReceivedAnswer(SUCCESS)

    async def ahead(self, wanted: Ahead) -> AheadTaken:
        self.done.append(wanted)
        return AheadTaken()

    async def retrieve(self, running: Running[Retrieve]) -> None:
        self.done.append(running.job)
        subject = subjects.progress(self.origin, running.job.study, running.generation)
        await progress.publish(self.worker, subject, RetrieveDone(0, ()), f"{running.generation}.done")
        await running.acknowledge()

    async def store(self, running: Running[Store]) -> None:
        self.done.append(running.job)
        store, subject = running.job, subjects.stored(self.origin, running.job.job)
        result = InstanceStored(0, "1.2", "1.2.3", SUCCESS)
        await progress.publish(self.worker, subject, result, f"{store.job}.0")
        await progress.publish(self.worker, subject, StoreDone(1, 0), f"{store.job}.done")
        await running.acknowledge()

    @property
    def query(self) -> Query:
        return Query(self.origin, Level.STUDY, (), (("0020000D",),))

    def query_of(self, *studies: str) -> Query:
        return replace(self.query, keys=(MatchingKey(("0020000D",), studies),))

    async def search_as(self, bus: Bus, query: Query | WorklistQuery | None = None) -> None:
        async with search(bus, query or self.query) as matches:
            assert [match async for match in matches] == []

    async def want_ahead_as(self, bus: Bus, study: str = STUDY) -> None:
        subject, guarded = subjects.ahead(self.origin, study), Guarded(self.origin, Right.RETRIEVE)
        await bus.request(subject, Ahead("1.2.3.4"), AheadTaken, 1, guarded=guarded)

    async def retrieve_as(self, bus: Bus, study: str = STUDY) -> RetrieveDone:
        submitted = await jobs.submit_retrieve(bus, Retrieve(self.origin, study))
        return await self.end_of(submitted.generation, study)

    async def end_of(self, generation: str, study: str = STUDY) -> RetrieveDone:
        async def still_there() -> bool:
            return True

        subject = subjects.progress(self.origin, study, generation)
        async with progress.follow(self.face, subject, retrieve_fact, still_there) as facts:
            async for fact in facts:
                if isinstance(fact, RetrieveDone):
                    return fact
        raise AssertionError("no end")

    async def store_as(self, bus: Bus) -> list[InstanceStored]:
        async with run_store(bus, Store(self.origin, new_job(), (blob(self.origin),))) as results:
            return [result async for result in results]


@asynccontextmanager
async def a_site(nats: Nats, origin: str) -> AsyncIterator[Site]:
    rules = [
        Rule.model_validate({"user": "alice", "operations": ["search", "retrieve"], "origins": [origin]}),
        Rule.model_validate({"user": "bob", "operations": ["store", "delete"]}),
    ]
    policy = Policy(rules, [origin, f"{origin}-2"])
    face = await Bus.connect(nats, "face", Gate(Grants(KEY, "face"), policy))
    thief = await Bus.connect(nats, "thief")
    worker = await Bus.connect(nats, "worker", Gate(Grants(KEY, "worker"), policy))
    site = Site(origin, face, thief, worker)
    worker.gate.record = site.note
    working: list[asyncio.Task[None]] = []
    try:
        await serve_queries(worker, origin, site.search)
        await serve_echo(worker, origin, site.echo)
        await serve_deletions(worker, origin, site.delete)
        await serve_received(worker, origin, STUDY, site.receive)
        await serve_worklists(worker, origin, site.search)
        for study in (STUDY, OTHER_STUDY):
            guarded = Guarded(origin, Right.RETRIEVE, study=study)
            await worker.serve(subjects.ahead(origin, study), "", site.ahead, Ahead, guarded=guarded)
        working = [
            asyncio.create_task(one)
            for one in (
                jobs.work(worker, streams.JOBS, origin, Retrieve, site.retrieve, at_once=1),
                jobs.work(worker, streams.STORES, origin, Store, site.store, at_once=1),
            )
        ]
        yield site
    finally:
        await end_tasks(working)
        for bus in (face, thief, worker):
            await bus.close()


@pytest.fixture
async def site(nats_settings: Nats, origin_name: str) -> AsyncIterator[Site]:
    async with a_site(nats_settings, origin_name) as one:
        yield one


async def test_what_the_rules_allow_is_done(site: Site) -> None:
    with acting_as(ALICE):
        await site.search_as(site.face)
        assert (await site.retrieve_as(site.face)).failure is None
        await site.want_ahead_as(site.face)
        assert (await echo(site.face, site.origin, 5)).failure is None
    with acting_as(BOB):
        assert [result.status for result in await site.store_as(site.face)] == [SUCCESS]
        delete = Delete(site.origin, STUDY)
        assert await request_deletion(site.face, delete, 5) == Deleted(1)
        assert (await echo(site.face, site.origin, 5)).failure is None
    received = Received(blob(site.origin), "PACS")
    assert await offer(site.face, site.origin, STUDY, received) == ReceivedAnswer(SUCCESS)
    assert len(site.done) == 8


async def test_a_service_may_do_what_it_does_by_itself(site: Site) -> None:
    await site.search_as(site.face)
    assert (await site.retrieve_as(site.face)).failure is None
    assert [result.status for result in await site.store_as(site.face)] == [SUCCESS]


async def test_what_it_takes_to_know_of_a_study_may_be_asked_for_what_one_may_do(site: Site) -> None:
    with acting_as(BOB, Right.DELETE):
        await site.search_as(site.face)
    assert site.done == [site.query]


async def test_who_has_a_password_for_nats_alone_is_refused(site: Site) -> None:
    with pytest.raises(Forbidden):
        await site.search_as(site.thief)
    failure = (await site.retrieve_as(site.thief)).failure
    assert failure is not None
    assert failure.kind == "Forbidden"
    with pytest.raises(Forbidden):
        await site.store_as(site.thief)
    failure = (await echo(site.thief, site.origin, 5)).failure
    assert failure is not None
    assert failure.kind == "Forbidden"
    deleted = await request_deletion(site.thief, Delete(site.origin, STUDY), 5)
    assert deleted.failure is not None
    received = Received(blob(site.origin), "PACS")
    assert await offer(site.thief, site.origin, STUDY, received) == ReceivedAnswer(NOT_AUTHORIZED)
    with pytest.raises(BusUnavailable):
        await site.want_ahead_as(site.thief)
    assert site.refused == [
        "dicom.query",
        "dicom.retrieve",
        "dicom.store",
        "dicom.echo",
        "dicom.delete",
        "dicom.received",
        "dicom.ahead",
    ]
    assert site.done == []
    info = await site.face.jetstream.stream_info(streams.JOBS, subjects_filter=f"dicom.*.{site.origin}.>")
    assert not info.state.subjects  # nobody tries them again


async def test_whom_the_rules_do_not_allow_it_is_refused_though_a_face_let_him_in(site: Site) -> None:
    with acting_as(BOB, Right.SEARCH), pytest.raises(Forbidden):
        await site.search_as(site.face)
    with acting_as(BOB):
        assert (await site.retrieve_as(site.face)).failure is not None
    with acting_as(ALICE):
        with pytest.raises(Forbidden):
            await site.store_as(site.face)
        assert (await request_deletion(site.face, Delete(site.origin, STUDY), 5)).failure is not None
    assert site.done == []


async def test_a_link_opens_no_other_study(site: Site) -> None:
    guest = Principal(Kind.LINK, "a1", link=StudyLink(site.origin, STUDY))
    with acting_as(guest):
        assert (await site.retrieve_as(site.face)).failure is None
        await site.search_as(site.face, site.query_of(STUDY))
        await site.want_ahead_as(site.face)
        assert len(site.done) == 3
        assert (await site.retrieve_as(site.face, OTHER_STUDY)).failure is not None
        worklist = WorklistQuery(site.origin, (), (("00100010",),))
        for query in (site.query, worklist, site.query_of(OTHER_STUDY), site.query_of(STUDY, OTHER_STUDY)):
            with pytest.raises(Forbidden):
                await site.search_as(site.face, query)
        with pytest.raises(BusUnavailable):
            await site.want_ahead_as(site.face, OTHER_STUDY)
    assert len(site.done) == 3


async def heard(bus: Bus, subject: str, work: Callable[[], Coroutine[object, object, object]]) -> Msg:
    """Give the message that something sends, as whoever listens hears it too."""
    subscription = await bus.client.subscribe(subject)
    await bus.client.flush()
    await work()
    message = await subscription.next_msg(timeout=PATIENCE)
    await subscription.unsubscribe()
    return message


async def test_a_grant_that_was_heard_is_good_for_no_other_message(site: Site) -> None:
    async def search_it() -> None:
        with acting_as(ALICE):
            await site.search_as(site.face)

    message = await heard(site.thief, subjects.query(site.origin), search_it)
    assert message.headers is not None
    site.done.clear()
    other = Query(site.origin, Level.SERIES, (), (("0020000E",),))
    for payload in (
        encode(other),
        encode(Query(f"{site.origin}-2", Level.STUDY, (), ())),
        message.data,  # answered to somebody else
    ):
        subject = subjects.query(site.origin)
        inbox = site.thief.client.new_inbox()
        answers = await site.thief.client.subscribe(inbox)
        await site.thief.client.publish(subject, payload, reply=inbox, headers=message.headers)
        done = decode((await answers.next_msg(timeout=PATIENCE)).data, QueryDone)
        assert done.failure is not None
        assert done.failure.kind == "Forbidden"
    assert site.done == []


@pytest.mark.parametrize(("right", "elsewhere"), [(Right.STORE, "-2"), (Right.DELETE, "")])
async def test_a_grant_for_another_origin_or_for_something_else_is_none_here(
    site: Site, origin_name: str, right: Right, elsewhere: str
) -> None:
    payload = encode(Store(f"{origin_name}{elsewhere}", new_job(), (blob(origin_name),)))
    with acting_as(BOB):
        header = site.face.gate.header(right, f"{origin_name}{elsewhere}", payload)
    subject = subjects.store(origin_name)
    await site.thief.jetstream.publish(subject, payload, headers=header)
    store = decode(payload, Store)
    told = None
    async with asyncio.timeout(PATIENCE):
        while told is None:
            told = await progress.last(site.face, subjects.stored(origin_name, store.job), store_fact)
    assert isinstance(told, StoreDone)
    assert told.failure is not None
    assert site.done == []


async def test_a_grant_that_is_too_old_is_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with monkeypatch.context() as patch, acting_as(ALICE):
        patch.setattr("isthmus.common.auth.grants.time.time", lambda: now - 61)
        header = site.face.gate.header(Right.RETRIEVE, site.origin, encode(Retrieve(site.origin, STUDY)))
    message = encode(Retrieve(site.origin, STUDY))
    subject = subjects.retrieve(site.origin, jobs.Lane.INTERACTIVE, STUDY)
    ack = await site.thief.jetstream.publish(subject, message, headers=header)
    generation = await site.face.generations.name(streams.JOBS, ack.seq)
    assert (await site.end_of(generation)).failure is not None
    assert site.done == []


async def test_a_job_that_has_waited_is_as_old_as_its_place_in_the_queue(
    nats_settings: Nats, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = await Bus.connect(nats_settings, "face", Gate(Grants(KEY, "face")))
    submitted = await jobs.submit_retrieve(face, Retrieve(origin_name, STUDY))
    await face.close()
    later = time.time() + 7 * 86_400
    monkeypatch.setattr("isthmus.common.auth.grants.time.time", lambda: later)
    async with a_site(nats_settings, origin_name) as site:
        assert (await site.end_of(submitted.generation)).failure is None
    assert site.done == [Retrieve(origin_name, STUDY)]


async def test_what_was_forwarded_is_told_to_have_been_refused_and_can_be_sent_again(site: Site) -> None:
    refs = (blob(site.origin), blob(site.origin))
    forwarding = Forwarding(
        id=new_job(), destination=site.origin, origin="inbox", study=STUDY, blobs=refs, since=0.0
    )
    for is_repeat in (False, True):
        results = await send(site.thief, forwarding, is_repeat=is_repeat)
        kinds = [result.failure.kind for result in results.values() if result.failure is not None]
        assert kinds == ["Forbidden", "Forbidden"]
    assert site.done == []


async def test_without_a_signing_key_nothing_is_asked_for(
    nats_settings: Nats, bus: Bus, origin_name: str
) -> None:
    async def answer(_: Echo) -> EchoDone:
        return EchoDone(1.0)

    await serve_echo(bus, origin_name, answer)
    assert await echo(bus, origin_name, 5) == EchoDone(1.0)
    assert HEADER not in bus.gate.header(Right.SEARCH, origin_name, b"")
