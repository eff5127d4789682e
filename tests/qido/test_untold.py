"""What an origin does not give though it is searched by it: that is said, for nobody can look at it."""

import httpx2
import pytest

from isthmus.common.dicom.levels import Level
from tests.qido.pacs import Pacs, attributes


@pytest.fixture(autouse=True)
def holds(pacs: Pacs) -> None:
    pacs.holds(2)


def warnings(response: httpx2.Response) -> list[str]:
    assert response.status_code == 200
    return [text.partition(": ")[2] for text in response.headers.get_list("warning")]


@pytest.mark.parametrize("name", ["PatientID", "00100020"])
async def test_a_key_that_is_in_no_match_is_named(
    client: httpx2.AsyncClient, origin_name: str, name: str
) -> None:
    response = await client.get(f"studies?{name}=1")
    assert len(response.json()) == 2
    assert warnings(response) == [
        f"The origin {origin_name} does not give PatientID: it is not known whether all matches have what was"
        " asked for"
    ]


async def test_a_key_in_a_sequence_is_named_by_its_path(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    (text,) = warnings(await client.get("series?RequestAttributesSequence.RequestedProcedureID=1"))
    assert "RequestAttributesSequence.RequestedProcedureID" in text
    for match in pacs.matches[Level.SERIES]:
        match["00400275"] = {"vr": "SQ", "Value": [attributes(RequestedProcedureID="1")]}
    assert not warnings(await client.get("series?RequestAttributesSequence.RequestedProcedureID=1"))


@pytest.mark.parametrize(
    "search",
    [
        "studies?StudyID=S1",
        "series?Modality=CT",
        "series?StudyID=S1&Modality=CT",
        "instances?ModalitiesInStudy=CT&SOPClassUID=1.2.840.10008.5.1.4.1.1.2",
    ],
)
async def test_nothing_is_said_of_what_the_matches_tell(client: httpx2.AsyncClient, search: str) -> None:
    response = await client.get(search)
    assert response.json()
    assert not warnings(response)


async def test_nothing_is_said_of_ages_for_none_is_let_through_that_is_not_known(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.get("studies?PatientAge=020-030")
    assert response.json() == []
    assert not warnings(response)


async def test_nothing_is_said_where_nothing_is_found(client: httpx2.AsyncClient) -> None:
    assert not warnings(await client.get("studies?PatientID=1&StudyID=nobody"))


async def test_nothing_is_said_of_a_match_that_has_no_uid(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.matches[Level.STUDY] = [attributes(PatientName="Doe")]
    assert not warnings(await client.get("studies?PatientID=1"))


async def test_of_all_origins_it_is_said_which_of_them(gateway: httpx2.AsyncClient, origin_name: str) -> None:
    texts = warnings(await gateway.get("/dicomweb/studies?PatientID=1"))
    assert any(f"The origin {origin_name} does not give PatientID" in text for text in texts)
