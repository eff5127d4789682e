import asyncio
from collections.abc import AsyncIterator, Iterable
from io import BytesIO
from pathlib import Path

import httpx2
import pydicom
import pytest

from isthmus.common.blobs import BlobStore, spool_prefix
from isthmus.common.errors import AssociationRejected, OriginTimeout, OriginUnreachable
from isthmus.common.messages import Failure
from tests.data_sets import identity, make_series, raw_dataset
from tests.stow.payloads import BOUNDARY, FAILED, OTHERS, STORED, instances, reasons, uids
from tests.stow.worker import Employ, Job, stores
from tests.waiting import PATIENCE

MULTIPART = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}
SINGLE = {"Content-Type": "application/dicom"}


def multipart(parts: Iterable[bytes], *, closed: bool = True) -> bytes:
    body = b"".join(
        f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + part for part in parts
    )
    return body + (f"\r\n--{BOUNDARY}--\r\n".encode() if closed else b"")


def contents(files: Iterable[Path]) -> list[bytes]:
    return [file.read_bytes() for file in files]


async def spooled(blobs: BlobStore, job: Job | None = None) -> list[str]:
    """What there is of a job, or of any job, in the spool."""
    prefix = spool_prefix(job.store.job) if job else "spool/"
    return [blob.key async for blob in blobs.list(prefix)]


class TestNothingIsSent:
    """Nobody serves the origin in these tests."""

    async def test_an_unknown_origin_is_404(self, client: httpx2.AsyncClient) -> None:
        url = client.base_url.join("/aets/elsewhere/studies")
        response = await client.post(url, content=b"", headers=MULTIPART)
        assert response.status_code == 404

    async def test_a_uid_outside_the_grammar_is_400(self, client: httpx2.AsyncClient) -> None:
        response = await client.post("studies/1%202", content=b"", headers=MULTIPART)
        assert response.status_code == 400
        assert response.json()["parameter"] == "StudyInstanceUID"

    async def test_a_response_that_is_not_there_is_406(self, client: httpx2.AsyncClient) -> None:
        response = await client.post("studies", content=b"", headers={**MULTIPART, "Accept": "text/plain"})
        assert response.status_code == 406
        assert response.json()["available"] == [
            "application/dicom+json",
            "application/json",
            "application/dicom+xml",
        ]

    @pytest.mark.parametrize(
        "headers",
        [
            {"Content-Type": "application/pdf"},
            {"Content-Type": f'multipart/related; type="image/jpeg"; boundary={BOUNDARY}'},
            {"Content-Type": "application/json"},
            {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
            {"Content-Type": "nonsense"},
            {},
            {**SINGLE, "Content-Encoding": "gzip"},
        ],
    )
    async def test_a_payload_of_another_type_is_415(
        self, client: httpx2.AsyncClient, headers: dict[str, str]
    ) -> None:
        response = await client.post("studies", content=b"something", headers=headers)
        assert response.status_code == 415

    async def test_a_missing_boundary_is_400(self, client: httpx2.AsyncClient) -> None:
        headers = {"Content-Type": 'multipart/related; type="application/dicom"'}
        response = await client.post("studies", content=b"something", headers=headers)
        assert response.status_code == 400

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no boundary at all",
            multipart([]),
            multipart([b"This is no DICOM object. " * 100]),
            multipart([b"neither", b"nor"]),
            multipart([b"not even complete"], closed=False),
        ],
    )
    async def test_a_body_of_which_nothing_can_be_read_is_400(
        self, client: httpx2.AsyncClient, body: bytes
    ) -> None:
        response = await client.post("studies", content=body, headers=MULTIPART)
        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"

    async def test_a_single_part_that_is_no_object_is_400(self, client: httpx2.AsyncClient) -> None:
        response = await client.post("studies", content=b"no object" * 100, headers=SINGLE)
        assert response.status_code == 400

    async def test_another_study_than_the_one_in_the_url_is_refused(
        self, client: httpx2.AsyncClient, series: list[Path]
    ) -> None:
        body = multipart(contents(series))
        response = await client.post("studies/1.2.3", content=body, headers=MULTIPART)
        assert response.status_code == 409
        assert instances(response, FAILED) == uids(series)
        assert reasons(response) == [0xA901] * 3

    async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(
        self, client: httpx2.AsyncClient, blobs: BlobStore, series: list[Path]
    ) -> None:
        sending = asyncio.Event()
        before = await spooled(blobs)

        async def breaks_off() -> AsyncIterator[bytes]:
            yield multipart(contents(series), closed=False)
            sending.set()
            await asyncio.Event().wait()

        request = asyncio.create_task(client.post("studies", content=breaks_off(), headers=MULTIPART))
        await sending.wait()
        async with asyncio.timeout(PATIENCE):
            while await spooled(blobs) == before:
                pass
            request.cancel()
            while await spooled(blobs) != before:
                pass


