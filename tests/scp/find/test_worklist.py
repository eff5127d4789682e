"""A modality worklist, passed through: what wlmscpfs tells a modality, and what the face tells it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.config.origins import Protocol
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests.peers import Orthanc
from tests.peers.worklist import Wlmscpfs
from tests.scp.find.conftest import Answer, Played, ask, before, find, request

pytestmark = pytest.mark.anyio

WORKLIST = "1.2.840.10008.5.1.4.31"


def entry(name: str, number: int, modality: str) -> Dataset:
    """A scheduled procedure step."""
    step = request(
        None,
        Modality=modality,
        ScheduledStationAETitle="CT1",
        ScheduledProcedureStepStartDate=f"2026010{number}",
        ScheduledProcedureStepStartTime="080000",
        ScheduledProcedureStepID=f"S{number}",
        ScheduledProcedureStepDescription="Step",
    )
    return request(
        None,
        SpecificCharacterSet="ISO_IR 100",
        PatientName=name,
        PatientID=f"P{number}",
        AccessionNumber=f"A{number}",
        StudyInstanceUID=f"1.2.3.{number}",
        RequestedProcedureID=f"R{number}",
        RequestedProcedureDescription="Procedure",
        ScheduledProcedureStepSequence=[step],
    )


@pytest.fixture(scope="module")
def worklist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wlmscpfs]:
    entries = [entry("Doe^Jane", 1, "CT"), entry("Müller^Jürgen", 2, "MR"), entry("Roe^Max", 3, "CT")]
    directory: Path = tmp_path_factory.mktemp("worklist")
    with Wlmscpfs(directory, entries) as running:
        yield running


@pytest.fixture
async def bridge(bus: Bus, blobs: BlobStore, origin_name: str, worklist: Wlmscpfs) -> AsyncIterator[Server]:
    async with before(bus, blobs, origin_name, worklist.peer) as server:
        yield server


def wanted(modality: str = "", date: str = "", time: str = "", **keys: str) -> Dataset:
    step = request(
        None,
        Modality=modality,
        ScheduledProcedureStepStartDate=date,
        ScheduledProcedureStepStartTime=time,
        ScheduledProcedureStepID="",
    )
    asked = {"PatientName": "", "PatientID": "", "AccessionNumber": "", **keys}
    return request(None, ScheduledProcedureStepSequence=[step], **asked)


def told(answer: Answer) -> list[str]:
    return sorted(str(match.to_json_dict()) for match in map(without_character_set, answer.matches))


def without_character_set(match: Dataset) -> Dataset:
    match.decode()
    if "SpecificCharacterSet" in match:
        del match.SpecificCharacterSet
    return match


@pytest.mark.parametrize(
    ("identifier", "found"),
    [
        (wanted(), 3),
        (wanted("CT"), 2),
        (wanted(date="20260102-20260103"), 2),
        (wanted("MR", PatientName="M*"), 1),
        (wanted("US"), 0),
        (wanted(date="20260102", time="0700-0900"), 1),
        (wanted(date="20260102", time="0900-"), 0),
        (wanted(date="20260101-20260103", time="0900-2000"), 2),
        (wanted(date="20260101-20260103", time="0900-0700"), 1),
        (wanted(date="20260102-", time="0900-"), 1),
        (wanted(date="-20260102", time="-0700"), 1),
    ],
    ids=[
        "all",
        "modality",
        "dates",
        "name",
        "nothing",
        "morning",
        "afternoon",
        "period",
        "night",
        "from",
        "until",
    ],
)
async def test_what_a_modality_is_told(
    bridge: Server, worklist: Wlmscpfs, identifier: Dataset, found: int
) -> None:
    pacs = worklist.peer
    theirs = await asyncio.to_thread(
        find, (pacs.host, pacs.port), identifier, called=pacs.ae_title, model=WORKLIST
    )
    ours = await ask(bridge, identifier, called=pacs.ae_title, model=WORKLIST)
    assert ours.status == theirs.status == 0x0000
    assert len(ours.matches) == found
    assert told(ours) == told(theirs)


async def test_a_pacs_without_a_worklist(
    bus: Bus, blobs: BlobStore, origin_name: str, orthanc: Orthanc
) -> None:
    async with before(bus, blobs, origin_name, orthanc.peer) as server:
        answer = await ask(server, wanted(), called=orthanc.peer.ae_title, model=WORKLIST)
    assert (answer.status, answer.comment) == (0x0122, "This origin has no worklist")


async def test_what_is_no_pacs_has_no_worklist(parts: Parts, origin_name: str, played: Played) -> None:
    inbox = Inbox(name=f"{origin_name}-in", protocol=Protocol.INBOX, ae_title="INBOX")
    settings = parts.settings.model_copy(update={"origins": (inbox,)})
    async with serving(Parts(settings, parts.bus, parts.blobs)) as server:
        answer = await ask(server, wanted(), called="INBOX", model=WORKLIST)
    assert (answer.status, answer.comment) == (0x0122, "This origin has no worklist")
