import asyncio

import httpx2
import pytest
from starlette.types import ASGIApp, Message

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import AssociationAborted, OperationFailed
from tests.qido.pacs import Pacs, attributes, value_of
from tests.waiting import PATIENCE


async def found(client: httpx2.AsyncClient, url: str) -> list[DicomJson]:
    response = await client.get(url)
    assert response.status_code == 200, response.text
    matches: list[DicomJson] = response.json()
    return matches


async def uids(client: httpx2.AsyncClient, url: str, keyword: str) -> list[object]:
    return [value_of(match, keyword) for match in await found(client, url)]


async def test_an_unknown_origin_is_404(gateway: httpx2.AsyncClient) -> None:
    for path in ("studies", "series", "studies/1.2/series"):
        response = await gateway.get(f"/aets/nowhere/{path}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


async def test_an_origin_without_a_worker_is_503(client: httpx2.AsyncClient) -> None:
    response = await client.get("studies")
    assert response.status_code == 503
    assert "retry-after" in response.headers


@pytest.mark.parametrize(
    ("path", "parameter"),
    [("studies/1%202/series", "StudyInstanceUID"), ("studies/1/series/*/instances", "SeriesInstanceUID")],
)
async def test_a_path_with_what_is_no_uid_is_400(
    client: httpx2.AsyncClient, path: str, parameter: str
) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()["parameter"]) == (400, parameter)


async def test_a_bad_parameter_is_400_and_the_origin_is_not_asked(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    response = await client.get("studies?PatientNam=Doe")
    assert (response.status_code, response.json()["parameter"]) == (400, "PatientNam")
    assert not pacs.queries


async def test_a_failure_after_some_matches_is_a_failure(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    pacs.holds(studies=2)
    pacs.failures[Level.STUDY] = OperationFailed("out of resources", origin=origin_name, status=0xA700)
    response = await client.get("studies")
    assert response.status_code == 503
    assert response.json()["dimse_status"] == "A700"


async def test_a_failure_in_the_middle_of_a_fan_out_is_a_failure(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    pacs.holds(studies=2)
    pacs.failures[Level.SERIES] = AssociationAborted("broke off", origin=origin_name)
    assert (await client.get("series")).status_code == 502


async def test_too_many_parents_are_413(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=4)
    assert (await client.get("series")).status_code == 413
    assert pacs.levels_asked() == [Level.STUDY]


async def test_too_many_parents_are_413_when_the_limit_is_not_reached_before(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=4)
    assert (await client.get("series?limit=3")).status_code == 413


async def test_too_many_parents_in_the_middle_are_413(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=2, series=2)
    assert (await client.get("instances")).status_code == 413


async def test_parents_beyond_the_cap_do_not_matter_when_the_limit_is_reached_before(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=4, series=2)
    assert await uids(client, "series?limit=3", "SeriesInstanceUID") == ["1.1.1", "1.1.2", "1.2.1"]


async def test_a_client_that_leaves_cancels_the_query(app: ASGIApp, pacs: Pacs, origin_name: str) -> None:
    pacs.hangs = True

    async def receive() -> Message:
        await pacs.asked.wait()
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        pass

    path = f"/aets/{origin_name}/studies"
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"gateway")],
    }
    await asyncio.wait_for(app(scope, receive, send), PATIENCE)
    await asyncio.wait_for(pacs.cancelled.wait(), PATIENCE)


