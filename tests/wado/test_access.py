"""Retrieval under rules: what somebody may not see is not there, whoever has just read it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from isthmus.common.auth import Grants, Policy
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, jobs, streams
from isthmus.common.bus.granted import Gate
from isthmus.common.bus.jobs import Lane, Running
from isthmus.common.config import Settings
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import CircuitOpen, OriginUnreachable
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval import Catalogue
from isthmus.common.service import Parts
from isthmus.wado.app import routes
from tests import planted
from tests.common.access.faces import by_header
from tests.data_sets import identity, make_series
from tests.wado.bodies import AS_HELD
from tests.wado.serving import client_of, ended
from tests.wado.test_all_origins import Site, contents, read, sites
from tests.wado.test_held import manifest, put_all
from tests.wado.urls import instance_of, series_of, study_of
from tests.waiting import PATIENCE

__all__ = ["sites"]  # a fixture

READ = ["retrieve"]


def rules(one: str, two: str) -> list[dict[str, object]]:
    """Who may read where."""
    return [
        {"user": "all", "operations": READ},
        {"user": "one", "origins": [one], "operations": READ},
        {"user": "two", "origins": [two], "operations": READ},
        {"user": "ct", "operations": READ, "studies": {"modality": ["CT"]}},
        {"user": "mr", "operations": READ, "studies": {"modality": ["MR"]}},
        {"user": "mixed", "origins": [one], "operations": READ, "studies": {"modality": ["MR"]}},
        {"user": "mixed", "origins": [two], "operations": READ},
    ]


@pytest.fixture
async def http(bus: Bus, blobs: BlobStore, sites: list[Site]) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a wado that knows two PACS; it is whoever the header X-User says."""
    names = [site.name for site in sites]
    origins = [
        {"name": name, "protocol": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
        for name in names
    ]
    settings = Settings.model_validate({"origins": origins, "access": {"rules": rules(*names)}})
    bus.gate = Gate(Grants(planted.secret("signing"), "wado"), Policy.of(settings))  # the workers', too

    async with client_of(Parts(settings, bus, blobs), routes, authenticate=by_header(names[0])) as client:
        yield client


def of_ct(site: Site) -> None:
    """Let all studies of an origin be of CT."""
    for match in site.pacs.matches[Level.STUDY]:
        match[tag_of("ModalitiesInStudy")] = {"vr": "CS", "Value": ["CT"]}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three images of one series."""
    return make_series(tmp_path / "files", 3, study_uid="1.2.3.4", seed=1)


def resources(root: str, file: Path) -> Iterator[str]:
    """All there is of a study."""
    for path in (study_of, series_of, instance_of):
        for kind in ("", "/metadata", "/thumbnail", "/pixeldata", "/bulkdata"):
            yield f"{root}/studies/{path(file)}{kind}"
    yield f"{root}/studies/{series_of(file)}/rendered"
    yield f"{root}/studies/{instance_of(file)}/frames/1"
    yield f"{root}/studies/{instance_of(file)}/frames/1/rendered"
    yield f"{root}/studies/{instance_of(file)}/frames/1/thumbnail"
    yield f"{root}/studies/{instance_of(file)}/bulkdata/7FE00010"
    who = identity(file)
    uids = f"studyUID={who.study_instance_uid}&seriesUID={who.series_instance_uid}"
    yield f"{root}/wado?requestType=WADO&{uids}&objectUID={who.sop_instance_uid}"


@pytest.fixture
async def held(blobs: BlobStore, sites: list[Site], files: list[Path]) -> None:
    """The first origin has them, they are of CT, and they are held here."""
    sites[0].holds(files)
    of_ct(sites[0])
    await Catalogue(blobs).save(manifest(sites[0].name, await put_all(blobs, sites[0].name, files)))


class TestAStudyThatOneMayNotSee:
    @pytest.mark.usefixtures("held")
    @pytest.mark.parametrize("root", ["one", "all"])
    async def test_is_not_there_though_another_has_just_read_it(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path], root: str
    ) -> None:
        service = "/dicomweb" if root == "all" else f"/aets/{sites[0].name}"
        told = []
        for url in resources(service, files[0]):
            seen = await http.get(url, headers={"X-User": "ct"})
            assert seen.status_code == 200, url
            for user in ("mr", "link:1.2", "two"):
                response = await http.get(url, headers={"X-User": user})
                if response.status_code != 404:
                    told.append((user, url, response.status_code))
        assert told == []

    @pytest.mark.usefixtures("held")
    async def test_is_not_there_for_who_asks_otherwise(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path]
    ) -> None:
        for root in ("/dicomweb", f"/aets/{sites[0].name}"):
            for path in (instance_of(files[0]), f"{series_of(files[0])}/metadata"):
                url = f"{root}/studies/{path}"
                etag = (await http.get(url, headers={"X-User": "ct"})).headers["etag"]
                for method, more in (
                    ("HEAD", {}),
                    ("GET", {"If-None-Match": etag}),
                    ("GET", {"If-None-Match": "*"}),
                    ("GET", {"Range": "bytes=0-9"}),
                    ("POST", {}),
                ):
                    response = await http.request(method, url, headers={"X-User": "mr", **more})
                    assert response.status_code == (405 if method == "POST" else 404), (url, more)
                    assert "etag" not in response.headers
            zipped = {"X-User": "mr", "Accept": "application/zip"}
            assert (await http.get(f"{root}/studies/{study_of(files[0])}", headers=zipped)).status_code == 404

    async def test_costs_its_origin_a_search_as_one_that_is_not_there(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path]
    ) -> None:
        sites[0].holds(files)
        of_ct(sites[0])
        for study in (study_of(files[0]), "1.2.3.9"):
            before = len(sites[0].pacs.queries)
            for _ in range(2):
                response = await http.get(
                    f"/aets/{sites[0].name}/studies/{study}", headers={"X-User": "mr", **AS_HELD}
                )
                assert response.status_code == 404
            assert [query.level for query in sites[0].pacs.queries[before:]] == [Level.STUDY] * 2
        assert sites[0].jobs == 0

    @pytest.mark.parametrize(("error", "status"), [(OriginUnreachable, 502), (CircuitOpen, 503)])
    async def test_is_not_told_from_others_where_the_origin_is_away(
        self,
        http: httpx2.AsyncClient,
        blobs: BlobStore,
        sites: list[Site],
        files: list[Path],
        error: type[OriginUnreachable],
        status: int,
    ) -> None:
        await Catalogue(blobs).save(manifest(sites[0].name, await put_all(blobs, sites[0].name, files)))
        sites[0].pacs.failures[Level.STUDY] = error("away", origin=sites[0].name)
        url = f"/aets/{sites[0].name}/studies/{study_of(files[0])}"
        assert (await http.get(url, headers={"X-User": "ct", **AS_HELD})).status_code == status
        assert (await http.get(url, headers={"X-User": "all", **AS_HELD})).status_code == 200

    async def test_is_found_once_it_may_be_seen(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path]
    ) -> None:
        sites[0].holds(files)
        of_ct(sites[0])
        url = f"/aets/{sites[0].name}/studies/{study_of(files[0])}"
        assert (await http.get(url, headers={"X-User": "mr", **AS_HELD})).status_code == 404
        (match,) = sites[0].pacs.matches[Level.STUDY]
        match[tag_of("ModalitiesInStudy")] = {"vr": "CS", "Value": ["CT", "MR"]}
        assert contents(await http.get(url, headers={"X-User": "mr", **AS_HELD})) == read(*files)


class TestAllOrigins:
    async def test_are_those_that_one_may_read(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path], tmp_path: Path
    ) -> None:
        others = make_series(tmp_path / "others", 2, study_uid="1.2.3.4", seed=2)
        sites[0].holds(files)
        sites[1].holds(others)
        url = f"/dicomweb/studies/{study_of(files[0])}"
        for user, wanted in (
            ("all", [*files, *others]),
            ("one", files),
            ("two", others),
            ("all", [*files, *others]),
            ("link:1.2.3.4", files),
        ):
            response = await http.get(url, headers={"X-User": user, **AS_HELD})
            assert contents(response) == read(*wanted), user
            metadata = await http.get(f"{url}/metadata", headers={"X-User": user})
            assert len(metadata.json()) == len(wanted)
        instance = f"/dicomweb/studies/{instance_of(others[0])}"
        for user, status in (("all", 200), ("two", 200), ("one", 404), ("two", 200), ("link:1.2.3.4", 404)):
            response = await http.get(f"{instance}/frames/1", headers={"X-User": user})
            assert response.status_code == status, user

    async def test_count_only_where_one_may_see_the_study(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path]
    ) -> None:
        sites[0].holds(files)
        sites[1].holds(files[:1])
        for site in sites:
            of_ct(site)
        url = f"/dicomweb/studies/{study_of(files[0])}"
        for user, wanted in (("ct", files), ("mixed", files[:1]), ("ct", files)):
            response = await http.get(url, headers={"X-User": user, **AS_HELD})
            assert contents(response) == read(*wanted), user
        assert (await http.get(url, headers={"X-User": "mr", **AS_HELD})).status_code == 404

    async def test_are_not_asked_waited_for_or_told_of_where_one_may_not_read(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path]
    ) -> None:
        sites[0].holds(files)
        sites[1].pacs.hangs = True
        url = f"/dicomweb/studies/{study_of(files[0])}"
        async with asyncio.timeout(8):
            for user in ("one", "link:1.2.3.4"):
                for path in ("", "/metadata", "/thumbnail"):
                    response = await http.get(f"{url}{path}", headers={"X-User": user})
                    assert response.status_code == 200
                    assert "warning" not in response.headers
            absent = await http.get("/dicomweb/studies/1.2.9", headers={"X-User": "one"})
        assert absent.status_code == 404
        assert sites[1].pacs.queries == []

    async def test_that_do_not_tell_what_one_may_see_are_named(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path]
    ) -> None:
        sites[0].pacs.failures[Level.STUDY] = CircuitOpen("away", origin=sites[0].name)
        sites[1].holds(files)
        of_ct(sites[1])
        url = f"/dicomweb/studies/{instance_of(files[0])}"
        for _ in range(2):
            response = await http.get(f"{url}/frames/1", headers={"X-User": "ct"})
            assert response.status_code == 200
            assert f"The origin {sites[0].name} is not included" in response.headers["warning"]
        # What nobody has who tells may be where nobody does.
        assert (await http.get(url, headers={"X-User": "mr"})).status_code == 503

    async def test_say_in_the_same_words_that_a_study_is_hidden_and_that_it_is_nowhere(
        self, http: httpx2.AsyncClient, sites: list[Site], files: list[Path]
    ) -> None:
        sites[0].holds(files)
        of_ct(sites[0])
        for user in ("mr", "two", "mixed", "link:1.2"):
            details = {
                (await http.get(f"/dicomweb/studies/{study}", headers={"X-User": user})).json()["detail"]
                for study in (study_of(files[0]), "1.2.3.9")
            }
            assert details == {"No origin has such an object"}, user

    async def test_let_the_rest_of_a_study_follow_from_where_one_may_see_it(
        self, http: httpx2.AsyncClient, bus: Bus, sites: list[Site], files: list[Path]
    ) -> None:
        followed: asyncio.Queue[Retrieve] = asyncio.Queue()

        async def work(running: Running[Retrieve]) -> None:
            followed.put_nowait(running.job)
            await running.acknowledge()

        for site in sites:
            site.holds(files)
        working = [
            asyncio.create_task(
                jobs.work(bus, streams.JOBS, site.name, Retrieve, work, at_once=1, lane=Lane.BULK)
            )
            for site in sites
        ]
        url = f"/dicomweb/studies/{series_of(files[0])}/metadata"
        assert (await http.get(url, headers={"X-User": "two"})).status_code == 200
        job = await asyncio.wait_for(followed.get(), PATIENCE)
        assert job == Retrieve(sites[1].name, study_of(files[0]))
        assert followed.empty()
        await ended(working)
