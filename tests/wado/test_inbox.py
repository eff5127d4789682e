"""What is in an inbox is read from S3, without job or worker, as it is now; deletion breaks readers off."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams
from isthmus.common.config import Settings
from isthmus.common.inbox.remove import remove
from isthmus.common.messages import Delete
from isthmus.common.service import Parts
from isthmus.wado.app import routes
from tests.common.inbox.studies import arrived, inbox_of
from tests.common.inbox.studies import study_of as uid_of
from tests.data_sets import make_series
from tests.wado.bodies import AS_HELD, contents, read
from tests.wado.serving import client_of
from tests.wado.urls import instance_of, series_of, study_of


@pytest.fixture
async def gateway(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a wado that knows two inboxes; what is read of others is fresh for an hour."""
    inboxes = (inbox_of(origin_name), inbox_of(f"{origin_name}-2").model_copy(update={"ae_title": "INBOX2"}))
    settings = Settings.model_validate({"origins": inboxes, "cache": {"fresh_seconds": 3600}})
    parts = Parts(settings, bus, blobs)
    async with client_of(parts, routes) as http:
        yield http


async def test_it_is_read_byte_for_byte_at_every_level(
    client: httpx2.AsyncClient, bus: Bus, blobs: BlobStore, origin_name: str, series: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, series)
    for path, files in ((study_of, series), (series_of, series), (instance_of, series[:1])):
        assert contents(await client.get(path(series[0]), headers=AS_HELD)) == read(files)
    metadata = await client.get(f"{series_of(series[0])}/metadata")
    assert len(metadata.json()) == len(series)


async def test_nobody_is_asked_for_what_is_not_there_or_not_read(
    client: httpx2.AsyncClient, bus: Bus, blobs: BlobStore, origin_name: str, series: list[Path]
) -> None:
    before = (await bus.jetstream.stream_info(streams.JOBS)).state.last_seq
    for path in (
        study_of(series[0]),
        f"{instance_of(series[0])}/frames/1",
        f"{study_of(series[0])}/metadata",
    ):
        assert (await client.get(path)).status_code == 404
    await arrived(bus, blobs, origin_name, series[:2])
    assert (await client.get(series_of(series[0]), headers=AS_HELD)).status_code == 200
    assert (await client.get(instance_of(series[2]))).status_code == 404
    assert (await bus.jetstream.stream_info(streams.JOBS)).state.last_seq == before


async def test_what_comes_later_is_there_in_the_next_answer_and_what_goes_is_not(
    client: httpx2.AsyncClient, bus: Bus, blobs: BlobStore, origin_name: str, series: list[Path]
) -> None:
    frame = f"{instance_of(series[0])}/frames/1"
    for count in (1, 2, 3):
        await arrived(bus, blobs, origin_name, series[count - 1 : count])
        assert contents(await client.get(study_of(series[0]), headers=AS_HELD)) == read(series[:count])
        assert (await client.get(frame)).status_code == 200
    await remove(bus, blobs, Delete(origin_name, uid_of(series[0])))
    for path in (study_of(series[0]), instance_of(series[0]), frame, f"{series_of(series[0])}/metadata"):
        assert (await client.get(path)).status_code == 404


async def test_all_origins_know_at_once_what_comes_to_an_inbox_and_goes(
    gateway: httpx2.AsyncClient, bus: Bus, blobs: BlobStore, origin_name: str, series: list[Path]
) -> None:
    url = f"/dicomweb/studies/{study_of(series[0])}"
    other = f"{origin_name}-2"
    assert (await gateway.get(url, headers=AS_HELD)).status_code == 404
    await arrived(bus, blobs, origin_name, series[:1])
    assert contents(await gateway.get(url, headers=AS_HELD)) == read(series[:1])
    await arrived(bus, blobs, other, series[:2])
    assert contents(await gateway.get(url, headers=AS_HELD)) == read(series[:2])
    await arrived(bus, blobs, origin_name, series[2:])
    assert contents(await gateway.get(url, headers=AS_HELD)) == read(series)
    await remove(bus, blobs, Delete(origin_name, uid_of(series[0])))
    assert contents(await gateway.get(url, headers=AS_HELD)) == read(series[:2])
    await remove(bus, blobs, Delete(other, uid_of(series[0])))
    assert (await gateway.get(url, headers=AS_HELD)).status_code == 404


async def test_who_reads_a_study_while_it_is_deleted_is_broken_off(
    client: httpx2.AsyncClient, bus: Bus, blobs: BlobStore, origin_name: str, tmp_path: Path
) -> None:
    files = make_series(tmp_path, 6, rows=1536, columns=1536)
    await arrived(bus, blobs, origin_name, files)
    body = bytearray()
    async with client.stream("GET", study_of(files[0]), headers=AS_HELD) as response:
        assert response.status_code == 200
        chunks = response.aiter_raw()
        body += await anext(chunks)
        assert (await remove(bus, blobs, Delete(origin_name, uid_of(files[0])))).instances == len(files)
        with pytest.raises(httpx2.RemoteProtocolError):
            await _read_into(body, chunks)
    assert len(body) < sum(file.stat().st_size for file in files)
    assert (await client.get(study_of(files[0]))).status_code == 404


async def _read_into(body: bytearray, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        body += chunk