class TestOriginFails:
    @pytest.mark.parametrize(
        ("error", "status"), [(OriginUnreachable, 502), (AssociationRejected, 502), (OriginTimeout, 504)]
    )
    async def test_no_answer_to_any_instance_is_an_error(
        self,
        client: httpx2.AsyncClient,
        employ: Employ,
        series: list[Path],
        blobs: BlobStore,
        origin_name: str,
        error: type[OriginUnreachable | AssociationRejected | OriginTimeout],
        status: int,
    ) -> None:
        done: list[Job] = []

        async def is_away(job: Job) -> None:
            done.append(job)
            await job.answer_all(0x0110, Failure.of(error("away", origin=origin_name)))

        employ(is_away)
        response = await client.post("studies", content=multipart(contents(series)), headers=MULTIPART)
        assert response.status_code == status
        assert response.json()["origin"] == origin_name
        assert await spooled(blobs, done[0]) == []

    async def test_no_answer_to_some_instances_is_told_for_each(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path], origin_name: str
    ) -> None:
        async def goes_away(job: Job) -> None:
            away = Failure.of(OriginUnreachable("away", origin=origin_name))
            await job.answer(2, 0x0110, away)
            await job.answer(1, 0x0110, away)
            await job.answer(0, 0x0000)
            await job.end()

        employ(goes_away)
        response = await client.post("studies", content=multipart(contents(series)), headers=MULTIPART)
        assert response.status_code == 202
        assert instances(response, STORED) == uids(series[:1])
        assert instances(response, FAILED) == uids(series[1:])
        assert reasons(response) == [0x0110, 0x0110]

    async def test_refusal_of_all_is_409_with_the_reason_of_each(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        async def refuses(job: Job) -> None:
            for index, status in enumerate((0xA900, 0x0122, 0xC122)):
                await job.answer(index, status)
            await job.end()

        employ(refuses)
        response = await client.post("studies", content=multipart(contents(series)), headers=MULTIPART)
        assert response.status_code == 409
        assert reasons(response) == [0xA900, 0x0122, 0xC122]
        assert STORED not in response.json()
        assert OTHERS not in response.json()

    async def test_no_resources_for_any_is_503_and_says_when_to_come_back(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        async def is_full(job: Job) -> None:
            await job.answer_all(0xA700)

        employ(is_full)
        response = await client.post("studies", content=multipart(contents(series)), headers=MULTIPART)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert reasons(response) == [0xA700] * 3


class TestBodyIsPartlyBad:
    async def test_a_part_that_is_no_object_is_named_and_the_others_are_stored(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        employ(stores)
        first, second, third = contents(series)
        body = multipart([first, b"no object", second, b"x" * 2_000_000, third])
        response = await client.post("studies", content=body, headers=MULTIPART)
        assert response.status_code == 202
        assert instances(response, STORED) == uids(series)
        assert reasons(response, OTHERS) == [0xC000, 0xC000]
        assert FAILED not in response.json()

    @pytest.mark.parametrize(
        ("keyword", "told"),
        [
            ("StudyInstanceUID", "Study Instance UID (0020,000D)"),
            ("SOPInstanceUID", "SOP Instance UID (0008,0018)"),
        ],
    )
    async def test_who_sends_one_object_that_lacks_a_uid_is_told_which(
        self, client: httpx2.AsyncClient, series: list[Path], keyword: str, told: str
    ) -> None:
        ds = pydicom.dcmread(series[0])
        delattr(ds, keyword)
        file = BytesIO()
        ds.save_as(file)
        body = multipart([file.getvalue()])
        response = await client.post("studies", content=body, headers=MULTIPART)
        assert response.status_code == 400
        assert response.json()["detail"] == f"The data set has no {told}"

    @pytest.mark.parametrize("cut", [1, 100, 540], ids=["last byte", "in the pixels", "before the pixels"])
    async def test_the_part_in_which_the_body_ends_is_named_and_not_sent(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path], cut: int
    ) -> None:
        employ(stores)
        body = multipart(contents(series), closed=False)[:-cut]
        response = await client.post("studies", content=body, headers=MULTIPART)
        assert response.status_code == 202
        assert instances(response, STORED) == uids(series[:2])
        assert instances(response, FAILED) == uids(series[2:])
        assert reasons(response) == [0xC000]

    async def test_a_missing_closing_delimiter_is_not_success(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        employ(stores)
        body = multipart(contents(series))[:-4]
        response = await client.post("studies", content=body, headers=MULTIPART)
        assert response.status_code == 202

    async def test_of_two_studies_only_the_one_in_the_url_is_sent(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path], tmp_path: Path
    ) -> None:
        employ(stores)
        others = make_series(tmp_path, 1, seed=1)
        study = identity(series[0]).study_instance_uid
        body = multipart(contents([series[0], *others, series[1]]))
        response = await client.post(f"studies/{study}", content=body, headers=MULTIPART)
        assert response.status_code == 202
        assert instances(response, STORED) == uids(series[:2])
        assert instances(response, FAILED) == uids(others)
        assert reasons(response) == [0xA901]


async def test_all_stored_is_200_and_leaves_nothing_in_the_spool(
    client: httpx2.AsyncClient, employ: Employ, blobs: BlobStore, series: list[Path], origin_name: str
) -> None:
    sent = {}
    done: list[Job] = []

    async def stores_and_looks(job: Job) -> None:
        for ref in await job.refs():
            sent[ref.sop_instance_uid] = await blobs.get(ref.key)
            assert ref.size == len(sent[ref.sop_instance_uid])
        done.append(job)
        await job.answer_all(0x0000)

    employ(stores_and_looks)
    response = await client.post("studies", content=multipart(contents(series)), headers=MULTIPART)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/dicom+json"
    assert sent == dict(zip(uids(series), contents(series), strict=True))
    study = identity(series[0]).study_instance_uid
    base = str(client.base_url).rstrip("/")
    assert response.json()["00081190"]["Value"] == [f"{base}/studies/{study}"]
    assert set(response.json()) == {"00081190", STORED}
    assert await spooled(blobs, done[0]) == []


async def test_a_warning_is_202_with_the_reason(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def coerces(job: Job) -> None:
        await job.answer_all(0xB000)

    employ(coerces)
    response = await client.post("studies", content=multipart(contents(series[:1])), headers=MULTIPART)
    assert response.status_code == 202
    assert response.json()[STORED]["Value"][0]["00081196"] == {"vr": "US", "Value": [0xB000]}


async def test_the_same_instance_twice_is_sent_twice_and_reported_twice(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def stores_the_first(job: Job) -> None:
        await job.answer(0, 0x0000)
        await job.answer(1, 0x0111)
        await job.end()

    employ(stores_the_first)
    body = multipart(contents([series[0], series[0]]))
    response = await client.post("studies", content=body, headers=MULTIPART)
    assert response.status_code == 202
    assert instances(response, STORED) == uids(series[:1])
    assert reasons(response) == [0x0111]


async def test_one_object_is_stored_without_multipart(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(stores)
    study = identity(series[0]).study_instance_uid
    response = await client.post(
        f"studies/{study}", content=series[0].read_bytes(), headers={**SINGLE, "Accept": "application/json"}
    )
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert instances(response, STORED) == uids(series[:1])


async def test_a_data_set_without_file_meta_information_gets_a_header(
    client: httpx2.AsyncClient, employ: Employ, blobs: BlobStore, series: list[Path]
) -> None:
    sent = []

    async def stores_and_looks(job: Job) -> None:
        sent.extend([await blobs.get(ref.key) for ref in await job.refs()])
        await job.answer_all(0x0000)

    employ(stores_and_looks)
    dataset = raw_dataset(series[0])
    response = await client.post("studies", content=multipart([dataset]), headers=MULTIPART)
    assert response.status_code == 200
    assert sent[0][128:132] == b"DICM"
    assert raw_dataset(sent[0]) == dataset


async def test_a_large_object_arrives_byte_for_byte(
    client: httpx2.AsyncClient, employ: Employ, blobs: BlobStore, series: list[Path]
) -> None:
    large = series[0].read_bytes() + bytes(range(256)) * 40_000
    sent = []

    async def stores_and_looks(job: Job) -> None:
        sent.extend([await blobs.get(ref.key) for ref in await job.refs()])
        await job.answer_all(0x0000)

    employ(stores_and_looks)

    async def in_chunks() -> AsyncIterator[bytes]:
        body = multipart([large])
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    response = await client.post("studies", content=in_chunks(), headers=MULTIPART)
    assert response.status_code == 200
    assert sent == [large]
