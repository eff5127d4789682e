"""What a modality has pushed into an inbox, a workstation finds there."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from isthmus.arrivals.worker import arriving
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Settings
from isthmus.common.config.origins import Protocol
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker as web_worker
from tests.scp.conftest import ANY_PORT, INBOX, Sending, send
from tests.scp.find.conftest import PATIENT_ROOT, Answer, ask, request

pytestmark = pytest.mark.anyio

FOUND_SECONDS = 10.0


@pytest.fixture
async def both(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Server]:
    """The face, what makes studies of what it stores, and the worker of the inbox."""
    inbox = Inbox(name=origin_name, protocol=Protocol.INBOX, ae_title=INBOX)
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(inbox,)), bus, blobs)
    async with arriving(parts), web_worker(parts), serving(parts) as running:
        yield running


async def found(server: Server, level: str, **keys: str) -> Answer:
    """Search until there is something: the index of an inbox learns of it by the bus."""
    async with asyncio.timeout(FOUND_SECONDS):
        while not (
            answer := await ask(server, request(level, **keys), called=INBOX, model=PATIENT_ROOT)
        ).matches:
            assert answer.status == 0x0000
        return answer


async def test_each_level_of_what_was_pushed(both: Server, dataset: Callable[..., bytes]) -> None:
    data = dataset(study="1.2.3", series="1.2.3.9", instance="1.2.3.4", name=b"Secret")
    (stored,) = await send(both, Sending(data), called=INBOX, calling="CT1")
    assert stored.status == 0x0000
    (study,) = (await found(both, "STUDY", StudyInstanceUID="", PatientName="NOBODY*")).matches
    assert (study.StudyInstanceUID, study.PatientName) == ("1.2.3", "Nobody^Secret")
    (patient,) = (await found(both, "PATIENT", PatientName="")).matches
    assert patient.PatientName == "Nobody^Secret"
    of_study = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": ""}
    (series,) = (await found(both, "SERIES", **of_study)).matches
    assert series.SeriesInstanceUID == "1.2.3.9"
    of_series = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.9", "SOPInstanceUID": ""}
    (image,) = (await found(both, "IMAGE", **of_series)).matches
    assert (image.SOPInstanceUID, image.RetrieveAETitle) == ("1.2.3.4", INBOX)


async def test_no_patient_is_named_in_the_log(
    both: Server, dataset: Callable[..., bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    await send(both, Sending(dataset(name=b"Secret")), called=INBOX, calling="CT1")
    await found(both, "STUDY", StudyInstanceUID="", PatientName="Nobody^Secret")
    for keys in ({"PatientName": "Secret\tName"}, {"StudyDate": "Secret"}, {"PatientID": "Secret\\\n"}):
        refused = await ask(both, request(StudyInstanceUID="", **keys), called=INBOX)
        assert refused.status == 0xA900
        assert "ecret" not in refused.comment
    log = capfd.readouterr()
    assert "not done" in log.out
    assert "Secret" not in log.out + log.err
