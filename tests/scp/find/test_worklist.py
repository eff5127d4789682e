"""A modality worklist: what wlmscpfs tells a modality, and what the face tells it, before that or the web."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.config.origins import Protocol
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests.common.webclient.web_origin import Site, says
from tests.peers import Orthanc
from tests.peers.dcmtk import ENVIRONMENT
from tests.peers.worklist import Wlmscpfs
from tests.scp.find.conftest import Answer, Played, ask, before, before_dicomweb, find, request
from tests.waiting import PATIENCE
from tests.web_scu.dicomweb.steps import Worklist

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


def entries() -> list[Dataset]:
    return [entry("Doe^Jane", 1, "CT"), entry("Müller^Jürgen", 2, "MR"), entry("Roe^Max", 3, "CT")]


@pytest.fixture(scope="module")
def worklist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wlmscpfs]:
    directory: Path = tmp_path_factory.mktemp("worklist")
    with Wlmscpfs(directory, entries()) as running:
        yield running


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A DICOMweb server with the same worklist."""
    async with Site().listening() as site:
        site.does(Worklist.of(entries()))
        yield site


@pytest.fixture(params=["dimse", "dicomweb"])
async def bridge(
    request: pytest.FixtureRequest,
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    worklist: Wlmscpfs,
    site: Site,
) -> AsyncIterator[Server]:
    """The face before a PACS, and before a DICOMweb server."""
    if request.param == "dimse":
        behind = before(bus, blobs, origin_name, worklist.peer)
    else:
        behind = before_dicomweb(bus, blobs, origin_name, worklist.peer.ae_title, site.url)
    async with behind as server:
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


KEYS = (
    "PatientName",
    "PatientID",
    "AccessionNumber",
    "StudyInstanceUID",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "ReferencedStudySequence",
    "ScheduledProcedureStepSequence[0].Modality=CT",
    "ScheduledProcedureStepSequence[0].ScheduledStationAETitle=CT1",
    "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate=20260101-20260103",
    "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime=0700-0700",
    "ScheduledProcedureStepSequence[0].ScheduledProcedureStepID",
    "ScheduledProcedureStepSequence[0].ScheduledProcedureStepDescription",
)


def findscu(port: int, directory: Path, keys: Sequence[str]) -> list[str]:
    """Ask as DCMTK does; gives the matches."""
    directory.mkdir()
    options = [part for key in keys for part in ("-k", key)]
    command = ["findscu", "-v", "-W", *options, "-X", "-od", str(directory), "-aec", "WORKLIST"]
    ended = subprocess.run(
        [*command, "127.0.0.1", str(port)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        env={**os.environ, **ENVIRONMENT},
        check=True,
    )
    assert b"Final Find Response (Success)" in ended.stdout + ended.stderr
    matches = map(dcmread, directory.iterdir())
    return sorted(str(without_character_set(match).to_json_dict()) for match in matches)


async def test_what_findscu_is_told(bridge: Server, worklist: Wlmscpfs, tmp_path: Path) -> None:
    theirs = await asyncio.to_thread(findscu, worklist.peer.port, tmp_path / "theirs", KEYS)
    ours = await asyncio.to_thread(findscu, bridge.port, tmp_path / "ours", KEYS)
    assert len(ours) == 1
    assert ours == theirs


async def test_a_sequence_alone_stands_for_all_that_is_in_its_item(
    bridge: Server, worklist: Wlmscpfs, tmp_path: Path
) -> None:
    keys = ("PatientName=Roe*", "ScheduledProcedureStepSequence")
    (step,) = await asyncio.to_thread(findscu, bridge.port, tmp_path / "ours", keys)
    for value in ("CT", "CT1", "20260103", "080000", "S3", "Step"):
        assert f"'Value': ['{value}']" in step


@pytest.mark.parametrize(
    ("key", "comment"),
    [
        (wanted(time="noon"), "ScheduledProcedureStepStartTime: TM takes 1200, or a range such"),
        (wanted(time="0900-0700"), "ScheduledProcedureStepStartTime: the range ends before it begin"),
        (
            wanted(date="20260101-20260103", time="0900-x"),
            "ScheduledProcedureStepStartTime: TM takes 1200, or a ra",
        ),
        (wanted(date="20260103-20260101"), "ScheduledProcedureStepStartDate: the range ends before it begin"),
    ],
)
async def test_a_wrong_key_is_named_and_what_is_wrong_with_it(
    bridge: Server, worklist: Wlmscpfs, key: Dataset, comment: str
) -> None:
    answer = await ask(bridge, key, called=worklist.peer.ae_title, model=WORKLIST)
    assert answer.status == 0xA900
    assert answer.comment.startswith(comment)


async def test_a_pacs_without_a_worklist(
    bus: Bus, blobs: BlobStore, origin_name: str, orthanc: Orthanc
) -> None:
    async with before(bus, blobs, origin_name, orthanc.peer) as server:
        answer = await ask(server, wanted(), called=orthanc.peer.ae_title, model=WORKLIST)
    assert (answer.status, answer.comment) == (0x0122, "This origin has no worklist")


async def test_a_dicomweb_server_without_a_worklist(
    bus: Bus, blobs: BlobStore, origin_name: str, orthanc: Orthanc
) -> None:
    """Orthanc answers 404 for resources that it does not know."""
    url = f"{orthanc.url}/dicom-web"
    async with before_dicomweb(bus, blobs, origin_name, "CLOUD", url) as server:
        answer = await ask(server, wanted(), called="CLOUD", model=WORKLIST)
    assert (answer.status, answer.comment) == (0x0122, "This origin has no worklist")


async def test_a_dicomweb_server_that_fails_is_no_empty_worklist(
    bus: Bus, blobs: BlobStore, origin_name: str, site: Site
) -> None:
    async with before_dicomweb(bus, blobs, origin_name, "CLOUD", site.url) as server:
        site.does(says("500 Oops", "Doe^Jane"), Worklist.of(entries()))
        answer = await ask(server, wanted(PatientName="Doe*"), called="CLOUD", model=WORKLIST)
        assert (answer.status, answer.matches) == (0xC000, [])
        assert "Doe" not in answer.comment
        again = await ask(server, wanted(PatientName="Doe*"), called="CLOUD", model=WORKLIST)
    assert (again.status, len(again.matches)) == (0x0000, 1)


async def test_an_inbox_has_no_worklist(parts: Parts, origin_name: str, played: Played) -> None:
    inbox = Inbox(name=f"{origin_name}-in", protocol=Protocol.INBOX, ae_title="INBOX")
    settings = parts.settings.model_copy(update={"origins": (inbox,)})
    async with serving(Parts(settings, parts.bus, parts.blobs)) as server:
        answer = await ask(server, wanted(), called="INBOX", model=WORKLIST)
    assert (answer.status, answer.comment) == (0x0122, "This origin has no worklist")
