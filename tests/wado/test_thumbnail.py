"""Thumbnails (PS3.18 10.4.1.1.4): one small picture, at the cost of one instance."""

from io import BytesIO
from typing import Final

import httpx2
import numpy as np
import pytest
from PIL import Image

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import NoSuchObject
from isthmus.common.messages import Failure, Retrieve
from isthmus.common.retrieval import Catalogue
from tests.data_sets import identity
from tests.qido.pacs import Pacs, attributes
from tests.wado.conftest import Employ
from tests.wado.objects import damaged, file_of, gray, pdf, written
from tests.wado.test_held import manifest
from tests.wado.urls import instance_of, study_of
from tests.wado.worker import Job, put

STUDY: Final = "1.2.826.2"
SERIES: Final = "1.2.826.2.1"
URL: Final = f"{STUDY}/series/{SERIES}"
PNG: Final = {"Accept": "image/png"}


class Origin:
    """Delivers what is wanted of some objects, and remembers what was wanted."""

    def __init__(self, *objects: bytes) -> None:
        self.objects = objects
        self.wanted: list[Retrieve] = []

    async def __call__(self, job: Job) -> None:
        self.wanted.append(job.wanted)
        found = [
            content for content in self.objects if self._is_wanted(identity(content).sop_instance_uid, job)
        ]
        await job.deliver(*found)
        await job.end(failure=None if found else Failure.of(NoSuchObject("not here")))

    @staticmethod
    def _is_wanted(uid: str, job: Job) -> bool:
        return job.wanted.instance in {None, uid}


def images(*levels: int, series: str = SERIES) -> list[bytes]:
    """An image for each level."""
    made = []
    for number, level in enumerate(levels, 1):
        ds = gray([level], study=STUDY, series=series)
        ds.InstanceNumber = number
        made.append(written(ds))
    return made


def shown(response: httpx2.Response) -> tuple[int, tuple[int, int]]:
    """The level and the size of a picture of one level."""
    assert response.status_code == 200, response.text
    picture = Image.open(BytesIO(response.content))
    pixels = np.asarray(picture.convert("L"))
    assert int(pixels.max()) - int(pixels.min()) <= 1
    return int(pixels[0, 0]), picture.size


def url_of(content: bytes) -> str:
    return f"{URL}/instances/{identity(content).sop_instance_uid}"


