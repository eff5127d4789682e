"""From a sender to a subscriber, as both see it: scp, stow, web-scu, arrivals and wado in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from isthmus.common.config import Settings
from isthmus.common.service import Parts
from isthmus.scp.reports.reports import INSTANCE_AVAILABILITY
from isthmus.scp.worker import serving as receiving
from isthmus.stow.app import routes as stow
from isthmus.wado.app import routes as wado
from isthmus.web_scu.worker import worker as web_scu
from tests.arrivals.conftest import Arrivals
from tests.arrivals.subscriber import Subscriber
from tests.data_sets import make_series, raw_dataset
from tests.scp.modality import MODALITY, Modality
from tests.scp.reporting import change, creating, item, new_step, notification, references, setting
from tests.system.multipart import INSTANCES, PAYLOAD, datasets, payload
from tests.wado.serving import serving
from tests.waiting import PATIENCE

NEVER_QUIET = 3600.0


@pytest.fixture
def images(tmp_path: Path) -> list[Dataset]:
    return [dcmread(file) for file in make_series(tmp_path / "images", 2)]


def settings(arrivals: Arrivals) -> Settings:
    """Those of a system with one inbox."""
    return Settings.model_validate({"scp": {"listen": "127.0.0.1:0"}, "origins": (arrivals.inbox,)})


@asynccontextmanager
async def associated(arrivals: Arrivals) -> AsyncIterator[Association]:
    """Have scp run, and a modality's association with the inbox open."""
    parts = Parts(settings(arrivals), arrivals.bus, arrivals.blobs)
    async with receiving(parts) as server:
        with ExitStack() as closing:
            opened = Modality().associated(server.port)
            association = await asyncio.to_thread(closing.enter_context, opened)
            try:
                yield association
            finally:
                await asyncio.to_thread(closing.pop_all().close)


async def store(association: Association, *images: Dataset) -> list[int]:
    return [int((await asyncio.to_thread(association.send_c_store, image)).Status) for image in images]


def performed(images: list[Dataset]) -> Dataset:
    """What the series of a step says of these images."""
    return item(
        SeriesInstanceUID=images[0].SeriesInstanceUID,
        ReferencedImageSequence=references(*(image.SOPInstanceUID for image in images)),
        ReferencedNonImageCompositeSOPInstanceSequence=[],
    )


def step_that_ends(association: Association, images: list[Dataset]) -> list[Dataset]:
    begun = creating(new_step(images[0].StudyInstanceUID))(association)
    return [begun, setting(change("COMPLETED", performed(images)))(association)]


def notified(association: Association, images: list[Dataset]) -> list[Dataset]:
    data = notification(*(image.SOPInstanceUID for image in images))
    data.StudyInstanceUID = images[0].StudyInstanceUID
    return [creating(data, sop_class=INSTANCE_AVAILABILITY)(association)]


@pytest.mark.parametrize("report", [step_that_ends, notified])
async def test_what_the_sender_reported_has_arrived_while_its_association_is_open(
    arrivals: Arrivals,
    subscriber: Subscriber,
    images: list[Dataset],
    report: Callable[[Association, list[Dataset]], list[Dataset]],
) -> None:
    async with arrivals.running(quiet_seconds=NEVER_QUIET), associated(arrivals) as association:
        assert await store(association, images[0]) == [0]
        answers = await asyncio.to_thread(report, association, images)
        assert [int(answer.Status) for answer in answers] == [0] * len(answers)
        assert await store(association, images[1]) == [0]
        data = (await subscriber.next()).data
        assert association.is_established
    assert (data.complete, data.reason.value, data.instances) == (True, "reported", 2)
    assert data.calling_ae_titles == (MODALITY,)


async def test_images_of_another_patient_are_stored_and_the_event_says_so(
    arrivals: Arrivals, subscriber: Subscriber, images: list[Dataset]
) -> None:
    images[1].PatientID = f"{images[0].PatientID}-2"
    async with arrivals.running():
        async with associated(arrivals) as association:
            assert await store(association, *images) == [0, 0]
        data = (await subscriber.next()).data
    assert (data.instances, data.conflicts) == (2, ("patient",))
    assert data.blobs is not None
    assert {blob.instance for blob in data.blobs} == {image.SOPInstanceUID for image in images}


async def test_what_a_client_stores_arrives_and_is_to_be_had_where_the_event_says(
    arrivals: Arrivals, subscriber: Subscriber, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "images", 3)
    parts = Parts(settings(arrivals), arrivals.bus, arrivals.blobs)
    async with (
        arrivals.running(),
        web_scu(parts),
        parts.closing,
        serving([*stow(parts), *wado(parts)]) as url,
        httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as http,
    ):
        stored = await http.post(
            f"/aets/{arrivals.inbox.name}/studies",
            content=payload(file.read_bytes() for file in files),
            headers={"Content-Type": PAYLOAD},
        )
        assert stored.status_code == 200, stored.text
        data = (await subscriber.next()).data
        response = await http.get(urlsplit(data.url).path, headers={"Accept": INSTANCES})
    assert (data.instances, data.calling_ae_titles) == (3, ())
    found = datasets(response.content, response.headers["content-type"])
    assert sorted(found.values()) == sorted(raw_dataset(file) for file in files)
