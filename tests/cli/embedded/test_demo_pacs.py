"""The demo PACS, one for all: what is stored in it is beside what it came with."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import AE

from isthmus.cli.embedded import EmbeddedDemoPacs
from isthmus.common.dimse import STUDY_ROOT_FIND, VERIFICATION
from tests.data_sets import make_series
from tests.servers import started


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedDemoPacs]:
    directory = tmp_path_factory.mktemp("demo")
    pacs = EmbeddedDemoPacs(
        directory, destination="ISTHMUS", destination_host="127.0.0.1", destination_port=11112
    )
    with started(pacs):
        yield pacs


def find(pacs: EmbeddedDemoPacs, **keys: str | list[str]) -> list[Dataset]:
    ae = AE()
    ae.add_requested_context(STUDY_ROOT_FIND)
    association = ae.associate(pacs.host, pacs.port, ae_title=pacs.ae_title)
    identifier = Dataset()
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    responses = association.send_c_find(identifier, STUDY_ROOT_FIND)
    matches = [match for _, match in responses if match is not None]
    association.release()
    return matches


async def test_it_answers_c_echo(demo: EmbeddedDemoPacs) -> None:
    def echo() -> int:
        ae = AE()
        ae.add_requested_context(VERIFICATION.abstract_syntax)
        association = ae.associate(demo.host, demo.port, ae_title=demo.ae_title)
        status = association.send_c_echo()
        association.release()
        return int(status.Status)

    assert await asyncio.to_thread(echo) == 0x0000


async def test_it_lists_each_study_once(demo: EmbeddedDemoPacs) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", "PatientName": ""}
    studies = [match.StudyInstanceUID for match in await asyncio.to_thread(find, demo, **keys)]
    assert len(studies) >= 20
    assert len(set(studies)) == len(studies)


async def test_it_lists_every_instance_of_a_series(demo: EmbeddedDemoPacs) -> None:
    keys = {
        "QueryRetrieveLevel": "IMAGE",
        "StudyInstanceUID": "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322",
        "SeriesInstanceUID": "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322",
        "SOPInstanceUID": "",
    }
    instances = [match.SOPInstanceUID for match in await asyncio.to_thread(find, demo, **keys)]
    assert instances == ["1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"]


async def test_it_tells_what_a_study_list_shows(demo: EmbeddedDemoPacs) -> None:
    keys = {
        "QueryRetrieveLevel": "STUDY",
        "StudyInstanceUID": "",
        "StudyDescription": "",
        "ModalitiesInStudy": "",
        "NumberOfStudyRelatedSeries": "",
        "NumberOfStudyRelatedInstances": "",
    }
    studies = await asyncio.to_thread(find, demo, **keys)
    assert all(match.ModalitiesInStudy and match.NumberOfStudyRelatedSeries for match in studies)
    assert all(match.NumberOfStudyRelatedInstances for match in studies)
    (head,) = (match for match in studies if match.get("StudyDescription") == "Head of ellipsoids")
    assert (head.NumberOfStudyRelatedSeries, head.NumberOfStudyRelatedInstances) == (1, 40)


async def test_it_counts_each_series(demo: EmbeddedDemoPacs) -> None:
    study = "1.3.6.1.4.1.5962.1.1.0.0.0.1196527414.5534.0.1"
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study, "NumberOfStudyRelatedInstances": ""}
    (whole,) = await asyncio.to_thread(find, demo, **keys)
    keys = {
        "QueryRetrieveLevel": "SERIES",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": "",
        "NumberOfSeriesRelatedInstances": "",
    }
    counts = [match.NumberOfSeriesRelatedInstances for match in await asyncio.to_thread(find, demo, **keys)]
    assert len(counts) == 3
    assert sum(counts) == whole.NumberOfStudyRelatedInstances


async def test_it_matches_lists_of_uids(demo: EmbeddedDemoPacs) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
    studies = [match.StudyInstanceUID for match in await asyncio.to_thread(find, demo, **keys)][:2]
    found = await asyncio.to_thread(find, demo, QueryRetrieveLevel="STUDY", StudyInstanceUID=studies)
    assert [match.StudyInstanceUID for match in found] == studies


async def test_it_takes_large_instances(demo: EmbeddedDemoPacs, tmp_path: Path) -> None:
    (file,) = make_series(tmp_path / "large", 1, rows=2048, columns=2048)

    def store() -> int:
        ae = AE()
        ae.add_requested_context(CTImageStorage)
        association = ae.associate(demo.host, demo.port, ae_title=demo.ae_title)
        status = association.send_c_store(file)
        association.release()
        return int(status.Status)

    assert await asyncio.to_thread(store) == 0x0000