async def test_8_3_5_2_a_thumbnail_fits_in_its_viewport_and_names_nobody(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    (image,) = images(77)
    employ(Origin(image))
    url = f"{url_of(image)}/thumbnail"
    response = await client.get(url)
    assert response.headers["Content-Type"] == "image/jpeg"
    assert shown(response) == (77, (128, 85))
    assert (await client.get(f"{url}?annotation=patient&window=1,1,linear")).content == response.content
    assert shown(await client.get(f"{url}?viewport=30,10", headers=PNG)) == (77, (15, 10))
    for query in ("viewport=30", "viewport=30,10,0,0,5,5", "viewport=0,10", "viewport=16385,10"):
        response = await client.get(f"{url}?{query}")
        assert (response.status_code, response.json()["parameter"]) == (400, "viewport")
    response = await client.get(url, headers={"Accept": 'multipart/related; type="image/jpeg"'})
    assert response.status_code == 406


async def test_of_several_frames_it_is_the_middle_one_or_the_one_that_stands_for_them(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    plain = gray([0, 100, 200], study=STUDY, series=SERIES)
    said = gray([0, 100, 200], study=STUDY, series=SERIES)
    said.RepresentativeFrameNumber = 3
    frames, represented = written(plain), written(said)
    employ(Origin(frames, represented))
    assert shown(await client.get(f"{url_of(frames)}/thumbnail", headers=PNG))[0] == 100
    assert shown(await client.get(f"{url_of(represented)}/thumbnail", headers=PNG))[0] == 200
    assert shown(await client.get(f"{url_of(frames)}/frames/1/thumbnail", headers=PNG))[0] == 0
    assert shown(await client.get(f"{url_of(frames)}/frames/3,1/thumbnail", headers=PNG))[0] == 200
    for listed, status in {"0": 400, "4": 404, "1,4": 404}.items():
        assert (await client.get(f"{url_of(frames)}/frames/{listed}/thumbnail")).status_code == status


async def test_10_4_3_3_4_what_may_name_the_patient_is_too_small_to_be_read(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    ds = gray([50], study=STUDY, series=SERIES)
    ds.BurnedInAnnotation = "YES"
    image = written(ds)
    employ(Origin(image))
    assert shown(await client.get(f"{url_of(image)}/thumbnail?viewport=1000,1000"))[1] == (128, 85)


async def test_of_what_is_held_it_is_the_one_in_the_middle_and_the_origin_is_not_asked(
    client: httpx2.AsyncClient, blobs: BlobStore, catalogue: Catalogue, origin_name: str
) -> None:
    held = [await put(blobs, origin_name, image) for image in images(10, 20, 30, 40)]
    await catalogue.save(manifest(origin_name, held))
    assert shown(await client.get(f"{URL}/thumbnail", headers=PNG))[0] == 30
    assert shown(await client.get(f"{STUDY}/thumbnail", headers=PNG))[0] == 30


async def test_of_what_is_not_held_only_the_one_in_the_middle_is_fetched(
    client: httpx2.AsyncClient, employ: Employ, bus: Bus, origin_name: str
) -> None:
    objects = images(10, 20, 30, 40, 50)
    origin, pacs = Origin(*objects), Pacs()
    above = {"StudyInstanceUID": STUDY}
    pacs.matches[Level.SERIES] += [
        attributes(**above, SeriesInstanceUID="1.9", Modality="SR", NumberOfSeriesRelatedInstances=9),
        attributes(**above, SeriesInstanceUID=SERIES, Modality="CT", NumberOfSeriesRelatedInstances=5),
        attributes(**above, SeriesInstanceUID="1.8", Modality="CT", NumberOfSeriesRelatedInstances=2),
    ]
    above["SeriesInstanceUID"] = SERIES
    uids = [identity(content).sop_instance_uid for content in objects]
    # Not in their order, and with one between them that is no image.
    pacs.matches[Level.IMAGE] += [
        attributes(**above, SOPInstanceUID=uids[number - 1], InstanceNumber=number)
        for number in (5, 3, 1, 2, 4)
    ]
    pacs.matches[Level.IMAGE].append(
        attributes(
            **above, SOPInstanceUID="1.7", InstanceNumber=6, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"
        )
    )
    await pacs.serve(bus, origin_name)
    employ(origin)
    assert shown(await client.get(f"{STUDY}/thumbnail", headers=PNG))[0] == 30
    assert [wanted.instance for wanted in origin.wanted] == [uids[2]]
    assert pacs.levels_asked() == [Level.SERIES, Level.IMAGE]


async def test_where_nobody_lists_what_there_is_it_is_the_first_image_that_comes(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    employ(Origin(pdf(STUDY, SERIES), damaged(STUDY, SERIES), *images(60, 70)))
    assert shown(await client.get(f"{STUDY}/thumbnail", headers=PNG))[0] == 60


async def test_one_that_cannot_be_shown_does_not_stand_for_the_others(
    client: httpx2.AsyncClient, blobs: BlobStore, catalogue: Catalogue, origin_name: str
) -> None:
    first, last = images(80, 90)
    held = [await put(blobs, origin_name, each) for each in (first, damaged(STUDY, SERIES), last)]
    await catalogue.save(manifest(origin_name, held))
    assert shown(await client.get(f"{URL}/thumbnail", headers=PNG))[0] == 80


async def test_what_has_no_image_is_406_and_what_there_is_not_404(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    report = file_of("test-SR.dcm")
    employ(Origin(report.read_bytes()))
    for url in (instance_of(report), study_of(report)):
        response = await client.get(f"{url}/thumbnail")
        assert response.status_code == 406
        assert response.json()["instance"] == identity(report).sop_instance_uid


async def test_a_study_that_there_is_not_is_404(client: httpx2.AsyncClient, employ: Employ) -> None:
    employ(Origin())
    assert (await client.get("1.2.3.99/thumbnail")).status_code == 404


@pytest.fixture
def catalogue(blobs: BlobStore) -> Catalogue:
    return Catalogue(blobs)
