"""A PACS behind a real worker hears nothing of who has a password for NATS, and no more than that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.auth import Grants, Kind, Policy, Principal, Right, StudyLink, acting_as
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, jobs, progress, search, streams, subjects
from isthmus.common.bus.accounts import OPERATOR
from isthmus.common.bus.echo import echo
from isthmus.common.bus.granted import Gate
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.bus.stores import new_job, run_store
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Nats
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.errors import Forbidden
from isthmus.common.messages import (
    BlobRef,
    Query,
    QueryDone,
    Retrieve,
    RetrieveDone,
    Store,
    decode,
    retrieve_fact,
)
from isthmus.common.messages.audit import AuditRecord
from isthmus.common.service import Parts
from isthmus.common.service.gate import record_refusals
from isthmus.dimse_scu.worker import worker
from tests import planted
from tests.pacs import FaultyPacs
from tests.waiting import PATIENCE

KEY = planted.secret("signing")
ALICE = Principal(Kind.USER, "alice")


@dataclass
class Site:
    """A NATS with the users of the services, and a worker that knows the key."""

    nats: EmbeddedNats
    stack: AsyncExitStack
    policy: Policy
    origin: str

    async def bus(self, user: str, key: str | None) -> Bus:
        """Connect as a service, with its password, and with the key or without."""
        settings = Nats(url=self.nats.url, user=user, password=self.nats.password_of(user))
        bus = await Bus.connect(settings, user, Gate(Grants(key, user), self.policy))
        self.stack.push_async_callback(bus.close)
        return bus

    @property
    def query(self) -> Query:
        return Query(self.origin, Level.STUDY, (), (("0020000D",),))

    async def found(self, bus: Bus, *studies: str) -> int:
        keys = (MatchingKey(("0020000D",), studies),) if studies else ()
        async with search(bus, replace(self.query, keys=keys)) as matches:
            return len([match async for match in matches])


@asynccontextmanager
async def a_site(directory: Path, blobs: BlobStore, pacs: FaultyPacs) -> AsyncIterator[Site]:
    origin = DimseOrigin(name="pacs", ae_title=pacs.peer.ae_title, port=pacs.peer.port, timeout_seconds=3)
    rule = {"user": "alice", "operations": ["search", "retrieve", "store"]}
    settings = Settings.model_validate({"origins": [origin.model_dump()], "access": {"rules": [rule]}})
    async with EmbeddedNats(directory) as nats, AsyncExitStack() as stack:
        site = Site(nats, stack, Policy.of(settings), origin.name)
        parts = Parts(settings, await site.bus("dimse-scu", KEY), blobs)
        record_refusals(parts.bus, "dimse-scu")
        await stack.enter_async_context(worker(parts))
        yield site


@pytest.fixture
async def site(tmp_path: Path, blobs: BlobStore, pacs: FaultyPacs) -> AsyncIterator[Site]:
    async with a_site(tmp_path, blobs, pacs) as one:
        yield one


async def test_a_face_with_the_key_reaches_the_pacs_and_who_heard_it_does_not(
    site: Site, pacs: FaultyPacs
) -> None:
    face, thief = await site.bus("qido", KEY), await site.bus("qido", None)
    listener = await site.bus("dimse-scu", None)
    heard = await listener.client.subscribe(subjects.query(site.origin))
    await listener.client.flush()
    with acting_as(ALICE, Right.SEARCH):
        assert await site.found(face) == 1
    asked, inbox = await heard.next_msg(timeout=PATIENCE), thief.client.new_inbox()
    answers = await thief.client.subscribe(inbox)
    await thief.client.publish(asked.subject, asked.data, reply=inbox, headers=asked.headers)
    done = decode((await answers.next_msg(timeout=PATIENCE)).data, QueryDone)
    assert done.failure is not None
    assert done.failure.kind == "Forbidden"
    assert pacs.associations() == 1


async def test_a_face_gone_wrong_searches_no_more_for_a_link_than_its_study(
    site: Site, pacs: FaultyPacs, study: str
) -> None:
    face = await site.bus("qido", KEY)
    guest = Principal(Kind.LINK, "a1", link=StudyLink(site.origin, study))
    with acting_as(guest, Right.SEARCH):
        with pytest.raises(Forbidden):
            await site.found(face)
        assert pacs.associations() == 0
        assert await site.found(face, study) == 1


async def test_a_password_alone_reaches_nothing(site: Site, pacs: FaultyPacs, study: str) -> None:
    qido, wado, stow = [await site.bus(name, None) for name in ("qido", "wado", "stow")]
    with pytest.raises(Forbidden):
        await site.found(qido)
    done = await echo(qido, site.origin, 5)
    assert done.failure is not None
    submitted = await jobs.submit_retrieve(wado, Retrieve(site.origin, study))
    end = await _end_of(wado, submitted.generation, site.origin, study)
    assert end.failure is not None
    assert end.failure.kind == "Forbidden"
    blob = BlobRef("b", "spool/1/0.dcm", 1, study, "1.2", "1.2.3", "1.2", "1.2.840.10008.1.2.1")
    with pytest.raises(Forbidden):
        async with run_store(stow, Store(site.origin, new_job(), (blob,))) as results:
            await anext(results, None)
    assert pacs.associations() == 0
    refused = [(one.action, one.origin, one.kind) for one in await _refusals(site)]
    what = ("dicom.query", "dicom.echo", "dicom.retrieve", "dicom.store")
    assert refused == [(action, site.origin, "anyone") for action in what]


async def test_so_does_the_key_of_another_system(site: Site, pacs: FaultyPacs) -> None:
    stranger = await site.bus("qido", "x" * 32)
    with acting_as(ALICE, Right.SEARCH), pytest.raises(Forbidden):
        await site.found(stranger)
    assert pacs.associations() == 0


async def test_whom_the_rules_do_not_know_reaches_nothing_though_a_face_vouches(
    site: Site, pacs: FaultyPacs
) -> None:
    face = await site.bus("qido", KEY)
    with acting_as(Principal(Kind.USER, "mallory"), Right.SEARCH), pytest.raises(Forbidden):
        await site.found(face)
    assert pacs.associations() == 0
    (record,) = await _refusals(site)
    assert (record.action, record.kind, record.name) == ("dicom.query", "user", "mallory")
    assert record.reason == "The rules do not allow it"


async def _refusals(site: Site) -> list[AuditRecord]:
    """What the worker has recorded, in its order."""
    bus = await site.bus(OPERATOR, None)
    subject = subjects.audits(service="dimse-scu", outcome="refused")
    reading = read_ordered(bus, streams.AUDIT, subject, since=1, follow=False)
    async with aclosing(reading) as messages:
        return [decode(message.data, AuditRecord) async for message in messages]


async def _end_of(bus: Bus, generation: str, origin: str, study: str) -> RetrieveDone:
    async def still_there() -> bool:
        return True

    subject = subjects.progress(origin, study, generation)
    async with asyncio.timeout(PATIENCE), progress.follow(bus, subject, retrieve_fact, still_there) as facts:
        async for fact in facts:
            if isinstance(fact, RetrieveDone):
                return fact
    raise AssertionError("no end")
