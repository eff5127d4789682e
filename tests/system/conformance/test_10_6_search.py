"""The Search Transaction, QIDO-RS (PS3.18 10.6): its resources, media types and statuses."""

from typing import Final

import httpx2
import pytest

from tests.system.conformance.answers import (
    DICOM_JSON,
    XML_PARTS,
    all_values,
    matches,
    parts,
    value,
    warnings,
    xml_texts,
)
from tests.system.conformance.archive import UNIQUE, Archive
from tests.system.problem import problem

PATIENT: Final = {"PatientID": "98890234"}
"""Has four studies with eight series, of CT and MR."""
UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"


@pytest.mark.parametrize("level", UNIQUE)
def test_table_10_6_1_1_everything_is_found_at_each_level(
    http: httpx2.Client, origin: Archive, level: str
) -> None:
    """All Studies (hierarchical); All Series and All Instances (relational, optional for a proxy)."""
    found = matches(http.get(f"{origin.root}/{level}"))
    assert all_values(found, UNIQUE[level]) == origin.uids(level)


@pytest.mark.parametrize("level", UNIQUE)
def test_table_10_6_1_1_what_a_patient_has_is_found_at_each_level(
    http: httpx2.Client, anywhere: Archive, level: str
) -> None:
    found = matches(http.get(f"{anywhere.root}/{level}", params=PATIENT))
    assert all_values(found, UNIQUE[level]) == anywhere.where(**PATIENT).uids(level)


def test_table_10_6_1_1_the_series_and_instances_of_a_study_are_found(
    http: httpx2.Client, anywhere: Archive
) -> None:
    """Study's Series and Study's Series' Instances; Study's Instances (relational, optional for a proxy)."""
    held = anywhere.where(StudyInstanceUID="1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1")
    path = held.path("studies")
    assert len(held.uids("series")) == 3
    for level in ("series", "instances"):
        assert all_values(matches(http.get(f"{path}/{level}")), UNIQUE[level]) == held.uids(level)
    for series in held.uids("series"):
        found = matches(http.get(f"{path}/series/{series}/instances"))
        of_series = held.where(SeriesInstanceUID=series)
        assert all_values(found, "SOPInstanceUID") == of_series.uids("instances")


@pytest.mark.parametrize("accept", ["*/*", DICOM_JSON, "application/*", None])
def test_10_6_3_3_json_is_the_default_in_one_array(
    http: httpx2.Client, origin: Archive, accept: str | None
) -> None:
    headers = {"Accept": accept} if accept else {}
    assert len(matches(http.get(f"{origin.root}/studies", params=PATIENT, headers=headers))) == 4


def test_10_6_3_3_xml_comes_as_one_part_for_each_match(http: httpx2.Client, anywhere: Archive) -> None:
    """Both media types are mandatory: `multipart/related; type="application/dicom+xml"` too."""
    url = f"{anywhere.root}/studies"
    response = http.get(url, params=PATIENT, headers={"Accept": XML_PARTS})
    found = parts(response, "application/dicom+xml")
    assert {part.headers.get_content_type() for part in found} == {"application/dicom+xml"}
    in_json = matches(http.get(url, params=PATIENT))
    of_xml = [xml_texts(part.content) for part in found]
    for keyword in ("StudyInstanceUID", "StudyDate", "ModalitiesInStudy", "RetrieveURL"):
        assert [texts[keyword] for texts in of_xml] == [[value(match, keyword)] for match in in_json]


def test_8_3_4_4_1_nothing_found_is_an_empty_list(http: httpx2.Client, anywhere: Archive) -> None:
    """200 with an empty list (2026a); 204, as before, is a setting: tests/qido/test_representation.py."""
    assert matches(http.get(f"{anywhere.root}/studies/{UNKNOWN}/series")) == []
    assert matches(http.get(f"{anywhere.root}/studies", params={"PatientID": "nobody"})) == []


def test_table_10_6_3_1_what_cannot_be_read_is_400_and_names_the_parameter(
    http: httpx2.Client, anywhere: Archive
) -> None:
    response = http.get(f"{anywhere.root}/studies", params={"StudyDate": "yesterday"})
    assert problem(response, 400)["parameter"] == "StudyDate"


@pytest.mark.parametrize("accept", ["text/html", "application/dicom", "application/dicom+xml"])
def test_table_10_6_3_1_a_media_type_that_there_is_not_is_406_and_lists_those_that_are(
    http: httpx2.Client, anywhere: Archive, accept: str
) -> None:
    response = http.get(f"{anywhere.root}/studies", headers={"Accept": accept})
    assert problem(response, 406)["available"] == [DICOM_JSON, "application/json", XML_PARTS]


def test_8_5_an_origin_that_cannot_answer_is_an_error_and_no_empty_list(http: httpx2.Client) -> None:
    """502 or 504 where the origin failed, 503 where it is not asked any more; an unknown one is 404."""
    for origin, statuses in {"nowhere": {502, 503}, "receiver": {502}}.items():
        response = http.get(f"/aets/{origin}/studies")
        assert response.status_code in statuses
        assert problem(response, response.status_code)["origin"] == origin
    problem(http.get("/aets/nobody/studies"), 404)


def test_8_5_of_all_origins_those_that_cannot_answer_are_named_in_warnings(http: httpx2.Client) -> None:
    response = http.get("/dicomweb/studies", params=PATIENT)
    assert len(matches(response)) == 4
    named = {text.split()[2] for text in warnings(response) if "is not included" in text}
    assert named == {"nowhere", "receiver"}


def test_rfc_9110_8_4_json_is_compressed_on_its_way_if_the_client_takes_that(
    http: httpx2.Client, origin: Archive
) -> None:
    """Content-Encoding; the content is the same."""
    url = f"{origin.root}/studies"
    compressed = http.get(url, headers={"Accept-Encoding": "gzip"})
    plain = http.get(url, headers={"Accept-Encoding": "identity"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert matches(compressed) == matches(plain)


def test_rfc_9110_9_3_2_head_tells_what_get_would(http: httpx2.Client, anywhere: Archive) -> None:
    response = http.head(f"{anywhere.root}/studies", params=PATIENT)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == DICOM_JSON
    assert response.content == b""
