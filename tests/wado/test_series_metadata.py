"""What is kept of the metadata of series: made from what a client was just sent, and served to the next."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore, derived_prefix
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import BlobRef, Failure, MissingInstance
from isthmus.common.retrieval import Catalogue, HeldInstance, HeldSeries, Manifest
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.wado.app import routes
from isthmus.wado.sources import series_metadata
from isthmus.wado.sources.described import Described
from isthmus.wado.sources.series_metadata import SeriesMetadata
from tests.data_sets import identity, make_series
from tests.wado.bodies import broken_body
from tests.wado.conftest import Employ
from tests.wado.serving import client_of
from tests.wado.urls import instance_of, series_of, study_of
from tests.wado.worker import Job, put

REFUSED = Failure("OperationFailed", "no", "pacs", 0xA900, "C-GET")
URL = "http://here/aets/pacs/studies/1.2"

Site = Callable[[], AbstractAsyncContextManager[httpx2.AsyncClient]]


def whole(origin: str, *series: Sequence[BlobRef], lacking: Sequence[MissingInstance] = ()) -> Manifest:
    """A study that was just checked."""
    now = time.time()
    held = tuple(
        HeldSeries(
            blobs[0].series_instance_uid,
            tuple(HeldInstance(blob, now) for blob in blobs),
            listed=len(blobs) + len(lacking),
            checked=now,
            missing=tuple(lacking),
            failure=REFUSED if lacking else None,
            tried=now,
        )
        for blobs in series
    )
    return Manifest(origin, series[0][0].study_instance_uid, held, now)


@pytest.fixture
async def held(blobs: BlobStore, origin_name: str, series: list[Path]) -> list[BlobRef]:
    """The instances of a series, in S3."""
    return [await put(blobs, origin_name, file.read_bytes()) for file in series]


class TestKeeping:
    """The object that keeps, by itself."""

    @pytest.fixture
    def threads(self) -> Iterator[Threads]:
        threads = Threads("test-headers", 2)
        yield threads
        threads.close()

    @pytest.fixture
    def make(self, blobs: BlobStore, threads: Threads) -> Callable[[], SeriesMetadata]:
        """Another process."""
        return lambda: SeriesMetadata(blobs, threads, Described(blobs, threads))

    async def test_nothing_is_kept_of_a_series_with_an_instance_that_cannot_be_read(
        self, make: Callable[[], SeriesMetadata], blobs: BlobStore, origin_name: str, held: list[BlobRef]
    ) -> None:
        await blobs.put(held[1].key, b"This is no DICOM object. " * 100)
        study = whole(origin_name, held)
        await make().keep(study, study.series[0])
        assert await make().kept(study, study.series[0], URL) is None

    async def test_an_s3_that_does_not_take_it_is_no_failure(
        self,
        make: Callable[[], SeriesMetadata],
        monkeypatch: pytest.MonkeyPatch,
        origin_name: str,
        held: list[BlobRef],
    ) -> None:
        async def full(*_: object) -> None:
            raise StoreUnavailable("full")

        monkeypatch.setattr(BlobStore, "put", full)
        study = whole(origin_name, held)
        await make().keep(study, study.series[0])
        assert await make().kept(study, study.series[0], URL) is None

    async def test_what_is_too_large_is_not_kept(
        self,
        make: Callable[[], SeriesMetadata],
        monkeypatch: pytest.MonkeyPatch,
        origin_name: str,
        held: list[BlobRef],
    ) -> None:
        monkeypatch.setattr(series_metadata, "LARGEST", 100)
        monkeypatch.setattr(series_metadata, "_FRAME", 1)
        study = whole(origin_name, held)
        await make().keep(study, study.series[0])
        assert await make().kept(study, study.series[0], URL) is None

    async def test_a_client_who_looks_for_it_and_one_who_keeps_it_do_not_disturb_each_other(
        self, make: Callable[[], SeriesMetadata], origin_name: str, held: list[BlobRef]
    ) -> None:
        process, study = make(), whole(origin_name, held)
        series = study.series[0]
        looked, _ = await asyncio.gather(process.kept(study, series, URL), process.keep(study, series))
        assert looked is None
        assert await process.kept(study, series, URL) is not None

    async def test_a_client_who_looks_for_what_is_being_made_does_not_wait_for_it(
        self,
        make: Callable[[], SeriesMetadata],
        monkeypatch: pytest.MonkeyPatch,
        origin_name: str,
        held: list[BlobRef],
    ) -> None:
        monkeypatch.setattr(series_metadata, "LARGEST", 100)
        monkeypatch.setattr(series_metadata, "_FRAME", 1)
        process, study = make(), whole(origin_name, held)
        series = study.series[0]
        _, looked = await asyncio.gather(process.keep(study, series), process.kept(study, series, URL))
        assert looked is None

    async def test_a_series_that_has_changed_is_another_one(
        self, make: Callable[[], SeriesMetadata], origin_name: str, held: list[BlobRef]
    ) -> None:
        before, after = whole(origin_name, held), whole(origin_name, held[:2])
        await make().keep(before, before.series[0])
        assert await make().kept(after, after.series[0], URL) is None

    @pytest.mark.parametrize("frame", [1, 10_000_000])
    async def test_it_has_every_instance_in_an_order_that_stays(
        self,
        make: Callable[[], SeriesMetadata],
        monkeypatch: pytest.MonkeyPatch,
        origin_name: str,
        held: list[BlobRef],
        frame: int,
    ) -> None:
        monkeypatch.setattr(series_metadata, "_FRAME", frame)
        study, again = whole(origin_name, held), whole(origin_name, held[::-1])
        await make().keep(study, study.series[0])
        for one in (study, again):
            found = await make().kept(one, one.series[0], URL)
            assert found is not None
            objects = json.loads(b"[" + b",".join([text async for text in found]) + b"]")
            uids = [each["00080018"]["Value"][0] for each in objects]
            ordered = sorted(held, key=lambda blob: blob.key)
            assert uids == [blob.sop_instance_uid for blob in ordered]

    async def test_each_client_gets_the_url_by_which_it_reaches_us(
        self, make: Callable[[], SeriesMetadata], origin_name: str, held: list[BlobRef]
    ) -> None:
        study = whole(origin_name, held)
        await make().keep(study, study.series[0])
        for url in (URL, 'https://"quoted":8443/aets/pacs/studies/1.2'):
            found = await make().kept(study, study.series[0], url)
            assert found is not None
            objects = json.loads(b"[" + b",".join([text async for text in found]) + b"]")
            assert all(each["7FE00010"]["BulkDataURI"].startswith(f"{url}/series/") for each in objects)


class TestServing:
    """wado as its clients see it; each `site` is a process that has ended when its block is left."""

    @pytest.fixture
    def catalogue(self, blobs: BlobStore) -> Catalogue:
        return Catalogue(blobs)

    @pytest.fixture
    def site(self, bus: Bus, blobs: BlobStore, origin_name: str) -> Site:
        origin = DimseOrigin(name=origin_name, ae_title="PACS", port=104, prefetch=False)

        def site() -> AbstractAsyncContextManager[httpx2.AsyncClient]:
            parts = Parts(Settings(origins=(origin,)), bus, blobs)
            return client_of(parts, routes, f"/aets/{origin_name}/studies/")

        return site

    @pytest.fixture
    def kept(self, blobs: BlobStore, origin_name: str, series: list[Path]) -> Callable[[], Awaitable[int]]:
        """Count what is kept of the study."""

        async def count() -> int:
            prefix = derived_prefix(origin_name, identity(series[0]).study_instance_uid)
            return len([listed async for listed in blobs.list(prefix)])

        return count

    async def test_a_body_that_broke_off_leaves_nothing(
        self,
        site: Site,
        employ: Employ,
        catalogue: Catalogue,
        kept: Callable[[], Awaitable[int]],
        origin_name: str,
        series: list[Path],
        held: list[BlobRef],
    ) -> None:
        async def delivers_two_of_three(job: Job) -> None:
            await catalogue.save(whole(origin_name, held[:2]))
            await job.deliver(*series[:2])
            who = identity(series[2])
            await job.end(MissingInstance(who.series_instance_uid, who.sop_instance_uid))

        employ(delivers_two_of_three)
        async with site() as client:
            await broken_body(client, f"{study_of(series[0])}/metadata", {})
        assert await kept() == 0

    async def test_a_transfer_whose_manifest_says_otherwise_leaves_nothing(
        self,
        site: Site,
        employ: Employ,
        catalogue: Catalogue,
        kept: Callable[[], Awaitable[int]],
        origin_name: str,
        series: list[Path],
        held: list[BlobRef],
    ) -> None:
        async def delivers_two(job: Job) -> None:
            await job.deliver(*series[:2])
            await catalogue.save(whole(origin_name, held))
            await job.end()

        employ(delivers_two)
        async with site() as client:
            response = await client.get(f"{series_of(series[0])}/metadata")
        assert len(response.json()) == 2
        assert await kept() == 0

    async def test_an_instance_alone_leaves_nothing(
        self,
        site: Site,
        catalogue: Catalogue,
        kept: Callable[[], Awaitable[int]],
        origin_name: str,
        series: list[Path],
        held: list[BlobRef],
    ) -> None:
        await catalogue.save(whole(origin_name, held[:1]))
        async with site() as client:
            response = await client.get(f"{instance_of(series[0])}/metadata")
        assert response.status_code == 200
        assert await kept() == 0

    @pytest.mark.parametrize("path_of", [study_of, series_of])
    async def test_a_whole_transfer_is_kept_for_the_next_request(
        self,
        site: Site,
        employ: Employ,
        catalogue: Catalogue,
        kept: Callable[[], Awaitable[int]],
        origin_name: str,
        series: list[Path],
        held: list[BlobRef],
        path_of: Callable[[Path], str],
    ) -> None:
        async def delivers(job: Job) -> None:
            await job.deliver(*series)
            await catalogue.save(whole(origin_name, held))
            await job.end()

        employ(delivers)
        async with site() as client:
            response = await client.get(f"{path_of(series[0])}/metadata")
        assert len(response.json()) == 3
        assert await kept() == 1

    async def test_what_is_kept_is_served_without_the_instances(
        self, site: Site, blobs: BlobStore, catalogue: Catalogue, origin_name: str, held: list[BlobRef]
    ) -> None:
        await catalogue.save(whole(origin_name, held))
        path = f"{held[0].study_instance_uid}/series/{held[0].series_instance_uid}/metadata"
        async with site() as client:
            made = (await client.get(path)).json()
        for blob in held:
            await blobs.delete(blob.key)
        async with site() as client:
            other = {"Host": "pacs.example", "X-Forwarded-Proto": "https"}
            again = (await client.get(path, headers=other)).json()
        assert len(again) == 3
        for before, after in zip(made, again, strict=True):
            url = after["7FE00010"].pop("BulkDataURI")
            mine = before["7FE00010"].pop("BulkDataURI")
            assert url == "https://pacs.example" + mine[mine.index("/aets/") :]
            assert before == after

    async def test_a_study_is_its_series_whether_they_are_kept_or_not(
        self, site: Site, blobs: BlobStore, catalogue: Catalogue, origin_name: str, tmp_path: Path
    ) -> None:
        series = [make_series(tmp_path, 2, seed=seed, study_uid="1.2.3.4") for seed in (1, 2, 3)]
        held = [[await put(blobs, origin_name, file.read_bytes()) for file in files] for files in series]
        await catalogue.save(whole(origin_name, *held))
        async with site() as client:
            await client.get(f"1.2.3.4/series/{held[1][0].series_instance_uid}/metadata")
        async with site() as client:
            found = (await client.get("1.2.3.4/metadata")).json()
        assert [one["0020000E"]["Value"][0] for one in found] == [
            files[0].series_instance_uid for files in held for _ in range(2)
        ]

    async def test_what_lacks_is_told(
        self, site: Site, catalogue: Catalogue, origin_name: str, series: list[Path], held: list[BlobRef]
    ) -> None:
        who = identity(series[2])
        lacking = MissingInstance(who.series_instance_uid, who.sop_instance_uid)
        await catalogue.save(whole(origin_name, held[:2], lacking=[lacking]))
        for _ in ("made", "kept"):
            async with site() as client:
                response = await client.get(f"{series_of(series[0])}/metadata")
            assert response.status_code == 206
            assert "1 instance is missing" in response.headers["Warning"]
            assert len(response.json()) == 2
