"""Searches below /dicomweb: all origins as one."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Search
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import CircuitOpen, InvalidParameter, OperationFailed, OriginUnreachable
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.qido import routes
from tests.qido.pacs import Pacs, attributes, value_of
from tests.waiting import PATIENCE

NAMES = ("first", "second", "third")


@pytest.fixture
def patience() -> float:
    """Seconds that the first origin is waited for."""
    return 30.0


@pytest.fixture
def origins(origin_name: str, patience: float) -> Sequence[DimseOrigin]:
    """Three, of which the last two have the same AE title."""
    return [
        DimseOrigin(
            name=f"{origin_name}-{name}",
            ae_title="FIRST" if name == "first" else "OTHERS",
            port=104,
            search_seconds=patience if name == "first" else 30.0,
        )
        for name in NAMES
    ]


@pytest.fixture
async def client(
    bus: Bus, unused_blobs: BlobStore, origins: Sequence[DimseOrigin]
) -> AsyncIterator[httpx2.AsyncClient]:
    settings = Settings(search=Search(max_matches=20, max_parents=3), origins=tuple(origins))
    transport = httpx2.ASGITransport(application(routes(Parts(settings, bus, unused_blobs))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway/dicomweb/") as http:
        yield http


@pytest.fixture
async def pacs(bus: Bus, origins: Sequence[DimseOrigin]) -> list[Pacs]:
    """The workers of the three."""
    pacs = [Pacs() for _ in origins]
    for one, origin in zip(pacs, origins, strict=True):
        await one.serve(bus, origin.name)
    return pacs


def study(uid: str, **values: str | int) -> DicomJson:
    return attributes(StudyInstanceUID=uid, **values)


async def matches_of(response: httpx2.Response) -> list[DicomJson]:
    assert response.status_code == 200, response.text
    matches: list[DicomJson] = response.json()
    return matches


async def uids(client: httpx2.AsyncClient, url: str, keyword: str = "StudyInstanceUID") -> list[object]:
    return [value_of(match, keyword) for match in await matches_of(await client.get(url))]


def warnings_of(response: httpx2.Response) -> list[str]:
    return [text.partition(": ")[2] for text in response.headers.get_list("warning")]


class TestTheMatches:
    async def test_are_those_of_all_origins_in_the_order_of_the_settings(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study("1.9"), study("1.1")]
        pacs[1].matches[Level.STUDY] += [study("1.5")]
        pacs[2].matches[Level.STUDY] += [study("1.3")]
        response = await client.get("studies")
        assert [value_of(match, "StudyInstanceUID") for match in await matches_of(response)] == [
            "1.9",
            "1.1",
            "1.5",
            "1.3",
        ]
        assert warnings_of(response) == []

    async def test_tell_where_they_are(
        self, client: httpx2.AsyncClient, pacs: list[Pacs], origins: Sequence[DimseOrigin]
    ) -> None:
        pacs[1].matches[Level.STUDY].append(study("1.5"))
        (match,) = await matches_of(await client.get("studies"))
        assert match[tag_of("RetrieveAETitle")] == {"vr": "AE", "Value": ["OTHERS"]}
        assert value_of(match, "RetrieveURL") == f"http://gateway/aets/{origins[1].name}/studies/1.5"

    async def test_that_several_origins_have_are_one_with_the_attributes_of_the_first(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study("1.1"), study("1.2", StudyID="a", PatientID="")]
        pacs[1].matches[Level.STUDY] += [study("1.2", StudyID="b", PatientID="P", AccessionNumber="N")]
        pacs[2].matches[Level.STUDY] += [study("1.3"), study("1.2", StudyID="c")]
        matches = await matches_of(await client.get("studies"))
        assert [value_of(match, "StudyInstanceUID") for match in matches] == ["1.1", "1.2", "1.3"]
        assert value_of(matches[1], "StudyID") == "a"
        assert value_of(matches[1], "AccessionNumber") is None

    async def test_that_several_have_are_retrieved_from_all_of_them(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        for one in pacs:
            one.matches[Level.STUDY].append(study("1.2"))
        (match,) = await matches_of(await client.get("studies"))
        assert match[tag_of("RetrieveAETitle")]["Value"] == ["FIRST", "OTHERS"]
        assert value_of(match, "RetrieveURL") == "http://gateway/dicomweb/studies/1.2"

    async def test_have_all_modalities_and_the_largest_count(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        first = study("1.2", NumberOfStudyRelatedSeries=9, NumberOfStudyRelatedInstances="20")
        first[tag_of("ModalitiesInStudy")] = {"vr": "CS", "Value": ["CT", "SR"]}
        pacs[0].matches[Level.STUDY].append(first)
        pacs[1].matches[Level.STUDY].append(
            study("1.2", ModalitiesInStudy="PT", NumberOfStudyRelatedSeries=10)
        )
        pacs[2].matches[Level.STUDY].append(
            study(
                "1.2",
                ModalitiesInStudy="CT",
                NumberOfStudyRelatedSeries="unknown",
                NumberOfStudyRelatedInstances=100,
            )
        )
        (match,) = await matches_of(await client.get("studies"))
        assert match[tag_of("ModalitiesInStudy")]["Value"] == ["CT", "SR", "PT"]
        assert value_of(match, "NumberOfStudyRelatedSeries") == 10
        assert value_of(match, "NumberOfStudyRelatedInstances") == 100

    @pytest.mark.parametrize(
        ("path", "keyword", "found"),
        [
            ("series", "SeriesInstanceUID", ["1.1.1", "1.2.1", "1.3.1"]),
            ("instances", "SOPInstanceUID", ["1.1.1.1", "1.2.1.1", "1.3.1.1"]),
            ("studies/1.3/series", "SeriesInstanceUID", ["1.3.1"]),
            ("studies/1.3/series/1.3.1/instances", "SOPInstanceUID", ["1.3.1.1"]),
        ],
    )
    async def test_of_lower_levels_are_merged_too(
        self, client: httpx2.AsyncClient, pacs: list[Pacs], path: str, keyword: str, found: list[str]
    ) -> None:
        pacs[0].holds(studies=2)
        pacs[1].holds(studies=3)
        assert await uids(client, path, keyword) == found

    async def test_without_a_uid_are_never_taken_for_the_same(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        for one in pacs[:2]:
            one.matches[Level.STUDY].append(attributes(StudyID="x"))
        matches = await matches_of(await client.get("studies"))
        assert len(matches) == 2
        assert all(tag_of("RetrieveURL") not in match for match in matches)


class TestPages:
    @pytest.fixture
    def overlapping(self, pacs: list[Pacs]) -> list[Pacs]:
        """Three studies each, of which every origin has one in common with the one before."""
        for number, one in enumerate(pacs):
            one.matches[Level.STUDY] += [study(f"1.{2 * number + each}") for each in range(1, 4)]
        return pacs

    @pytest.mark.usefixtures("overlapping")
    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
    async def test_hold_each_match_once(self, client: httpx2.AsyncClient, limit: int) -> None:
        found = []
        for offset in range(0, 7, limit):
            found += await uids(client, f"studies?limit={limit}&offset={offset}")
        assert found == [f"1.{number}" for number in range(1, 8)]

    @pytest.mark.usefixtures("overlapping")
    async def test_tell_whether_there_are_more(self, client: httpx2.AsyncClient) -> None:
        more = await client.get("studies?limit=6")
        assert warnings_of(more) == ["There are 1 additional results that can be requested"]
        last = await client.get("studies?limit=6&offset=6")
        assert warnings_of(last) == []

    @pytest.mark.usefixtures("overlapping")
    async def test_tell_no_number_where_an_origin_was_not_asked_to_its_end(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.get("studies?limit=2")
        assert warnings_of(response) == ["There are additional results that can be requested"]

    async def test_tell_of_a_study_who_has_it_beyond_the_limit(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study("1.1"), study("1.2", PatientID="P"), study("1.3")]
        pacs[1].matches[Level.STUDY] += [
            *(study(f"1.{number}") for number in range(4, 20)),
            study("1.2", NumberOfStudyRelatedInstances=5),
        ]
        matches = await matches_of(await client.get("studies?limit=2"))
        assert [value_of(match, "RetrieveAETitle") for match in matches] == ["FIRST", "FIRST"]
        assert matches[1][tag_of("RetrieveAETitle")]["Value"] == ["FIRST", "OTHERS"]
        assert value_of(matches[1], "NumberOfStudyRelatedInstances") == 5

    async def test_are_retrieved_from_all_where_an_origin_was_not_asked_to_its_end(
        self, client: httpx2.AsyncClient, pacs: list[Pacs], origins: Sequence[DimseOrigin]
    ) -> None:
        pacs[0].holds(studies=3)
        (match,) = await matches_of(await client.get("studies?limit=1"))
        assert value_of(match, "RetrieveURL") == f"http://gateway/aets/{origins[0].name}/studies/1.1"
        (match,) = await matches_of(await client.get("studies/1.1/series?limit=1"))
        assert value_of(match, "RetrieveURL") == (
            f"http://gateway/aets/{origins[0].name}/studies/1.1/series/1.1.1"
        )
        pacs[1].holds(studies=3, series=3)
        del pacs[1].matches[Level.SERIES][0]
        (match,) = await matches_of(await client.get("studies/1.1/series?limit=1"))
        assert value_of(match, "RetrieveURL") == "http://gateway/dicomweb/studies/1.1/series/1.1.1"

    async def test_too_far_away_are_not_merged_in_memory(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        response = await client.get("studies?limit=2&offset=50001")
        assert response.status_code == 413
        assert not any(one.queries for one in pacs)

    async def test_lose_none_where_an_origin_gives_one_twice(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study(uid) for uid in ("1.1", "1.1", "1.2", "1.3")]
        pacs[1].matches[Level.STUDY] += [study("1.4")]
        found = []
        for offset in range(0, 6, 2):
            found += await uids(client, f"studies?limit=2&offset={offset}")
        assert found == ["1.1", "1.1", "1.2", "1.3", "1.4"]


class TestAnOriginThatDoesNotAnswer:
    @pytest.fixture(autouse=True)
    def one_study_each(self, pacs: list[Pacs]) -> None:
        for number, one in enumerate(pacs):
            one.matches[Level.STUDY].append(study(f"1.{number}"))

    async def test_is_named_and_the_others_matches_come(
        self, client: httpx2.AsyncClient, pacs: list[Pacs], origins: Sequence[DimseOrigin]
    ) -> None:
        name = origins[1].name
        pacs[1].failures[Level.STUDY] = CircuitOpen("a patient's name", origin=name)
        response = await client.get("studies")
        assert [value_of(match, "StudyInstanceUID") for match in await matches_of(response)] == ["1.0", "1.2"]
        assert response.headers["warning"] == (
            f"299 http://gateway/dicomweb: The origin {name} is not included: The origin is away"
        )

    async def test_may_have_a_part_of_what_the_others_have(
        self, client: httpx2.AsyncClient, pacs: list[Pacs], origins: Sequence[DimseOrigin]
    ) -> None:
        pacs[1].failures[Level.STUDY] = CircuitOpen("away", origin=origins[1].name)
        matches = await matches_of(await client.get("studies"))
        assert [value_of(match, "RetrieveURL") for match in matches] == [
            f"http://gateway/dicomweb/studies/{uid}" for uid in ("1.0", "1.2")
        ]

    @pytest.mark.parametrize("patience", [0.3])
    async def test_in_time_is_not_waited_for(
        self, client: httpx2.AsyncClient, pacs: list[Pacs], origins: Sequence[DimseOrigin]
    ) -> None:
        pacs[0].hangs = True
        async with asyncio.timeout(PATIENCE):
            response = await client.get("studies")
        assert [value_of(match, "StudyInstanceUID") for match in await matches_of(response)] == ["1.1", "1.2"]
        assert warnings_of(response) == [
            f"The origin {origins[0].name} is not included: The origin did not answer in time"
        ]
        await asyncio.wait_for(pacs[0].cancelled.wait(), PATIENCE)

    async def test_is_one_of_several(
        self, client: httpx2.AsyncClient, pacs: list[Pacs], origins: Sequence[DimseOrigin]
    ) -> None:
        for number in (0, 2):
            pacs[number].failures[Level.STUDY] = OperationFailed("no", origin=origins[number].name, status=1)
        response = await client.get("studies")
        assert [value_of(match, "StudyInstanceUID") for match in await matches_of(response)] == ["1.1"]
        assert [text.split()[2] for text in warnings_of(response)] == [origins[0].name, origins[2].name]

    async def test_is_an_error_where_no_other_does(
        self, client: httpx2.AsyncClient, pacs: list[Pacs], origins: Sequence[DimseOrigin]
    ) -> None:
        for one, origin in zip(pacs, origins, strict=True):
            one.failures[Level.STUDY] = OriginUnreachable("down", origin=origin.name)
        response = await client.get("studies")
        assert response.status_code == 502
        assert response.json()["origin"] == origins[0].name

    async def test_because_the_search_is_wrong_makes_it_wrong(
        self, client: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        pacs[2].failures[Level.STUDY] = InvalidParameter("PatientName", "no")
        response = await client.get("studies")
        assert (response.status_code, response.json()["parameter"]) == (400, "PatientName")


async def test_origins_without_workers_are_an_error(client: httpx2.AsyncClient) -> None:
    assert (await client.get("studies")).status_code == 503


async def test_a_search_that_is_too_wide_for_one_origin_is_too_wide(
    client: httpx2.AsyncClient, pacs: list[Pacs]
) -> None:
    pacs[1].holds(studies=4)
    assert (await client.get("series")).status_code == 413


async def test_a_bad_parameter_is_400_and_no_origin_is_asked(
    client: httpx2.AsyncClient, pacs: list[Pacs]
) -> None:
    assert (await client.get("studies?PatientNam=x")).status_code == 400
    assert not any(one.queries for one in pacs)


async def test_one_origin_alone_is_searched_as_at_its_own_path(
    bus: Bus, unused_blobs: BlobStore, pacs: list[Pacs], origins: Sequence[DimseOrigin]
) -> None:
    pacs[0].holds(studies=3)
    routed = routes(Parts(Settings(origins=(origins[0],)), bus, unused_blobs))
    transport = httpx2.ASGITransport(application(routed))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
        alone = await http.get(f"/aets/{origins[0].name}/studies?limit=1&offset=1")
        response = await http.get("/dicomweb/studies?limit=1&offset=1")
    assert warnings_of(response) == warnings_of(alone)
    (match,) = await matches_of(response)
    assert match.pop(tag_of("RetrieveAETitle")) == {"vr": "AE", "Value": ["FIRST"]}
    assert [match] == alone.json()


async def test_without_origins_nothing_is_found(bus: Bus, unused_blobs: BlobStore) -> None:
    transport = httpx2.ASGITransport(application(routes(Parts(Settings(), bus, unused_blobs))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
        assert await matches_of(await http.get("/dicomweb/studies")) == []
