"""Metadata and bulkdata that are wrong (PS3.18 10.5.1.4 and 10.5.2): what fails, and what is stored then."""

from pathlib import Path

import httpx2
import pydicom
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.stow import receive
from tests.data_sets import identity, make_series
from tests.stow.payloads import (
    JSON,
    OCTETS,
    OTHERS,
    Part,
    Sent,
    body,
    comments,
    described,
    headers,
    instances,
    metadata,
    reasons,
    uids,
)


class TestBadMetadata:
    """Each instance fails for itself, and the others are stored."""

    async def test_the_reason_names_the_attribute_and_quotes_nothing(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        good, bad = (described(file) for file in series[:2])
        bad.metadata["00280010"]["Value"] = ["secret"]
        parts = [metadata(bad.metadata, good.metadata), *good.parts, *bad.parts]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 202
        assert instances(response) == uids(series[:1]) == list(sent)
        assert instances(response, "00081198") == uids(series[1:2])
        assert reasons(response) == [0xC001]
        assert comments(response) == ["(0028,0010): a value is no integer"]
        assert "secret" not in response.text

    @pytest.mark.parametrize("uids_given", [[], ["1.2", "1.3"], ["1" * 70_000]])
    async def test_what_cannot_be_named_is_another_failure(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path], uids_given: list[str]
    ) -> None:
        good, bad = (pydicom.dcmread(file).to_json_dict() for file in series[:2])
        bad["00080018"]["Value"] = uids_given
        response = await client.post("studies", content=body([metadata(bad, good)]), headers=headers())
        assert response.status_code == 202
        assert reasons(response, OTHERS) == [0xC001]
        assert list(sent) == uids(series[:1])

    async def test_all_of_them_bad_is_409(self, client: httpx2.AsyncClient, series: list[Path]) -> None:
        one = described(series[0])
        response = await client.post("studies", content=body([metadata(one.metadata)]), headers=headers())
        assert response.status_code == 409
        assert reasons(response) == [0xC002]

    async def test_another_study_than_the_urls_is_refused(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path], tmp_path: Path
    ) -> None:
        (other,) = make_series(tmp_path, 1, seed=1)
        ours, others = (pydicom.dcmread(file).to_json_dict() for file in (series[0], other))
        url = f"studies/{identity(series[0]).study_instance_uid}"
        response = await client.post(url, content=body([metadata(others, ours)]), headers=headers())
        assert response.status_code == 202
        assert instances(response) == uids(series[:1])
        assert reasons(response) == [0xA901]

    @pytest.mark.parametrize("content", [b"", b"[]", b"[{}", b"[1]"])
    async def test_metadata_of_which_nothing_can_be_read_are_400(
        self, client: httpx2.AsyncClient, content: bytes
    ) -> None:
        response = await client.post("studies", content=body([Part(content, JSON)]), headers=headers())
        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"


class TestBadBulkdata:
    async def test_bulkdata_that_nothing_refers_to_are_named(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        parts = [metadata(one.metadata), *one.parts, Part(b"more", OCTETS, "more"), Part(b"no location")]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 202
        assert list(sent) == uids(series[:1])
        assert reasons(response, OTHERS) == [0xC005, 0xC005]
        assert comments(response, OTHERS)[0] == "No metadata refer to the bulkdata"

    async def test_two_parts_of_one_location_fail_the_instances_that_refer_to_it(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        good, bad = (described(file) for file in series[:2])
        parts = [metadata(good.metadata, bad.metadata), *good.parts, *bad.parts, *bad.parts]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 202
        assert instances(response) == uids(series[:1])
        assert reasons(response) == [0xC003]
        assert OTHERS not in response.json()

    async def test_the_part_in_which_the_body_ends_is_missing(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        good, bad = (described(file) for file in series[:2])
        parts = [metadata(good.metadata, bad.metadata), *good.parts, *bad.parts]
        response = await client.post("studies", content=body(parts, closed=False)[:-9], headers=headers())
        assert response.status_code == 202
        assert instances(response) == uids(series[:1]) == list(sent)
        assert reasons(response) == [0xC002]
        assert reasons(response, OTHERS) == [0xC000]

    async def test_a_missing_closing_delimiter_is_not_success(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        content = body([metadata(one.metadata), *one.parts, Part(b"x", OCTETS, "x")])[:-4]
        response = await client.post("studies", content=content, headers=headers())
        assert response.status_code == 202

    async def test_metadata_in_which_the_body_ends_are_no_metadata(
        self, client: httpx2.AsyncClient, series: list[Path]
    ) -> None:
        found = [pydicom.dcmread(file).to_json_dict() for file in series]
        content = body([metadata(*found)], closed=False)[:-20]
        response = await client.post("studies", content=content, headers=headers())
        assert response.status_code == 400

    async def test_no_more_is_remembered_of_parts_than_fits_into_memory(
        self, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(receive, "MOST_NOTED_BYTES", 10_000)
        for parts in ([Part(b"x", OCTETS, "l" * 6000)] * 2, [Part(b"", JSON)] * 40):
            response = await client.post("studies", content=body(parts), headers=headers())
            assert response.status_code == 413

    async def test_bulkdata_that_would_be_written_too_often_are_413(
        self,
        client: httpx2.AsyncClient,
        sent: Sent,
        series: list[Path],
        monkeypatch: pytest.MonkeyPatch,
        blobs: BlobStore,
    ) -> None:
        monkeypatch.setattr(receive, "MOST_REPEATED_BYTES", 1000)
        before = [blob.key async for blob in blobs.list("spool/")]
        one = described(series[0]).metadata
        shared = Part(bytes(512), OCTETS, one["7FE00010"]["BulkDataURI"])
        for times, status in ((2, 200), (3, 413)):
            response = await client.post(
                "studies", content=body([metadata(*[one] * times), shared]), headers=headers()
            )
            assert response.status_code == status
        assert len(sent) == 1
        assert [blob.key async for blob in blobs.list("spool/")] == before
