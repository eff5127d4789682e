"""C-MOVE and C-GET of what a PACS holds: beside what its own DIMSE port does, and while it sends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from pydicom.dataset import Dataset

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.config.origins import AnyOrigin
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker as web_worker
from tests.data_sets import Listing
from tests.peers import Orthanc, Peer, Storescp, findscu
from tests.scp.conftest import ANY_PORT
from tests.scp.move.conftest import destination_of
from tests.scp.retrieving.archive import assert_same, origin
from tests.scp.retrieving.client import PATIENT_ROOT, STUDY_ROOT, move, wish

__all__ = ["origin"]  # a fixture

SUCCESS = 0x0000
UNKNOWN = "1.2.3.999"


@pytest.fixture
async def server(bus: Bus, blobs: BlobStore, origin: AnyOrigin, storescp: Storescp) -> AsyncIterator[Server]:
    """The face and the workers, with Orthanc behind."""
    scp = Scp(listen=ANY_PORT, destinations=(destination_of(storescp.peer),))
    parts = Parts(Settings(scp=scp, origins=(origin,)), bus, blobs)
    async with worker(parts), web_worker(parts), serving(parts) as running:
        yield running


@pytest.fixture
def called(server: Server, orthanc: Orthanc) -> Peer:
    return Peer(orthanc.peer.ae_title, "127.0.0.1", server.port)


def wishes(listing: Listing) -> dict[str, Dataset]:
    """Give what to ask for at each level: of the study that has most series."""
    study = max(listing, key=lambda uid: (len(listing[uid]), sum(map(len, listing[uid].values()))))
    series = max(listing[study], key=lambda uid: len(listing[study][uid]))
    instances = sorted(listing[study][series])
    return {
        "STUDY": wish("STUDY", StudyInstanceUID=study),
        "STUDY and another": wish("STUDY", StudyInstanceUID=[UNKNOWN, study]),
        "SERIES": wish("SERIES", StudyInstanceUID=study, SeriesInstanceUID=series),
        "several SERIES": wish(
            "SERIES", StudyInstanceUID=study, SeriesInstanceUID=sorted(listing[study])[:3]
        ),
        "IMAGE": wish("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=instances[0]),
        "several IMAGE": wish(
            "IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=instances[:7]
        ),
    }


@pytest.mark.parametrize(
    "level", ["STUDY", "STUDY and another", "SERIES", "several SERIES", "IMAGE", "several IMAGE"]
)
async def test_the_same_arrives_as_from_the_pacs_itself(
    called: Peer, orthanc: Orthanc, storescp: Storescp, level: str
) -> None:
    wanted = wishes(orthanc.listing())[level]
    theirs = await asyncio.to_thread(move, orthanc.peer, "STORESCP", wanted)
    expected = storescp.datasets()
    storescp.clear()
    ours = await asyncio.to_thread(move, called, "STORESCP", wanted)
    assert (ours.status, ours.counts) == (theirs.status, theirs.counts), ours.comment
    await asyncio.to_thread(assert_same, storescp.datasets(), expected, orthanc)
    assert expected


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
async def test_what_is_not_there_fails_as_at_the_pacs_itself(
    called: Peer, orthanc: Orthanc, level: str
) -> None:
    wanted = wish(level, StudyInstanceUID=UNKNOWN, SeriesInstanceUID=UNKNOWN, SOPInstanceUID=UNKNOWN)
    theirs = await asyncio.to_thread(move, orthanc.peer, "STORESCP", wanted)
    ours = await asyncio.to_thread(move, called, "STORESCP", wanted)
    assert ours.status == theirs.status
    assert ours.comment


@pytest.mark.parametrize("model", [STUDY_ROOT, PATIENT_ROOT])
async def test_several_studies(called: Peer, orthanc: Orthanc, storescp: Storescp, model: str) -> None:
    studies = sorted(orthanc.listing())[:3]
    wanted = wish("STUDY", StudyInstanceUID=studies)
    count = sum(len(series) for study in studies for series in orthanc.listing()[study].values())
    answer = await asyncio.to_thread(move, called, "STORESCP", wanted, model=model)
    assert (answer.status, answer.counts) == (SUCCESS, (count, 0, 0)), answer.comment


async def test_a_patient(called: Peer, orthanc: Orthanc, storescp: Storescp) -> None:
    patient = await asyncio.to_thread(_patient_of_several, orthanc)
    wanted = wish("PATIENT", PatientID=patient)
    theirs = await asyncio.to_thread(move, orthanc.peer, "STORESCP", wanted, model=PATIENT_ROOT)
    expected = storescp.datasets()
    storescp.clear()
    ours = await asyncio.to_thread(move, called, "STORESCP", wanted, model=PATIENT_ROOT)
    assert (ours.status, ours.counts) == (theirs.status, theirs.counts), ours.comment
    await asyncio.to_thread(assert_same, storescp.datasets(), expected, orthanc)


def _patient_of_several(orthanc: Orthanc) -> str:
    """Find the patient that has most studies."""
    keys = {"QueryRetrieveLevel": "STUDY", "PatientID": "", "StudyInstanceUID": ""}
    patients = Counter(str(match.get("PatientID") or "") for match in findscu(orthanc.peer, keys))
    return max((one for one in patients if one.isalnum()), key=lambda one: patients[one])
