"""Which attributes a search has to match (PS3.18 Table 10.6.1-5): twenty, by keyword and by tag."""

from typing import Final

import httpx2
import pydicom
import pytest

from tests.system.conformance.answers import all_values, matches, tag
from tests.system.conformance.archive import UNIQUE, Archive, text
from tests.system.conformance.searching import PATIENT, not_given, search

STUDY: Final = {
    "StudyDate": "20030505",
    "StudyTime": "045357",
    "AccessionNumber": "134",
    "ReferringPhysicianName": "Moriarty^James",
    "PatientName": "Doe^Peter",
    "PatientID": "98890234",
    "StudyInstanceUID": "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1",
    "StudyID": "134",
}
"""ModalitiesInStudy, the ninth, is in no file."""
SERIES: Final = {
    "Modality": "MR",
    "SeriesInstanceUID": "1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.118",
    "SeriesNumber": "2",
    "PerformedProcedureStepStartDate": "20010101",
    "PerformedProcedureStepStartTime": "000000",
}
REQUESTED: Final = ("ScheduledProcedureStepID", "RequestedProcedureID")
"""In items of the RequestAttributesSequence."""
PROCEDURE: Final = "8000000000330109"
INSTANCE: Final = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "SOPInstanceUID": "1.3.6.1.4.1.5962.1.1.0.0.0.1194734704.16302.0.5",
    "InstanceNumber": "2",
}
OTHERS: Final = {"PatientBirthDate": "18000101", "PatientSex": "F", "StudyDescription": "Brain-MRA"}


def check(
    response: httpx2.Response, level: str, expected: set[str], *, keyword: str, archive: Archive
) -> None:
    """See that it is found; where the origin does not give the attribute, that has to be said."""
    found = all_values(matches(response), UNIQUE[level])
    if keyword in archive.silent:
        assert found >= expected
        assert len(not_given(response)) == 1
    else:
        assert found == expected
        assert not_given(response) == set()


@pytest.mark.parametrize("keyword", STUDY)
def test_table_10_6_1_5_attributes_of_a_study_are_matched(
    http: httpx2.Client, anywhere: Archive, keyword: str
) -> None:
    """Those of the patient are the study's (CP-2583)."""
    expected = anywhere.where(**{keyword: STUDY[keyword]}).uids("studies")
    assert 0 < len(expected) < len(anywhere.uids("studies"))
    for name in (keyword, tag(keyword)):
        assert search(http, anywhere, "studies", {name: STUDY[keyword]}) == expected


@pytest.mark.parametrize("keyword", ["ModalitiesInStudy", "Modality"])
def test_table_10_6_1_5_the_modalities_of_a_study_are_those_of_its_series(
    http: httpx2.Client, origin: Archive, keyword: str
) -> None:
    """At the level of studies Modality means ModalitiesInStudy."""
    expected = origin.where(Modality="MR").uids("studies")
    assert len(expected) >= 5
    for name in (keyword, tag(keyword)):
        assert search(http, origin, "studies", {name: "MR"}) == expected


@pytest.mark.parametrize("keyword", SERIES)
def test_table_10_6_1_5_attributes_of_a_series_are_matched(
    http: httpx2.Client, origin: Archive, keyword: str
) -> None:
    held, wanted = origin.where(**PATIENT), SERIES[keyword]
    expected = held.where(**{keyword: wanted}).uids("series")
    assert 0 < len(expected) < len(held.uids("series"))
    for name in (keyword, tag(keyword)):
        response = http.get(f"{origin.root}/series", params={**PATIENT, name: wanted})
        check(response, "series", expected, keyword=keyword, archive=origin)


@pytest.mark.parametrize("keyword", REQUESTED)
def test_table_10_6_1_5_attributes_of_the_request_are_matched_in_items_of_their_sequence(
    http: httpx2.Client, origin: Archive, keyword: str
) -> None:
    """RequestAttributesSequence › ScheduledProcedureStepID, › RequestedProcedureID, by a dotted path.

    Orthanc leaves sequences out that have no items, so that nobody can tell whether it supports them: its
    other series are there too, which is said.
    """

    def requested(ds: pydicom.Dataset) -> bool:
        items = ds.get("RequestAttributesSequence") or []
        return any(text(item, keyword) == PROCEDURE for item in items)

    expected = origin.uids("series", requested)
    assert len(expected) == 1
    for name in (f"RequestAttributesSequence.{keyword}", f"00400275.{tag(keyword)}"):
        response = http.get(f"{origin.root}/series", params={"ModalitiesInStudy": "MR", name: PROCEDURE})
        assert all_values(matches(response), "SeriesInstanceUID") >= expected
        assert not_given(response) == {f"RequestAttributesSequence.{keyword}"}


@pytest.mark.parametrize("keyword", INSTANCE)
def test_table_10_6_1_5_attributes_of_an_instance_are_matched(
    http: httpx2.Client, origin: Archive, keyword: str
) -> None:
    held, wanted = origin.where(**PATIENT), INSTANCE[keyword]
    expected = held.where(**{keyword: wanted}).uids("instances")
    assert 0 < len(expected) < len(held.uids("instances"))
    for name in (keyword, tag(keyword)):
        response = http.get(f"{origin.root}/instances", params={**PATIENT, name: wanted})
        check(response, "instances", expected, keyword=keyword, archive=origin)


def test_table_10_6_1_5_what_one_of_all_origins_does_not_give_is_said(http: httpx2.Client) -> None:
    response = http.get("/dicomweb/instances", params={**PATIENT, "SOPClassUID": INSTANCE["SOPClassUID"]})
    assert len(matches(response)) > 1
    assert not_given(response) == {"SOPClassUID"}


@pytest.mark.parametrize("keyword", OTHERS)
def test_10_6_1_2_other_attributes_are_matched_where_the_origin_has_them(
    http: httpx2.Client, origin: Archive, keyword: str
) -> None:
    expected = origin.where(**{keyword: OTHERS[keyword]}).uids("studies")
    assert 0 < len(expected) < len(origin.uids("studies"))
    assert search(http, origin, "studies", {keyword: OTHERS[keyword]}) == expected


def test_10_6_1_2_attributes_of_the_levels_above_are_matched_too(
    http: httpx2.Client, origin: Archive
) -> None:
    """At All Instances those of the series, the study and the patient."""
    key = {"PatientName": "Doe^Peter", "StudyDate": "20030505", "SeriesNumber": "2", "InstanceNumber": "2"}
    expected = origin.where(**key).uids("instances")
    assert len(expected) == 2
    assert search(http, origin, "instances", key) == expected
