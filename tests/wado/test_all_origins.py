"""Retrieval below /dicomweb: all origins as one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, jobs, streams
from isthmus.common.bus.jobs import Lane, Running
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import CircuitOpen, OriginUnreachable
from isthmus.common.messages import Failure, MissingInstance, Retrieve
from isthmus.common.retrieval import Catalogue
from isthmus.common.service import Parts
from isthmus.wado.app import routes
from tests.data_sets import identity, make_series
from tests.qido.pacs import Pacs, attributes
from tests.wado.bodies import broken_body, parts_of
from tests.wado.serving import client_of, ended
from tests.wado.test_held import manifest, missing, put_all
from tests.wado.urls import instance_of, series_of, study_of
from tests.wado.worker import Job
from tests.waiting import PATIENCE

AS_HELD = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
REFUSED = Failure("OperationFailed", "no", "pacs", 0xA701, "C-GET")


@dataclass
class Site:
    """An origin that holds files."""

    name: str
    pacs: Pacs = field(default_factory=Pacs)
    files: list[Path] = field(default_factory=list)
    lacking: tuple[MissingInstance, ...] = ()
    """What it is known not to deliver."""
    failing: tuple[MissingInstance, ...] = ()
    """What it does not deliver, as turns out at the end."""
    jobs: int = 0

    def holds(self, files: Sequence[Path]) -> None:
        """Add files to the archive."""
        self.files += files
        for file in files:
            who = identity(file)
            uids = {"StudyInstanceUID": who.study_instance_uid}
            self._list(Level.STUDY, uids)
            uids["SeriesInstanceUID"] = who.series_instance_uid
            self._list(Level.SERIES, uids)
            uids["SOPInstanceUID"] = who.sop_instance_uid
            self._list(Level.IMAGE, uids)

    def _list(self, level: Level, uids: dict[str, str]) -> None:
        match = attributes(**uids)
        if match not in self.pacs.matches[level]:
            self.pacs.matches[level].append(match)

    async def deliver(self, job: Job) -> None:
        """Do a transfer."""
        self.jobs += 1
        if self.lacking:
            await job.lack(*self.lacking, failure=REFUSED)
        await job.deliver(*(file for file in self.files if _wants(job.wanted, file)))
        missing = (*self.lacking, *self.failing)
        await job.end(*missing, failure=REFUSED if missing else None)


def _wants(wanted: Retrieve, file: Path) -> bool:
    who = identity(file)
    return (
        wanted.study == who.study_instance_uid
        and wanted.series in (None, who.series_instance_uid)
        and wanted.instance in (None, who.sop_instance_uid)
    )


@pytest.fixture
async def sites(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[list[Site]]:
    """Two origins and their workers."""
    sites = [Site(f"{origin_name}-{letter}") for letter in "ab"]
    working = []
    for site in sites:

        async def work(running: Running[Retrieve], site: Site = site) -> None:
            await site.deliver(Job(bus, blobs, running))
            await running.acknowledge()

        await site.pacs.serve(bus, site.name)
        working.append(
            asyncio.create_task(jobs.work(bus, streams.JOBS, site.name, Retrieve, work, at_once=4))
        )
    yield sites
    await ended(working)


@pytest.fixture
def patience() -> float:
    """Seconds that the first origin is waited for."""
    return 30.0


@pytest.fixture
async def client(
    bus: Bus, blobs: BlobStore, sites: list[Site], patience: float
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a wado that knows both; URLs are relative to their common studies."""
    origins = [
        DimseOrigin(
            name=site.name, ae_title="PACS", port=104, search_seconds=patience if site is sites[0] else 30.0
        )
        for site in sites
    ]
    parts = Parts(Settings(origins=tuple(origins)), bus, blobs)
    async with client_of(parts, routes, "/dicomweb/studies/") as http:
        yield http


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Two series of one study, of three images each."""
    directory = tmp_path_factory.mktemp("study")
    return [make_series(directory, 3, study_uid="1.2.3.4", seed=seed) for seed in (1, 2)]


def contents(response: httpx2.Response, status: int = 200) -> set[bytes]:
    """The objects of a body that is whole, each of them once."""
    assert response.status_code == status, response.text
    parts = [part.content for part in parts_of(response)]
    assert len(parts) == len(set(parts))
    return set(parts)


def read(*files: Path) -> set[bytes]:
    return {file.read_bytes() for file in files}


class TestAStudyOfOneOrigin:
    async def test_is_found_where_it_is(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
    ) -> None:
        sites[1].holds(study[0])
        for path in (study_of, series_of):
            response = await client.get(path(study[0][0]), headers=AS_HELD)
            assert contents(response) == read(*study[0])
            assert "warning" not in response.headers
        response = await client.get(instance_of(study[0][2]), headers=AS_HELD)
        assert contents(response) == read(study[0][2])
        assert sites[0].jobs == 0

    async def test_has_urls_below_all_origins_in_its_metadata(
        self, client: httpx2.AsyncClient, sites: list[Site], tmp_path: Path
    ) -> None:
        (file,) = make_series(tmp_path, 1, rows=64, columns=64, seed=9)
        sites[1].holds([file])
        for _ in range(2):
            response = await client.get(f"{series_of(file)}/metadata")
            (described,) = response.json()
            uri = described["7FE00010"]["BulkDataURI"]
            assert uri.startswith(f"{client.base_url}{instance_of(file)}/bulkdata/")
        value = await client.get(uri)
        assert value.headers["content-type"].startswith("multipart/related")
        (part,) = parts_of(value)
        assert part.headers["Content-Location"] == uri
        assert len(part.content) == 2 * 64 * 64

    async def test_is_not_given_at_another(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
    ) -> None:
        sites[1].holds(study[0])
        await client.get(study_of(study[0][0]), headers=AS_HELD)
        elsewhere = client.base_url.copy_with(raw_path=f"/aets/{sites[0].name}/studies/".encode())
        response = await client.get(f"{elsewhere}{study_of(study[0][0])}", headers=AS_HELD)
        assert response.status_code == 404

    async def test_that_lacks_something_lacks_it_here_too(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
    ) -> None:
        sites[0].holds(study[0][:2])
        sites[0].lacking = (missing(study[0][2]),)
        response = await client.get(study_of(study[0][0]), headers=AS_HELD)
        assert contents(response, 206) == read(*study[0][:2])
        assert "/dicomweb: 1 instance is missing" in response.headers["warning"]


class TestAStudyOfSeveralOrigins:
    async def test_is_given_whole(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
    ) -> None:
        sites[0].holds(study[0])
        sites[1].holds(study[1])
        response = await client.get(study_of(study[0][0]), headers=AS_HELD)
        assert contents(response) == read(*study[0], *study[1])
        for series in study:
            response = await client.get(series_of(series[0]), headers=AS_HELD)
            assert contents(response) == read(*series)
            response = await client.get(instance_of(series[1]), headers=AS_HELD)
            assert contents(response) == read(series[1])

    async def test_is_described_whole(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
    ) -> None:
        sites[0].holds(study[0])
        sites[1].holds(study[1])
        response = await client.get(f"{study_of(study[0][0])}/metadata")
        described = {each["00080018"]["Value"][0] for each in response.json()}
        assert described == {identity(file).sop_instance_uid for series in study for file in series}

    async def test_is_transferred_once_where_both_have_all(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
    ) -> None:
        for site in sites:
            site.holds(study[0])
        response = await client.get(study_of(study[0][0]), headers=AS_HELD)
        assert contents(response) == read(*study[0])
        assert [site.jobs for site in sites] == [1, 0]

    async def test_has_what_differs_from_the_first(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]], tmp_path: Path
    ) -> None:
        others = make_series(tmp_path, 3, rows=8, study_uid="1.2.3.4", seed=1)
        assert identity(others[0]) == identity(study[0][0])
        sites[0].holds(study[0][:2])
        sites[1].holds(others[1:])
        response = await client.get(study_of(study[0][0]), headers=AS_HELD)
        assert contents(response) == read(study[0][0], study[0][1], others[2])

    async def test_breaks_off_where_one_does_not_deliver_its_part(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
    ) -> None:
        sites[0].holds(study[0])
        sites[1].holds(study[1][:2])
        sites[1].failing = (missing(study[1][2]),)
        _, body = await broken_body(client, study_of(study[0][0]), AS_HELD)
        assert study[1][1].read_bytes() in body

    async def test_that_lost_a_blob_is_fetched_anew(
        self,
        client: httpx2.AsyncClient,
        sites: list[Site],
        blobs: BlobStore,
        study: list[list[Path]],
    ) -> None:
        catalogue = Catalogue(blobs)
        held = await put_all(blobs, sites[1].name, study[1])
        await catalogue.save(manifest(sites[1].name, held))
        sites[0].holds(study[0])
        sites[1].holds(study[1])
        await blobs.delete(held[0].key)
        await broken_body(client, study_of(study[0][0]), AS_HELD)
        response = await client.get(study_of(study[0][0]), headers=AS_HELD)
        assert contents(response) == read(*study[0], *study[1])


class TestAnOriginThatDoesNotAnswer:
    async def test_is_named_where_the_other_has_it(
        self, client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
    ) -> None:
        sites[0].pacs.failures[Level.STUDY] = CircuitOpen("Doe^John", origin=sites[0].name)
        sites[1].holds(study[0])
        for path in (study_of(study[0][0]), instance_of(study[0][0]), f"{series_of(study[0][0])}/metadata"):
            response = await client.get(path)
            assert response.status_code == 200
            assert response.headers["warning"] == (
                f"299 http://{client.base_url.netloc.decode()}/dicomweb:"
                f" The origin {sites[0].name} is not included: The origin is away"
            )

    async def test_is_the_answer_where_the_other_has_it_not(
        self, client: httpx2.AsyncClient, sites: list[Site]
    ) -> None:
        sites[1].pacs.failures[Level.STUDY] = OriginUnreachable("down", origin=sites[1].name)
        response = await client.get("1.2.3")
        assert response.status_code == 502
        assert response.json()["origin"] == sites[1].name

    @pytest.mark.parametrize("patience", [0.3])
    async def test_in_time_is_the_answer_where_the_other_has_it_not(
        self, client: httpx2.AsyncClient, sites: list[Site]
    ) -> None:
        sites[0].pacs.hangs = True
        async with asyncio.timeout(PATIENCE):
            response = await client.get("1.2.3/series/1.2/metadata")
        assert response.status_code == 504
        assert response.json()["origin"] == sites[0].name


@pytest.mark.usefixtures("sites")
async def test_what_no_origin_has_is_not_there(client: httpx2.AsyncClient) -> None:
    for path in ("1.2.3", "1.2.3/series/1.2", "1.2.3/series/1.2/instances/1.1", "1.2.3/metadata"):
        response = await client.get(path)
        assert response.status_code == 404
        assert response.json()["type"] == "urn:isthmus:problem:no-such-object"


async def test_the_rest_of_a_study_follows_when_a_series_of_it_is_opened(
    client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]], bus: Bus
) -> None:
    followed: asyncio.Queue[Retrieve] = asyncio.Queue()

    async def work(running: Running[Retrieve]) -> None:
        followed.put_nowait(running.job)
        await running.acknowledge()

    sites[1].holds([*study[0], *study[1]])
    working = asyncio.create_task(
        jobs.work(bus, streams.JOBS, sites[1].name, Retrieve, work, at_once=1, lane=Lane.BULK)
    )
    await client.get(f"{series_of(study[0][0])}/metadata")
    assert await asyncio.wait_for(followed.get(), PATIENCE) == Retrieve(sites[1].name, study_of(study[0][0]))
    await ended([working])


async def test_pictures_come_from_whichever_has_the_images(
    client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
) -> None:
    sites[0].holds(study[0])
    sites[1].holds(study[1])
    response = await client.get(f"{study_of(study[0][0])}/rendered")
    assert response.status_code == 200
    locations = {part.headers["Content-Location"] for part in parts_of(response)}
    images = [*study[0], *study[1]]
    assert locations == {str(client.base_url.join(f"{instance_of(file)}/rendered")) for file in images}
    assert (await client.get(f"{study_of(study[0][0])}/thumbnail")).status_code == 200
    assert (await client.get(f"{series_of(study[1][0])}/thumbnail")).status_code == 200
    who = identity(study[1][0])
    by_uri = await client.get(
        "../wado",
        params={
            "requestType": "WADO",
            "studyUID": who.study_instance_uid,
            "seriesUID": who.series_instance_uid,
            "objectUID": who.sop_instance_uid,
        },
    )
    assert (by_uri.status_code, by_uri.headers["Content-Type"]) == (200, "image/jpeg")


async def test_a_thumbnail_takes_one_instance_from_one_origin(
    client: httpx2.AsyncClient, sites: list[Site], study: list[list[Path]]
) -> None:
    wanted: list[str | None] = []

    async def deliver(job: Job) -> None:
        wanted.append(job.wanted.instance)
        await Site.deliver(sites[1], job)

    sites[1].holds(study[0])
    sites[1].deliver = deliver  # type: ignore[method-assign]  # counted on its way to the same
    assert (await client.get(f"{study_of(study[0][0])}/thumbnail")).status_code == 200
    assert wanted == [identity(study[0][1]).sop_instance_uid]
