"""What is held already is served without a worker; what lacks is told; what is lost is fetched again."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.messages import BlobRef, Failure, MissingInstance
from isthmus.common.retrieval import Catalogue, HeldInstance, HeldSeries, Manifest
from tests.data_sets import identity
from tests.wado.bodies import broken_body, parts_of
from tests.wado.conftest import Employ
from tests.wado.urls import instance_of, series_of, study_of
from tests.wado.worker import Job, put
from tests.waiting import PATIENCE

AS_HELD = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
REFUSED = Failure("OperationFailed", "no", "pacs", 0xA900, "C-GET")


@pytest.fixture
def catalogue(blobs: BlobStore) -> Catalogue:
    return Catalogue(blobs)


def missing(file: Path) -> MissingInstance:
    who = identity(file)
    return MissingInstance(who.series_instance_uid, who.sop_instance_uid)


def manifest(origin: str, held: list[BlobRef], *lacking: MissingInstance) -> Manifest:
    """A study of one series that was just checked."""
    now = time.time()
    one = HeldSeries(
        held[0].series_instance_uid,
        tuple(HeldInstance(blob, now) for blob in held),
        listed=len(held) + len(lacking),
        checked=now,
        missing=lacking,
        failure=REFUSED if lacking else None,
        tried=now,
    )
    return Manifest(origin, held[0].study_instance_uid, (one,), now)


async def put_all(blobs: BlobStore, origin: str, files: list[Path]) -> list[BlobRef]:
    return [await put(blobs, origin, file.read_bytes()) for file in files]


class TestABlobThatIsLost:
    """Its manifest is withdrawn, so the next request brings the study anew."""

    async def test_is_503_with_retry_after_and_the_next_request_succeeds(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        blobs: BlobStore,
        catalogue: Catalogue,
        origin_name: str,
        series: list[Path],
    ) -> None:
        held = await put_all(blobs, origin_name, series)
        await catalogue.save(manifest(origin_name, held))
        await blobs.delete(held[0].key)
        response = await client.get(study_of(series[0]), headers=AS_HELD)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0

        async def delivers(job: Job) -> None:
            await job.deliver(*series)
            await job.end()

        employ(delivers)
        response = await client.get(study_of(series[0]), headers=AS_HELD)
        assert [part.content for part in parts_of(response)] == [file.read_bytes() for file in series]

    @pytest.mark.parametrize("padding", [0, 5 * 1024 * 1024], ids=["small", "large"])
    async def test_in_the_middle_breaks_the_body_off(
        self,
        client: httpx2.AsyncClient,
        blobs: BlobStore,
        catalogue: Catalogue,
        origin_name: str,
        series: list[Path],
        padding: int,
    ) -> None:
        held = [
            await put(blobs, origin_name, series[0].read_bytes()),
            await put(blobs, origin_name, series[1].read_bytes() + bytes(padding)),
        ]
        await catalogue.save(manifest(origin_name, held))
        await blobs.delete(held[1].key)
        await broken_body(client, study_of(series[0]), AS_HELD)
        assert await catalogue.load(origin_name, study_of(series[0])) is None

    async def test_is_503_for_its_metadata_too(
        self,
        client: httpx2.AsyncClient,
        blobs: BlobStore,
        catalogue: Catalogue,
        origin_name: str,
        series: list[Path],
    ) -> None:
        held = await put_all(blobs, origin_name, series[:1])
        await catalogue.save(manifest(origin_name, held))
        await blobs.delete(held[0].key)
        response = await client.get(f"{instance_of(series[0])}/metadata")
        assert response.status_code == 503
        assert await catalogue.load(origin_name, study_of(series[0])) is None


class TestWhatLacks:
    async def test_is_told_at_once_with_its_reason(
        self,
        client: httpx2.AsyncClient,
        blobs: BlobStore,
        catalogue: Catalogue,
        origin_name: str,
        series: list[Path],
    ) -> None:
        held = await put_all(blobs, origin_name, series[:1])
        await catalogue.save(manifest(origin_name, held, missing(series[1]), missing(series[2])))
        for path in (study_of(series[0]), series_of(series[0])):
            response = await client.get(path, headers=AS_HELD)
            assert response.status_code == 206
            assert response.headers["Warning"] == (
                f"299 {client.base_url.scheme}://{client.base_url.netloc.decode()}/aets/{origin_name}: "
                "2 instances are missing: The origin answered with a failure (DIMSE status A900)"
            )
            assert [part.content for part in parts_of(response)] == [series[0].read_bytes()]

    async def test_is_an_error_where_nothing_else_is_wanted(
        self,
        client: httpx2.AsyncClient,
        blobs: BlobStore,
        catalogue: Catalogue,
        origin_name: str,
        series: list[Path],
    ) -> None:
        held = await put_all(blobs, origin_name, series[:1])
        await catalogue.save(manifest(origin_name, held, missing(series[1])))
        response = await client.get(instance_of(series[1]), headers=AS_HELD)
        assert response.status_code == 502
        assert response.json()["dimse_status"] == "A900"

    async def test_is_not_told_of_an_instance_that_is_there(
        self,
        client: httpx2.AsyncClient,
        blobs: BlobStore,
        catalogue: Catalogue,
        origin_name: str,
        series: list[Path],
    ) -> None:
        held = await put_all(blobs, origin_name, series[:1])
        await catalogue.save(manifest(origin_name, held, missing(series[1])))
        response = await client.get(instance_of(series[0]), headers=AS_HELD)
        assert response.status_code == 200
        assert "Warning" not in response.headers

    async def test_and_was_known_before_the_transfer_is_told_before_it_too(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        async def delivers_two_of_three(job: Job) -> None:
            await job.lack(missing(series[2]), failure=REFUSED)
            await job.deliver(*series[:2])
            await job.end(missing(series[2]), failure=REFUSED)

        employ(delivers_two_of_three)
        response = await client.get(study_of(series[0]), headers=AS_HELD)
        assert response.status_code == 206
        assert "1 instance is missing" in response.headers["Warning"]
        assert [part.content for part in parts_of(response)] == [file.read_bytes() for file in series[:2]]

    async def test_beyond_what_was_told_breaks_the_body_off(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        async def delivers_one_of_three(job: Job) -> None:
            await job.lack(missing(series[2]), failure=REFUSED)
            await job.deliver(series[0])
            await job.end(missing(series[1]), missing(series[2]), failure=REFUSED)

        employ(delivers_one_of_three)
        _, body = await broken_body(client, study_of(series[0]), AS_HELD, 206)
        assert body.endswith(series[0].read_bytes())


@pytest.mark.parametrize("path_of", [study_of, series_of, instance_of])
async def test_what_is_whole_and_fresh_needs_no_worker(
    client: httpx2.AsyncClient,
    blobs: BlobStore,
    catalogue: Catalogue,
    origin_name: str,
    series: list[Path],
    path_of: Callable[[Path], str],
) -> None:
    await catalogue.save(manifest(origin_name, await put_all(blobs, origin_name, series[:1])))
    response = await client.get(path_of(series[0]), headers=AS_HELD)
    assert response.status_code == 200
    assert [part.content for part in parts_of(response)] == [series[0].read_bytes()]


async def test_twenty_clients_of_two_replicas_cause_one_job_and_all_have_the_whole_study(
    client: httpx2.AsyncClient, other_client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    jobs, beginnings = 0, 0
    all_began = asyncio.Event()

    async def delivers(job: Job) -> None:
        nonlocal jobs
        jobs += 1
        await job.deliver(*series)
        await all_began.wait()
        await job.end()

    async def read(replica: httpx2.AsyncClient) -> bytes:
        nonlocal beginnings
        async with replica.stream("GET", study_of(series[0]), headers=AS_HELD) as response:
            chunks = response.aiter_raw()
            body = await anext(chunks)
            beginnings += 1
            if beginnings == 20:
                all_began.set()
            async for chunk in chunks:
                body += chunk
        return body

    employ(delivers)
    async with asyncio.timeout(PATIENCE):
        bodies = await asyncio.gather(*(read(replica) for replica in [client, other_client] * 10))
    assert jobs == 1
    for body in bodies:
        assert all(file.read_bytes() in body for file in series)


async def test_the_length_of_a_study_that_is_held_is_told_beforehand(
    client: httpx2.AsyncClient,
    blobs: BlobStore,
    catalogue: Catalogue,
    origin_name: str,
    series: list[Path],
) -> None:
    held = await put_all(blobs, origin_name, series)
    twice = HeldSeries("1.2.3", (HeldInstance(held[0], time.time()),), 1, time.time())
    whole = manifest(origin_name, held)
    await catalogue.save(replace(whole, series=(*whole.series, twice)))
    response = await client.get(study_of(series[0]), headers=AS_HELD)
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert "Transfer-Encoding" not in response.headers
    assert len(parts_of(response)) == 3
