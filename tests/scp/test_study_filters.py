"""Who may see some studies: for C-FIND, C-GET, C-MOVE and Storage Commitment the others are not there.

All services have a signing key here, so that the worker checks again what the face has decided.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from isthmus.arrivals.worker import arriving
from isthmus.common.access.studies import Studies
from isthmus.common.auth import Grants, Permit, Policy
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, search
from isthmus.common.bus.granted import Gate
from isthmus.common.config import Inbox, Settings
from isthmus.common.config.destinations import Destination
from isthmus.common.config.origins import Protocol
from isthmus.common.config.settings import Dicomweb, Nats, Scp
from isthmus.common.dicom.levels import Level
from isthmus.common.dicomweb.resource import ALL
from isthmus.common.errors import NoSuchObject
from isthmus.common.federation import Federation
from isthmus.common.messages import Query, Retrieve
from isthmus.common.retrieval import Catalogue, Retrieval
from isthmus.common.service import Parts
from isthmus.scp.commitment import committer
from isthmus.scp.finding.everywhere import Searcher
from isthmus.scp.retrieving.source import Source
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker as web_worker
from tests import planted
from tests.peers import Peer
from tests.scp.conftest import ANY_PORT, INBOX, Sending, send, with_rules
from tests.scp.find.conftest import PATIENT_ROOT, STUDY_ROOT, Answer, find, request
from tests.scp.modality import CT, MODALITY, Modality, action_information, committed, failed
from tests.scp.modality import ask as ask_for_commitment
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import move, wish
from tests.scp.retrieving.getter import Getter
from tests.waiting import PATIENCE, until

KEY = planted.secret("signing")
PATIENTS = "1.2.840.10008.5.1.4.1.2.1"
"""What the UIDs of the Patient Root information model begin with."""
SEEN, HIDDEN = "1.2.3.1", "1.2.3.2"
"""Studies of one patient: of two accession numbers."""
EVERYWHERE = "ALLOFTHEM"


def instance_of(study: str) -> str:
    return f"{study}.8.9"


def series_of(study: str) -> str:
    return f"{study}.8"


def data_set(study: str, accession_number: str) -> bytes:
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = CT, instance_of(study)
    data.StudyInstanceUID, data.SeriesInstanceUID = study, series_of(study)
    data.StudyDate, data.AccessionNumber, data.Modality = "20260101", accession_number, "CT"
    data.PatientID, data.PatientName = "P1", "Nobody^Filtered"
    return written(data)


def written(data: Dataset) -> bytes:
    return encode(data, is_implicit_vr=False, is_little_endian=True) or b""


@asynccontextmanager
async def a_system(
    nats: Nats, blobs: BlobStore, origin_name: str, receiver: Peer
) -> AsyncIterator[tuple[Server, Bus]]:
    inbox = Inbox(name=origin_name, protocol=Protocol.INBOX, ae_title=INBOX)
    there = Destination(ae_title=receiver.ae_title, host=receiver.host, port=receiver.port)
    scp = Scp(listen=ANY_PORT, destinations=(there,))
    settings = Settings(scp=scp, origins=(inbox,), dicomweb=Dicomweb(ae_title=EVERYWHERE))
    mine: dict[str, object] = {"accession_prefix": ["MINE"]}
    rules: list[dict[str, object]] = [
        {"ae_title": "FINDER", "operations": ["search"], "studies": mine},
        {"ae_title": "GETTER", "operations": ["retrieve"], "studies": mine},
        {"ae_title": "WORKSTATION", "operations": ["retrieve"], "studies": mine},
        {"ae_title": MODALITY, "operations": ["search"], "studies": mine},
        {"ae_title": MODALITY, "operations": ["store"]},
        {"ae_title": "STORER", "operations": ["store"]},
    ]
    buses: list[Bus] = []

    async def part(name: str) -> Parts:
        parts = with_rules(Parts(settings, await Bus.connect(nats, name), blobs), *rules)
        parts.bus.gate = Gate(Grants(KEY, name), Policy.of(parts.settings))
        buses.append(parts.bus)
        return parts

    async with (
        arriving(await part("arrivals")),
        web_worker(await part("web-scu")),
        serving(await part("scp")) as server,
    ):
        yield server, buses[0]
    for bus in buses:
        await bus.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def system(
    nats_settings: Nats, blobs: BlobStore, origin_name: str, receiver: Receiver
) -> AsyncIterator[Server]:
    """The face before an inbox with both studies."""
    async with a_system(nats_settings, blobs, origin_name, receiver.peer) as (server, bus):
        for study, number in ((SEEN, "MINE1"), (HIDDEN, "THEIRS1")):
            sending = Sending(data_set(study, number), instance_of(study))
            (stored,) = await send(server, sending, calling="STORER", called=INBOX)
            assert stored.status == 0x0000
        query = Query(origin_name, Level.STUDY, (), (("0020000D",),))

        async def listed() -> int:
            async with search(bus, query) as matches:
                return len([match async for match in matches])

        await until(listed, lambda number: number == 2)
        yield server


async def found(
    server: Server, level: str, called: str = INBOX, model: str = STUDY_ROOT, **keys: str
) -> Answer:
    address = ("127.0.0.1", server.port)
    return await asyncio.to_thread(find, address, request(level, **keys), called=called, model=model)


@pytest.mark.parametrize("called", [INBOX, EVERYWHERE])
async def test_of_each_level_what_is_hidden_does_not_match(system: Server, called: str) -> None:
    answer = await found(system, "STUDY", called, StudyInstanceUID="", AccessionNumber="", PatientID="P1")
    assert [match.StudyInstanceUID for match in answer.matches] == [SEEN]
    for uid in (HIDDEN, "1.2.3.77"):  # in the same words
        answer = await found(system, "STUDY", called, StudyInstanceUID=uid)
        assert (answer.status, answer.comment, answer.matches) == (0x0000, "", [])
    for study, number in ((SEEN, 1), (HIDDEN, 0), ("1.2.3.77", 0)):
        answer = await found(system, "SERIES", called, StudyInstanceUID=study, SeriesInstanceUID="")
        assert (answer.status, answer.comment, len(answer.matches)) == (0x0000, "", number)
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series_of(study), "SOPInstanceUID": ""}
        answer = await found(system, "IMAGE", called, **keys)
        assert (answer.status, answer.comment, len(answer.matches)) == (0x0000, "", number)


async def test_no_number_tells_of_what_is_hidden(system: Server) -> None:
    keys = {"PatientID": "P1", "NumberOfPatientRelatedStudies": "", "NumberOfPatientRelatedInstances": ""}
    (patient,) = (await found(system, "PATIENT", model=PATIENT_ROOT, **keys)).matches
    assert (patient.NumberOfPatientRelatedStudies, patient.NumberOfPatientRelatedInstances) == (1, 1)
    (study,) = (await found(system, "STUDY", StudyInstanceUID="", **keys)).matches
    assert not study.get("NumberOfPatientRelatedStudies")


async def test_a_relational_query_goes_through_no_hidden_study(system: Server) -> None:
    answer = await found(system, "SERIES", PatientID="P1", StudyInstanceUID="", SeriesInstanceUID="")
    assert [match.SeriesInstanceUID for match in answer.matches] == [series_of(SEEN)]


@pytest.mark.parametrize("called", [INBOX, EVERYWHERE])
async def test_what_is_hidden_is_not_sent(system: Server, receiver: Receiver, called: str) -> None:
    peer = Peer(called, "127.0.0.1", system.port)
    words: dict[str, set[object]] = {"C-GET": set(), "C-MOVE": set()}
    for study in (HIDDEN, "1.2.3.77", SEEN):
        getter, wanted = Getter(), wish("STUDY", StudyInstanceUID=study)
        answer = await asyncio.to_thread(getter.get, peer, wanted)
        moved = await asyncio.to_thread(move, peer, receiver.peer.ae_title, wanted)
        sent = [instance_of(SEEN)] if study == SEEN else []
        assert [*getter.came] == [one.sop_instance_uid for one in receiver.came] == sent
        if study != SEEN:
            words["C-GET"].add((answer.status, answer.counts, answer.comment))
            words["C-MOVE"].add((moved.status, moved.counts, moved.comment))
    assert [len(one) for one in words.values()] == [1, 1]
    both = Getter()
    answer = await asyncio.to_thread(both.get, peer, wish("STUDY", StudyInstanceUID=[SEEN, HIDDEN]))
    assert (answer.status, answer.counts, [*both.came]) == (0x0000, (1, 0, 0), [instance_of(SEEN)])
    mixed = wish(
        "IMAGE",
        StudyInstanceUID=HIDDEN,
        SeriesInstanceUID=series_of(HIDDEN),
        SOPInstanceUID=instance_of(HIDDEN),
    )
    one = Getter()
    await asyncio.to_thread(one.get, peer, mixed)
    assert not one.came


async def test_a_patient_has_no_hidden_studies(system: Server) -> None:
    peer, getter = Peer(INBOX, "127.0.0.1", system.port), Getter()
    answer = await asyncio.to_thread(getter.get, peer, wish("PATIENT", PatientID="P1"), model=PATIENTS)
    assert (answer.status, [*getter.came]) == (0x0000, [instance_of(SEEN)])


async def test_what_is_hidden_is_not_committed_to(system: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "LOOKS", (0.0,))
    modality = Modality()
    references = [(CT, instance_of(SEEN)), (CT, instance_of(HIDDEN))]

    def run() -> tuple[set[str], dict[str, int]]:
        with modality.associated(system.port) as association:
            status = ask_for_commitment(association, action_information("2.25.1", *references))
            assert status.Status == 0x0000
            result = modality.here.get(timeout=PATIENCE)
        return committed(result), failed(result)

    assert await asyncio.to_thread(run) == ({instance_of(SEEN)}, {instance_of(HIDDEN): 0x0112})


async def test_what_is_hidden_is_not_listed_for_what_failed_or_remains(
    bus: Bus, blobs: BlobStore, retrieval: Retrieval, origin_name: str
) -> None:
    catalogue, studies = Catalogue(blobs), Studies(bus, 0.0)
    origins = (Inbox(name=origin_name, protocol=Protocol.INBOX, ae_title=INBOX),)
    federation = Federation(bus, catalogue, retrieval, origins, 0.0)
    source = Source(bus, blobs, catalogue, retrieval, federation, origins, studies, 1)
    permits = {origin_name: Permit(study=SEEN)}
    with pytest.raises(NoSuchObject):
        await source.listed(Retrieve(origin_name, HIDDEN), permits)
    assert await source.listed(Retrieve(ALL, HIDDEN), permits) == frozenset()


async def test_where_one_may_not_search_nobody_is_asked(bus: Bus, inbox: Inbox) -> None:
    searcher = Searcher(bus, (inbox,), Studies(bus, 0.0), 1)  # who is asked and not there fails the search
    async with searcher.search({}, Query(ALL, Level.STUDY, (), ())) as matches:
        assert [match async for match in matches] == []