async def test_nothing_found_is_an_empty_list(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    for path in ("studies", "series", "instances", "studies/1.9/series", "studies/1.9/instances"):
        assert await found(client, path) == []


async def test_a_study_has_the_default_attributes_and_no_others(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    study = attributes(
        StudyInstanceUID="1.2", PatientName="Doe^J", StudyDescription="Thorax", InstanceAvailability="ONLINE"
    )
    pacs.matches[Level.STUDY].append(study)
    (match,) = await found(client, "studies")
    assert list(match) == sorted(match)
    assert value_of(match, "PatientName") == {"Alphabetic": "Doe^J"}
    assert value_of(match, "InstanceAvailability") == "ONLINE"
    url = f"http://gateway:8080/aets/{origin_name}/studies/1.2"
    assert match["00081190"] == {"vr": "UR", "Value": [url]}
    assert match["00080061"] == {"vr": "CS"}
    assert match["00201208"] == {"vr": "IS"}
    assert "00081030" not in match


async def test_fields_and_matching_keys_are_returned(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.matches[Level.STUDY].append(
        attributes(StudyInstanceUID="1.2", StudyDescription="Thorax", PatientAge="025Y")
    )
    (match,) = await found(client, "studies?PatientAge=020-030&includefield=StudyDescription,Modality")
    assert value_of(match, "StudyDescription") == "Thorax"
    assert value_of(match, "PatientAge") == "025Y"
    assert "00080060" not in match


async def test_the_query_says_what_the_client_asked(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    await found(client, "studies?PatientName=doe&00080061=CT&fuzzymatching=true")
    (query,) = pacs.queries
    assert (query.origin, query.level, query.fuzzy) == (origin_name, Level.STUDY, True)
    assert {key.path: key.values for key in query.keys} == {("00100010",): ("doe",), ("00080061",): ("CT",)}


async def test_the_series_of_a_study_lack_its_attributes(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    pacs.holds(studies=2, series=2)
    matches = await found(client, "studies/1.2/series")
    assert [value_of(match, "SeriesInstanceUID") for match in matches] == ["1.2.1", "1.2.2"]
    assert value_of(matches[0], "StudyInstanceUID") == "1.2"
    assert value_of(matches[0], "RetrieveURL") == (
        f"http://gateway:8080/aets/{origin_name}/studies/1.2/series/1.2.1"
    )
    assert "00100010" not in matches[0]
    assert pacs.levels_asked() == [Level.SERIES]


async def test_all_series_have_the_attributes_of_their_studies(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=3, series=2)
    matches = await found(client, "series?SeriesNumber=2")
    assert [value_of(match, "SeriesInstanceUID") for match in matches] == ["1.1.2", "1.2.2", "1.3.2"]
    assert [value_of(match, "StudyID") for match in matches] == ["S1", "S2", "S3"]


async def test_a_series_is_found_by_an_attribute_of_its_study(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=5, series=1)
    assert await uids(client, "series?PatientName=doe^4", "SeriesInstanceUID") == ["1.4.1"]
    assert await uids(client, "studies/1.4/series?PatientName=doe^4", "SeriesInstanceUID") == ["1.4.1"]
    assert await uids(client, "studies/1.4/series?PatientName=doe^5", "SeriesInstanceUID") == []


async def test_the_instances_of_a_series(client: httpx2.AsyncClient, pacs: Pacs, origin_name: str) -> None:
    pacs.holds(studies=2, series=2, instances=2)
    matches = await found(client, "studies/1.1/series/1.1.2/instances")
    assert [value_of(match, "SOPInstanceUID") for match in matches] == ["1.1.2.1", "1.1.2.2"]
    assert value_of(matches[1], "RetrieveURL") == (
        f"http://gateway:8080/aets/{origin_name}/studies/1.1/series/1.1.2/instances/1.1.2.2"
    )
    assert "00080060" not in matches[0]


async def test_the_instances_of_a_study_have_the_attributes_of_their_series(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=2, series=2, instances=2)
    matches = await found(client, "studies/1.2/instances?InstanceNumber=2")
    assert [value_of(match, "SOPInstanceUID") for match in matches] == ["1.2.1.2", "1.2.2.2"]
    assert [value_of(match, "SeriesNumber") for match in matches] == [1, 2]
    assert "00100010" not in matches[0]


async def test_all_instances_have_the_attributes_of_both(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=3, series=1, instances=2)
    matches = await found(client, "instances?StudyInstanceUID=1.1,1.3")
    assert [value_of(match, "SOPInstanceUID") for match in matches] == [
        "1.1.1.1",
        "1.1.1.2",
        "1.3.1.1",
        "1.3.1.2",
    ]
    assert value_of(matches[2], "Modality") == "CT"
    assert value_of(matches[2], "StudyID") == "S3"


async def test_one_study_of_two_patients_is_looked_into_once(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=1)
    pacs.matches[Level.STUDY].append(attributes(StudyInstanceUID="1.1", PatientName="Other"))
    assert await uids(client, "series", "SeriesInstanceUID") == ["1.1.1"]


async def test_a_study_without_a_uid_is_given_without_a_url(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.matches[Level.STUDY].append(attributes(PatientName="Doe"))
    (match,) = await found(client, "studies")
    assert match["0020000D"] == {"vr": "UI"}
    assert "00081190" not in match
    assert await found(client, "series") == []


async def test_8_3_4_5_studies_without_a_value_are_found(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.matches[Level.STUDY] += [
        attributes(StudyInstanceUID="1.1", AccessionNumber="A1"),
        {**attributes(StudyInstanceUID="1.2"), "00080050": {"vr": "SH"}},
    ]
    response = await client.get("studies?AccessionNumber=%22%22&emptyvaluematching=true")
    assert [value_of(match, "StudyInstanceUID") for match in response.json()] == ["1.2"]
    assert "warning" not in response.headers


async def test_8_3_4_6_studies_with_all_of_several_values_are_found(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    for number, modalities in enumerate((["CT"], ["CT", "PT"], ["PT", "SR", "CT"]), 1):
        study = attributes(StudyInstanceUID=f"1.{number}")
        pacs.matches[Level.STUDY].append({**study, "00080061": {"vr": "CS", "Value": list(modalities)}})
    response = await client.get("studies?ModalitiesInStudy=CT%5CPT&multiplevaluematching=true")
    assert [value_of(match, "StudyInstanceUID") for match in response.json()] == ["1.2", "1.3"]
    assert "warning" not in response.headers
