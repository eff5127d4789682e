"""Searches under rules: what somebody may not see is not there, in no match, number or warning."""

from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest

from isthmus.common.auth import Grants, Policy
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.granted import Gate
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import CircuitOpen, OriginUnreachable
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.qido import routes
from tests import planted
from tests.common.access.faces import by_header
from tests.qido.pacs import Pacs, attributes, value_of
from tests.waiting import PATIENCE

SEARCH = ["search", "retrieve"]


def rules(one: str, two: str) -> list[dict[str, object]]:
    """Who may search where."""
    return [
        {"user": "all", "operations": SEARCH},
        {"user": "one", "origins": [one], "operations": SEARCH},
        {"user": "ct", "operations": SEARCH, "studies": {"modality": ["CT"]}},
        {"user": "mary", "operations": SEARCH, "studies": {"institution": ["Mary"]}},
        {"user": "mixed", "origins": [one], "operations": SEARCH, "studies": {"modality": ["CT"]}},
        {"user": "mixed", "origins": [two], "operations": SEARCH},
        {"user": "stores", "operations": ["store"]},
    ]


@pytest.fixture
def names(origin_name: str) -> list[str]:
    return [f"{origin_name}-{letter}" for letter in "ab"]


@pytest.fixture
async def pacs(bus: Bus, names: list[str]) -> list[Pacs]:
    """Two origins."""
    both = [Pacs(), Pacs()]
    for one, name in zip(both, names, strict=True):
        await one.serve(bus, name)
    return both


