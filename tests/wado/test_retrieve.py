import asyncio
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.errors import NoSuchObject, OriginTimeout, OriginUnreachable
from isthmus.common.messages import Failure, MissingInstance
from isthmus.common.pixels.syntaxes import JPEG_2000_LOSSLESS, JPEG_LS_LOSSLESS, RLE_LOSSLESS
from tests.data_sets import identity
from tests.wado.bodies import broken_body, parts_of, split
from tests.wado.conftest import Employ
from tests.wado.urls import instance_of, study_of
from tests.wado.worker import Job, put
from tests.waiting import PATIENCE

DICOM_PARTS = 'multipart/related; type="application/dicom"'
AS_HELD = {"Accept": f"{DICOM_PARTS}; transfer-syntax=*"}
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


def missing(file: Path) -> MissingInstance:
    who = identity(file)
    return MissingInstance(who.series_instance_uid, who.sop_instance_uid)


class TestNothingIsOut:
    async def test_an_unknown_origin_is_404(self, client: httpx2.AsyncClient) -> None:
        response = await client.get(client.base_url.join("/aets/elsewhere/studies/1.2"))
        assert response.status_code == 404
        assert response.json()["origin"] == "elsewhere"

    async def test_a_uid_outside_the_grammar_is_400(self, client: httpx2.AsyncClient) -> None:
        response = await client.get("1.2%20or%201")
        assert response.status_code == 400
        assert response.json()["parameter"] == "StudyInstanceUID"

    async def test_a_media_type_that_is_not_there_is_406_and_lists_what_is(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.get("1.2", headers={"Accept": "text/html"})
        assert response.status_code == 406
        octets = 'multipart/related; type="application/octet-stream"'
        assert response.json()["available"] == [DICOM_PARTS, "application/zip", octets]

    async def test_a_study_as_a_single_object_is_406(self, client: httpx2.AsyncClient) -> None:
        response = await client.get("1.2", headers={"Accept": "application/dicom"})
        assert response.status_code == 406

    async def test_an_unknown_study_is_404(self, client: httpx2.AsyncClient, employ: Employ) -> None:
        async def has_none(job: Job) -> None:
            await job.end(failure=Failure.of(NoSuchObject("none")))

        employ(has_none)
        response = await client.get("1.2", headers=AS_HELD)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"

    @pytest.mark.parametrize(("error", "status"), [(OriginUnreachable, 502), (OriginTimeout, 504)])
    async def test_an_origin_that_fails_is_an_error(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        origin_name: str,
        error: type[OriginUnreachable | OriginTimeout],
        status: int,
    ) -> None:
        async def fails(job: Job) -> None:
            await job.end(failure=Failure.of(error("away", origin=origin_name)))

        employ(fails)
        response = await client.get("1.2", headers=AS_HELD)
        assert response.status_code == status
        assert response.json()["origin"] == origin_name

    async def test_a_study_of_which_nothing_is_delivered_is_502(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        async def delivers_nothing(job: Job) -> None:
            await job.end(*(missing(file) for file in series))

        employ(delivers_nothing)
        response = await client.get(study_of(series[0]), headers=AS_HELD)
        assert response.status_code == 502

    async def test_an_instance_whose_blob_is_gone_is_503(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        blobs: BlobStore,
        series: list[Path],
        origin_name: str,
    ) -> None:
        blob = await put(blobs, origin_name, series[0].read_bytes())
        await blobs.delete(blob.key)

        async def announces_what_is_gone(job: Job) -> None:
            await job.announce(blob)
            await job.end()

        employ(announces_what_is_gone)
        response = await client.get(study_of(series[0]), headers=AS_HELD)
        assert response.status_code == 503

    async def test_a_transfer_syntax_in_which_it_cannot_be_had_is_406_and_lists_those_in_which_it_can(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        async def delivers(job: Job) -> None:
            await job.deliver(*series)
            await job.end()

        employ(delivers)
        jpeg = {"Accept": f"{DICOM_PARTS}; transfer-syntax={JPEG_BASELINE}"}
        response = await client.get(study_of(series[0]), headers=jpeg)
        assert response.status_code == 406
        assert response.json()["available"] == [
            f"{DICOM_PARTS}; transfer-syntax={syntax}"
            for syntax in (EXPLICIT_LITTLE_ENDIAN, RLE_LOSSLESS, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS)
        ]

    async def test_a_client_that_leaves_before_the_first_instance_ends_the_interest(
        self, client: httpx2.AsyncClient, employ: Employ
    ) -> None:
        began, noticed = asyncio.Event(), asyncio.Event()

        async def waits(job: Job) -> None:
            began.set()
            await job.nobody_waits()
            noticed.set()
            await job.end()

        employ(waits)
        request = asyncio.create_task(client.get("1.2", headers=AS_HELD))
        await began.wait()
        request.cancel()
        async with asyncio.timeout(PATIENCE):
            await noticed.wait()


class TestBodyIsBrokenOff:
    async def test_when_an_instance_is_missing_at_the_end(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        async def delivers_two_of_three(job: Job) -> None:
            await job.deliver(*series[:2])
            await job.end(missing(series[2]))

        employ(delivers_two_of_three)
        content_type, body = await broken_body(client, study_of(series[0]), AS_HELD)
        parts, rest = split(content_type, body)
        assert [parts[0].content, rest.partition(b"\r\n\r\n")[2]] == [
            file.read_bytes() for file in series[:2]
        ]

    async def test_when_the_origin_fails_in_the_middle(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path], origin_name: str
    ) -> None:
        async def fails(job: Job) -> None:
            await job.deliver(series[0])
            await job.end(failure=Failure.of(OriginTimeout("silent", origin=origin_name)))

        employ(fails)
        _, body = await broken_body(client, study_of(series[0]), AS_HELD)
        assert body.endswith(series[0].read_bytes())

    async def test_when_a_later_instance_cannot_be_had_in_the_syntax_that_was_asked_for(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        blobs: BlobStore,
        series: list[Path],
        origin_name: str,
    ) -> None:
        first = await put(blobs, origin_name, series[0].read_bytes())

        async def delivers(job: Job) -> None:
            await job.announce(replace(first, transfer_syntax_uid=JPEG_BASELINE))
            await job.deliver(series[1])
            await job.end()

        employ(delivers)
        jpeg = {"Accept": f"{DICOM_PARTS}; transfer-syntax={JPEG_BASELINE}"}
        _, body = await broken_body(client, study_of(series[0]), jpeg)
        assert body.endswith(series[0].read_bytes())

    async def test_when_a_large_blob_ends_too_early(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        blobs: BlobStore,
        series: list[Path],
        origin_name: str,
    ) -> None:
        blob = await put(blobs, origin_name, series[0].read_bytes() + bytes(5 * 1024 * 1024))
        await blobs.delete(blob.key)

        async def announces_what_is_gone(job: Job) -> None:
            await job.deliver(series[1])
            await job.announce(blob)
            await job.end()

        employ(announces_what_is_gone)
        await broken_body(client, study_of(series[0]), AS_HELD)

    async def test_and_the_next_request_on_the_client_works(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        complete = False

        async def delivers_all_the_second_time(job: Job) -> None:
            await job.deliver(*series[: None if complete else 1])
            await job.end(*(() if complete else [missing(series[1])]))

        employ(delivers_all_the_second_time)
        await broken_body(client, study_of(series[0]), AS_HELD)
        complete = True
        response = await client.get(study_of(series[0]), headers=AS_HELD)
        assert len(parts_of(response)) == 3


async def test_a_client_that_leaves_in_the_middle_ends_the_interest(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    noticed = asyncio.Event()

    async def sends_one_and_waits(job: Job) -> None:
        await job.deliver(series[0])
        await job.nobody_waits()
        noticed.set()
        await job.end()

    employ(sends_one_and_waits)
    async with client.stream("GET", study_of(series[0]), headers=AS_HELD) as response:
        await anext(response.aiter_raw())
        assert not noticed.is_set()
    async with asyncio.timeout(PATIENCE):
        await noticed.wait()


async def test_the_first_instance_is_sent_while_the_origin_still_sends(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    first_is_here = asyncio.Event()

    async def waits_for_the_client(job: Job) -> None:
        await job.deliver(series[0])
        await first_is_here.wait()
        await job.deliver(*series[1:])
        await job.end()

    employ(waits_for_the_client)
    body = b""
    async with client.stream("GET", study_of(series[0]), headers=AS_HELD) as response:
        async for chunk in response.aiter_raw():
            body += chunk
            if body.endswith(series[0].read_bytes()):
                first_is_here.set()
    parts, rest = split(response.headers["Content-Type"], body)
    assert rest == b"--\r\n"
    assert [part.content for part in parts] == [file.read_bytes() for file in series]


@pytest.mark.parametrize("headers", [AS_HELD, {"Accept": "*/*"}, {"Accept": "multipart/related"}])
async def test_a_study_is_its_instances_byte_for_byte_in_the_order_in_which_they_arrive(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], headers: dict[str, str]
) -> None:
    backwards = series[::-1]

    async def delivers(job: Job) -> None:
        await job.deliver(*backwards)
        await job.end()

    employ(delivers)
    response = await client.get(study_of(series[0]), headers=headers)
    assert response.status_code == 200
    parts = parts_of(response)
    assert [part.content for part in parts] == [file.read_bytes() for file in backwards]
    assert parts[0].headers == {
        "Content-Type": f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}",
        "Content-Length": str(backwards[0].stat().st_size),
    }


async def test_a_series_is_only_its_own_instances(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    wanted = []

    async def delivers(job: Job) -> None:
        wanted.append(job.wanted)
        await job.deliver(*series)
        await job.end()

    employ(delivers)
    who = identity(series[0])
    response = await client.get(f"{who.study_instance_uid}/series/{who.series_instance_uid}", headers=AS_HELD)
    assert len(parts_of(response)) == 3
    assert [(job.study, job.series, job.instance) for job in wanted] == [
        (who.study_instance_uid, who.series_instance_uid, None)
    ]


async def test_an_instance_is_whole_before_its_job_ends(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def delivers_and_goes_on(job: Job) -> None:
        await job.deliver(series[0])
        await job.nobody_waits()
        await job.end()

    employ(delivers_and_goes_on)
    response = await client.get(instance_of(series[0]), headers=AS_HELD)
    assert [part.content for part in parts_of(response)] == [series[0].read_bytes()]


@pytest.mark.parametrize("padding", [0, 9 * 1024 * 1024], ids=["small", "large"])
async def test_an_instance_as_a_single_object_has_its_length(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], padding: int
) -> None:
    content = series[0].read_bytes() + bytes(padding)

    async def delivers(job: Job) -> None:
        await job.deliver(content)
        await job.end()

    employ(delivers)
    single = {"Accept": "application/dicom; transfer-syntax=*"}
    response = await client.get(instance_of(series[0]), headers=single)
    assert response.headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"
    assert response.headers["Content-Length"] == str(len(content))
    assert response.content == content


async def test_a_large_instance_is_streamed_between_small_ones(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    files = [series[0].read_bytes(), series[1].read_bytes() + bytes(9 * 1024 * 1024), series[2].read_bytes()]

    async def delivers(job: Job) -> None:
        await job.deliver(*files)
        await job.end()

    employ(delivers)
    response = await client.get(study_of(series[0]), headers=AS_HELD)
    assert [part.content for part in parts_of(response)] == files


async def test_head_is_the_headers_without_a_body(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def delivers(job: Job) -> None:
        await job.deliver(*series)
        await job.end()

    employ(delivers)
    response = await client.head(study_of(series[0]), headers=AS_HELD)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith(DICOM_PARTS)
    assert response.content == b""
