"""C-MOVE of all origins as one: each instance once, whoever has it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pydicom
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Inbox, Settings
from isthmus.common.config.origins import Protocol
from isthmus.common.config.settings import Dicomweb, Scp
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker
from tests.common.inbox.studies import arrived
from tests.data_sets import identity, raw_dataset
from tests.peers import Peer, Storescp
from tests.scp.conftest import ANY_PORT
from tests.scp.move.conftest import COUNT, destination_of
from tests.scp.retrieving.client import PATIENT_ROOT, move, wish


@pytest.fixture
def others() -> tuple[DimseOrigin, ...]:
    """Origins beside the inboxes."""
    return ()


@pytest.fixture
async def server(
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    storescp: Storescp,
    images: list[Path],
    others: tuple[DimseOrigin, ...],
) -> AsyncIterator[Server]:
    """Two inboxes, each with a part of the study, and some of it in both."""
    first, second = (
        Inbox(name=f"{origin_name}-{part}", protocol=Protocol.INBOX, ae_title=f"PART{part}")
        for part in (1, 2)
    )
    settings = Settings(
        scp=Scp(listen=ANY_PORT, destinations=(destination_of(storescp.peer),)),
        dicomweb=Dicomweb(ae_title="EVERYWHERE"),
        origins=(first, second, *others),
    )
    parts = Parts(settings, bus, blobs)
    await arrived(bus, blobs, first.name, images[:8])
    await arrived(bus, blobs, second.name, images[6:])
    async with worker(parts), serving(parts) as running:
        yield running


@pytest.fixture
def called(server: Server) -> Peer:
    return Peer("EVERYWHERE", "127.0.0.1", server.port)


def patient_of(image: Path) -> str:
    return str(pydicom.dcmread(image, specific_tags=["PatientID"]).PatientID)


def wished_of(level: str, image: Path) -> pydicom.Dataset:
    """Ask for the study of an image, or for all of its patient."""
    if level == "STUDY":
        return wish(level, StudyInstanceUID=identity(image).study_instance_uid)
    return wish(level, PatientID=patient_of(image))


@pytest.mark.parametrize("level", ["STUDY", "PATIENT"])
async def test_a_study_that_several_have_parts_of(
    called: Peer, storescp: Storescp, images: list[Path], level: str
) -> None:
    wished = wished_of(level, images[0])
    answer = await asyncio.to_thread(move, called, "STORESCP", wished, model=PATIENT_ROOT)
    assert (answer.status, answer.counts) == (0, (COUNT, 0, 0)), answer.comment
    sent = {identity(image).sop_instance_uid: [raw_dataset(image)] for image in images}
    assert storescp.datasets() == sent


class TestWhereOneDoesNotAnswer:
    @pytest.fixture
    def others(self, origin_name: str) -> tuple[DimseOrigin, ...]:
        return (DimseOrigin(name=f"{origin_name}-away", ae_title="AWAY", port=104, search_seconds=30),)

    @pytest.mark.parametrize("level", ["STUDY", "PATIENT"])
    async def test_what_the_others_have_is_sent_and_not_taken_for_all(
        self, called: Peer, storescp: Storescp, images: list[Path], level: str
    ) -> None:
        wished = wished_of(level, images[0])
        answer = await asyncio.to_thread(move, called, "STORESCP", wished, model=PATIENT_ROOT)
        assert (answer.status, answer.counts) == (0xB000, (COUNT, 0, 0))
        assert "No worker serves" in answer.comment
        assert len(storescp.datasets()) == COUNT

    async def test_of_a_patient_whom_nobody_knows_it_is_said_that_it_is_not_known(self, called: Peer) -> None:
        answer = await asyncio.to_thread(
            move, called, "STORESCP", wish("PATIENT", PatientID="NOBODY"), model=PATIENT_ROOT
        )
        assert answer.status == 0xA702
        assert "No worker serves" in answer.comment