@pytest.fixture
async def http(bus: Bus, unused_blobs: BlobStore, names: list[str]) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a qido, which is whoever the header X-User says."""
    origins = [
        {"name": name, "protocol": "dimse", "ae_title": title, "host": "127.0.0.1", "port": 104}
        for name, title in zip(names, ("ONE", "TWO"), strict=True)
    ]
    settings = Settings.model_validate(
        {"origins": origins, "access": {"rules": rules(*names)}, "search": {"max_parents": 5}}
    )
    assert all(isinstance(origin, DimseOrigin) for origin in settings.origins)

    policy = Policy.of(settings)
    bus.gate = Gate(Grants(planted.secret("signing"), "qido"), policy)  # the workers', too
    app = application(
        routes(Parts(settings, bus, unused_blobs)),
        policy=policy,
        authenticate=by_header(names[0]),
    )
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://gateway", timeout=PATIENCE
    ) as client:
        yield client


def study(uid: str, modality: str, **values: str | int) -> DicomJson:
    return attributes(StudyInstanceUID=uid, ModalitiesInStudy=modality, **values)


async def found(
    http: httpx2.AsyncClient, user: str, url: str, keyword: str = "StudyInstanceUID"
) -> list[object]:
    response = await http.get(url, headers={"X-User": user})
    assert response.status_code == 200, response.text
    return [value_of(match, keyword) for match in response.json()]


def warnings_of(response: httpx2.Response) -> Sequence[str]:
    return [text.partition(": ")[2] for text in response.headers.get_list("warning")]


class TestOrigins:
    @pytest.mark.parametrize(("user", "known"), [("all", [0, 1]), ("one", [0]), ("link:1.2", [0])])
    async def test_are_listed_that_one_may_know_of(
        self, http: httpx2.AsyncClient, names: list[str], user: str, known: list[int]
    ) -> None:
        assert await found_names(http, user) == [names[place] for place in known]

    async def test_that_one_may_not_know_of_are_as_those_that_are_not_there(
        self, http: httpx2.AsyncClient, names: list[str]
    ) -> None:
        for path in ("", "/studies", "/studies/1.2/series"):
            there = await http.get(f"/aets/{names[1]}{path}", headers={"X-User": "one"})
            absent = await http.get(f"/aets/nowhere{path}", headers={"X-User": "one"})
            assert (there.status_code, absent.status_code) == (404, 404)
            assert there.json()["title"] == absent.json()["title"]
        options = await http.options(f"/aets/{names[1]}", headers={"X-User": "one"})
        assert options.status_code == 404

    async def test_whoever_may_do_something_else_is_told_that_he_may_not_search(
        self, http: httpx2.AsyncClient, names: list[str]
    ) -> None:
        for url in (f"/aets/{names[0]}/studies", "/dicomweb/studies"):
            assert (await http.get(url, headers={"X-User": "stores"})).status_code == 403
            assert (await http.get(url)).status_code == 401


async def found_names(http: httpx2.AsyncClient, user: str) -> list[str]:
    response = await http.get("/aets", headers={"X-User": user})
    return [origin["name"] for origin in response.json()]


class TestOneOrigin:
    @pytest.fixture
    def url(self, names: list[str], pacs: list[Pacs]) -> str:
        """Of the first origin, which has twenty studies, each second of them of CT."""
        for number in range(20):
            uid = f"1.{number}"
            pacs[0].matches[Level.STUDY].append(
                study(uid, "CT" if number % 2 else "MR", StudyID=f"S{number}")
            )
            series = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1"}
            pacs[0].matches[Level.SERIES].append(attributes(**series, Modality="CT" if number % 2 else "MR"))
        return f"/aets/{names[0]}"

    async def test_gives_the_studies_that_one_may_see(
        self, http: httpx2.AsyncClient, url: str, pacs: list[Pacs]
    ) -> None:
        assert await found(http, "ct", f"{url}/studies") == [f"1.{number}" for number in range(1, 20, 2)]
        # What others have is not even asked for.
        (key,) = pacs[0].queries[0].keys
        assert (key.path, key.values) == ((tag_of("ModalitiesInStudy"),), ("CT",))
        assert len(await found(http, "all", f"{url}/studies")) == 20

    async def test_counts_them_alone(self, http: httpx2.AsyncClient, url: str) -> None:
        page = await http.get(f"{url}/studies?limit=4", headers={"X-User": "ct"})
        assert warnings_of(page) == ["There are 6 additional results that can be requested"]
        page = await http.get(f"{url}/studies?limit=4&offset=8", headers={"X-User": "ct"})
        assert [value_of(match, "StudyInstanceUID") for match in page.json()] == ["1.17", "1.19"]
        assert warnings_of(page) == []

    async def test_has_pages_of_ones_own(self, http: httpx2.AsyncClient, url: str) -> None:
        pages: dict[str, list[object]] = {"all": [], "ct": []}
        for offset in (0, 3, 6):
            for user, given in pages.items():
                given.extend(await found(http, user, f"{url}/studies?limit=3&offset={offset}"))
        assert pages["all"] == [f"1.{number}" for number in range(9)]
        assert pages["ct"] == [f"1.{number}" for number in range(1, 18, 2)]

    async def test_gives_nothing_of_a_study_that_one_may_not_see(
        self, http: httpx2.AsyncClient, url: str, pacs: list[Pacs]
    ) -> None:
        for path in ("series", "instances", "series?PatientName=A*", "series/1.2.1/instances"):
            assert await found(http, "ct", f"{url}/studies/1.2/{path}") == []
        assert {*pacs[0].levels_asked()} == {Level.STUDY}
        assert await found(http, "ct", f"{url}/studies/1.3/series") == ["1.3"]
        assert await found(http, "ct", f"{url}/studies?StudyInstanceUID=1.2,1.3") == ["1.3"]
        assert await found(http, "link:1.4", f"{url}/studies") == ["1.4"]
        assert await found(http, "link:1.4", f"{url}/studies/1.5/series") == []
        for asked, given in (("1.3,1.4", ["1.4"]), ("1.3", []), ("", ["1.4"])):
            assert await found(http, "link:1.4", f"{url}/studies?StudyInstanceUID={asked}") == given

    async def test_gives_the_series_of_the_studies_that_one_may_see(
        self, http: httpx2.AsyncClient, url: str, pacs: list[Pacs]
    ) -> None:
        assert await found(http, "link:1.4", f"{url}/series", "SeriesInstanceUID") == ["1.4.1"]
        limited = await found(http, "ct", f"{url}/series?limit=3", "SeriesInstanceUID")
        assert limited == ["1.1.1", "1.3.1", "1.5.1"]
        del pacs[0].matches[Level.STUDY][6:]
        assert await found(http, "ct", f"{url}/series", "StudyInstanceUID") == ["1.1", "1.3", "1.5"]

    async def test_asks_for_more_than_it_shows(
        self, http: httpx2.AsyncClient, names: list[str], pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [
            study("1.2", "CT", InstitutionName="Mary", StudyID="1"),
            study("1.3", "CT", InstitutionName="Elsewhere"),
        ]
        url = f"/aets/{names[0]}/studies"
        response = await http.get(url, headers={"X-User": "mary"})
        (match,) = response.json()
        assert tag_of("InstitutionName") not in match
        assert (tag_of("InstitutionName"),) in pacs[0].queries[0].return_keys
        await http.get(url, headers={"X-User": "all"})
        assert (tag_of("InstitutionName"),) not in pacs[0].queries[-1].return_keys

    async def test_tells_nothing_of_what_else_there_is_of_a_patient(
        self, http: httpx2.AsyncClient, names: list[str], pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study("1.2", "CT", NumberOfPatientRelatedStudies=2)]
        url, count = f"/aets/{names[0]}/studies", "NumberOfPatientRelatedStudies"
        for query in (f"includefield={count}", "includefield=all", f"{count}=2", f"{count}=1"):
            for user in ("ct", "link:1.2"):
                assert await found(http, user, f"{url}?{query}", "StudyInstanceUID") == ["1.2"]
                (match,) = (await http.get(f"{url}?{query}", headers={"X-User": user})).json()
                assert not match.get(tag_of(count), {}).get("Value")
        assert await found(http, "all", f"{url}?{count}=2", count) == [2]
        assert await found(http, "all", f"{url}?{count}=1") == []

    async def test_warns_of_nothing_that_only_hidden_studies_do_not_tell(
        self, http: httpx2.AsyncClient, names: list[str], pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study("1.2", "CT", StudyID="1"), study("1.3", "MR")]
        url = f"/aets/{names[0]}/studies?StudyID=1"
        response = await http.get(url, headers={"X-User": "ct"})
        assert (len(response.json()), warnings_of(response)) == (1, [])
        response = await http.get(url, headers={"X-User": "all"})
        assert len(warnings_of(response)) == 1

    async def test_refuses_where_too_many_studies_do_not_tell(
        self, http: httpx2.AsyncClient, names: list[str], pacs: list[Pacs]
    ) -> None:
        pacs[0].holds(studies=8)
        for match in pacs[0].matches[Level.SERIES]:
            match[tag_of("InstitutionName")] = {"vr": "LO", "Value": ["Mary"]}
        url = f"/aets/{names[0]}/studies"
        assert (await http.get(url, headers={"X-User": "mary"})).status_code == 413
        assert await found(http, "mary", f"{url}?limit=4") == [f"1.{number}" for number in range(1, 5)]

    @pytest.mark.parametrize(("error", "status"), [(OriginUnreachable, 502), (CircuitOpen, 503)])
    async def test_fails_where_it_cannot_be_told_what_one_may_see(
        self,
        http: httpx2.AsyncClient,
        url: str,
        names: list[str],
        pacs: list[Pacs],
        error: type[OriginUnreachable],
        status: int,
    ) -> None:
        pacs[0].failures[Level.STUDY] = error("away", origin=names[0])
        for path in ("studies", "studies/1.3/series"):
            assert (await http.get(f"{url}/{path}", headers={"X-User": "ct"})).status_code == status


async def test_nobody_on_the_way_keeps_what_is_for_one_alone(
    http: httpx2.AsyncClient, names: list[str], pacs: list[Pacs]
) -> None:
    pacs[0].matches[Level.STUDY] += [study("1.2", "CT")]
    for user, name, status in (("one", names[0], 200), ("one", names[1], 404), ("", names[0], 401)):
        response = await http.get(f"/aets/{name}/studies", headers={"X-User": user})
        assert (response.status_code, response.headers["cache-control"]) == (status, "private, no-cache")


class TestAllOrigins:
    async def test_are_those_that_one_may_search(
        self, http: httpx2.AsyncClient, names: list[str], pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study("1.2", "CT", NumberOfStudyRelatedInstances=2)]
        pacs[1].matches[Level.STUDY] += [
            study("1.2", "SR", NumberOfStudyRelatedInstances=9),
            study("1.3", "CT"),
        ]
        response = await http.get("/dicomweb/studies", headers={"X-User": "one"})
        (match,) = response.json()
        assert match[tag_of("RetrieveAETitle")]["Value"] == ["ONE"]
        assert match[tag_of("ModalitiesInStudy")]["Value"] == ["CT"]
        assert value_of(match, "NumberOfStudyRelatedInstances") == 2
        assert value_of(match, "RetrieveURL") == f"http://gateway/aets/{names[0]}/studies/1.2"
        assert pacs[1].queries == []
        (match, _) = (await http.get("/dicomweb/studies", headers={"X-User": "all"})).json()
        assert match[tag_of("RetrieveAETitle")]["Value"] == ["ONE", "TWO"]

    async def test_are_not_waited_for_where_one_may_not_search(
        self, http: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study("1.2", "CT")]
        pacs[1].hangs = True
        response = await http.get("/dicomweb/studies", headers={"X-User": "one"})
        assert (len(response.json()), warnings_of(response)) == (1, [])

    async def test_that_fail_are_not_told_of_where_one_may_not_search(
        self, http: httpx2.AsyncClient, names: list[str], pacs: list[Pacs]
    ) -> None:
        pacs[0].matches[Level.STUDY] += [study("1.2", "CT")]
        pacs[1].failures[Level.STUDY] = OriginUnreachable("away", origin=names[1])
        for user, warnings in (("one", 0), ("link:1.2", 0), ("all", 1)):
            response = await http.get("/dicomweb/studies", headers={"X-User": user})
            assert len(response.json()) == 1
            assert len(warnings_of(response)) == warnings

    async def test_have_each_its_own_studies_that_one_may_see(
        self, http: httpx2.AsyncClient, pacs: list[Pacs]
    ) -> None:
        for one in pacs:
            one.matches[Level.STUDY] += [study("1.2", "CT"), study("1.3", "MR")]
        matches = (await http.get("/dicomweb/studies", headers={"X-User": "mixed"})).json()
        titles = {
            value_of(match, "StudyInstanceUID"): match[tag_of("RetrieveAETitle")]["Value"]
            for match in matches
        }
        assert titles == {"1.2": ["ONE", "TWO"], "1.3": ["TWO"]}

    async def test_have_pages_of_ones_own(self, http: httpx2.AsyncClient, pacs: list[Pacs]) -> None:
        pacs[0].matches[Level.STUDY] += [study(f"1.{number}", "CT") for number in range(4)]
        pacs[1].matches[Level.STUDY] += [study(f"2.{number}", "CT") for number in range(4)]
        pages: dict[str, list[object]] = {"all": [], "one": []}
        for offset in range(0, 9, 3):
            for user, given in pages.items():
                given.extend(await found(http, user, f"/dicomweb/studies?limit=3&offset={offset}"))
        assert pages["one"] == [f"1.{number}" for number in range(4)]
        assert pages["all"] == [*pages["one"], *(f"2.{number}" for number in range(4))]
