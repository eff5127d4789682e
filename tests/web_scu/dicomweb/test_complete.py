"""What a DICOMweb server does not tell of its studies is summed up from their series."""

from dataclasses import replace

import pytest

from isthmus.common.bus import Bus
from isthmus.common.config import DicomwebOrigin
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import HttpOperationFailed
from tests.common.webclient.web_origin import Site, says
from tests.web_scu.dicomweb.archive import MODALITIES, Archive, instances
from tests.web_scu.dicomweb.asking import asked, found, query, uids_of


@pytest.mark.parametrize("habit", ["leaves_out", "empties"])
async def test_modalities_that_are_lacking_are_asked_of_the_series(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site, habit: str
) -> None:
    archive.instances = [*instances(2), *instances(4, 3)[6:]]
    archive.has(matches=False, **{habit: [MODALITIES]})
    asks = query(origin.name, Level.STUDY, ("ModalitiesInStudy", "MR"), returned=("ModalitiesInStudy",))
    matches = await found(bus, asks)
    assert uids_of(matches, Level.STUDY) == ["1.3", "1.4"]
    assert matches[0][MODALITIES]["Value"] == ["CT", "MR", "PT"]
    site.requests.clear()
    all_of_them = await found(bus, replace(asks, keys=()))
    assert [match[MODALITIES]["Value"] for match in all_of_them][:3] == [["CT"], ["CT"], ["CT", "MR", "PT"]]
    assert len(site.requests) == 5
    assert "NumberOfStudyRelatedSeries" not in site.requests[0].target


async def test_series_are_asked_only_of_studies_that_match_otherwise(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site
) -> None:
    archive.has(matches=False, leaves_out=[MODALITIES])
    keys = (("ModalitiesInStudy", "MR"), ("PatientID", "nobody"))
    assert await found(bus, query(origin.name, Level.STUDY, *keys)) == []
    assert asked(site) == ["studies"]


async def test_what_the_series_of_one_study_do_not_tell_is_not_asked_of_all(
    bus: Bus, origin: DicomwebOrigin, archive: Archive, site: Site
) -> None:
    archive.instances = instances(200)
    asks = query(origin.name, Level.STUDY, returned=("NumberOfStudyRelatedInstances",))
    assert len(await found(bus, asks)) == 200
    assert asked(site).count("studies") == 2
    assert len(site.requests) < 20


async def test_a_study_whose_series_fail_stays_as_it_is_unless_it_is_judged_by_them(
    bus: Bus, origin: DicomwebOrigin, site: Site
) -> None:
    study = '[{"0020000D": {"vr": "UI", "Value": ["1.1"]}}]'
    asks = query(origin.name, Level.STUDY, returned=("ModalitiesInStudy",))
    site.does(says("200 OK", study), says("500 Internal Server Error"))
    (match,) = await found(bus, asks)
    assert MODALITIES not in match
    site.does(says("200 OK", study), says("500 Internal Server Error"))
    judged = query(origin.name, Level.STUDY, ("ModalitiesInStudy", "CT"))
    with pytest.raises(HttpOperationFailed):
        await found(bus, judged)
