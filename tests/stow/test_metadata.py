"""Storing metadata and bulkdata (PS3.18 10.5.1.4, 10.5.2)."""

import base64
import json
import subprocess
from pathlib import Path

import httpx2
import pydicom
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.stow import metadata as metadata_module
from tests.data_sets import identity
from tests.stow.payloads import (
    JSON,
    OCTETS,
    OTHERS,
    STORED,
    XML,
    Part,
    Sent,
    body,
    described,
    document,
    headers,
    instances,
    metadata,
    read,
    reasons,
    uids,
)
from tests.stow.worker import Employ, stores


def same(content: bytes, file: Path) -> bool:
    """Whether a file says the same as another, its pixels too."""
    return read(content) == pydicom.dcmread(file)


def dcm2xml(file: Path) -> bytes:
    """Describe a file by DCMTK."""
    return subprocess.run(["dcm2xml", "-q", "-nat", str(file)], check=True, capture_output=True).stdout


class TestJson10514:
    """PS3.18 10.5.1.4: an array of objects in one part."""

    async def test_metadata_and_bulkdata_are_stored_as_instances(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        all_of_it = [described(file) for file in series]
        parts = [metadata(*(one.metadata for one in all_of_it)), *(p for one in all_of_it for p in one.parts)]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200
        assert instances(response) == uids(series)
        assert set(response.json()) == {"00081190", STORED}
        for file in series:
            assert same(sent[identity(file).sop_instance_uid], file)

    async def test_bulkdata_may_come_before_their_metadata_and_in_any_order(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        first, second = (described(file) for file in series[:2])
        parts = [*second.parts, metadata(first.metadata, second.metadata), *first.parts]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200
        assert all(same(sent[identity(file).sop_instance_uid], file) for file in series[:2])

    async def test_one_object_need_not_be_in_an_array(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        parts = [Part(json.dumps(one.metadata, indent=1).encode(), JSON), *one.parts]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200
        assert same(sent.popitem()[1], series[0])

    async def test_an_instance_without_bulkdata_needs_no_other_part(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        found = pydicom.dcmread(series[0]).to_json_dict()
        response = await client.post("studies", content=body([metadata(found)]), headers=headers())
        assert response.status_code == 200
        assert same(sent.popitem()[1], series[0])

    async def test_the_metadata_alone_may_be_the_whole_payload(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        found = [pydicom.dcmread(file).to_json_dict() for file in series]
        response = await client.post(
            "studies", content=json.dumps(found).encode(), headers={"Content-Type": JSON}
        )
        assert response.status_code == 200
        assert list(sent) == uids(series)

    async def test_what_is_shared_by_two_instances_comes_once(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        found = [described(file).metadata for file in series[:2]]
        pixels = bytes(range(256)) * 2
        for one in found:
            one["7FE00010"] = {"vr": "OW", "BulkDataURI": "pixels"}
        parts = [metadata(*found), Part(pixels, OCTETS, "pixels")]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200
        assert [read(content).PixelData for content in sent.values()] == [pixels, pixels]

    async def test_large_metadata_are_read_in_a_process_of_their_own(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        item = {"00081155": {"vr": "UI", "Value": ["1.2.3"]}}
        one.metadata["00081140"] = {"vr": "SQ", "Value": [item] * 10_000}
        part = metadata(one.metadata)
        assert len(part.content) > metadata_module.LARGE_BYTES
        response = await client.post("studies", content=body([part, *one.parts]), headers=headers())
        assert response.status_code == 200
        ds = sent.only()
        assert len(ds.ReferencedImageSequence) == 10_000
        assert ds.PixelData == pydicom.dcmread(series[0]).PixelData

    async def test_a_number_that_is_none_is_taken_as_pydicom_writes_it(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        one.metadata["00720074"] = {"vr": "FD", "Value": [float("nan"), 1.5]}
        parts = [Part(json.dumps([one.metadata]).encode(), JSON), *one.parts]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200
        assert str(sent.only()[0x00720074].value) == "[nan, 1.5]"

    async def test_inline_binary_is_bulkdata_too(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        inline = base64.b64encode(one.parts[0].content).decode()
        one.metadata["7FE00010"] = {"vr": "OW", "InlineBinary": inline}
        response = await client.post("studies", content=body([metadata(one.metadata)]), headers=headers())
        assert response.status_code == 200
        assert same(sent.popitem()[1], series[0])


class TestXml10514:
    """PS3.18 10.5.1.4: one part for each object, in the Native DICOM Model (PS3.19 A.1)."""

    async def test_metadata_and_bulkdata_are_stored_as_instances(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        all_of_it = [described(file) for file in series]
        parts = [part for one in all_of_it for part in (document(one.metadata), *one.parts)]
        response = await client.post("studies", content=body(parts), headers=headers(XML))
        assert response.status_code == 200
        assert instances(response) == uids(series)
        assert all(same(sent[identity(file).sop_instance_uid], file) for file in series)

    async def test_what_dcmtk_writes_with_a_uuid_for_the_pixels_is_stored(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        written = dcm2xml(series[0])
        uuid = written.partition(b'<BulkData uuid="')[2].partition(b'"')[0].decode()
        pixels = pydicom.dcmread(series[0]).PixelData
        parts = [Part(written, XML), Part(pixels, OCTETS, f"urn:uuid:{uuid}")]
        response = await client.post("studies", content=body(parts), headers=headers(XML))
        assert response.status_code == 200
        assert same(sent.popitem()[1], series[0])

    async def test_a_document_with_a_bad_value_names_its_instance(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        bad, good = (pydicom.dcmread(file).to_json_dict() for file in series[:2])
        spoilt = document(bad).content.replace(b'<Value number="1">16</Value>', b"<Value>many</Value>")
        response = await client.post(
            "studies", content=body([Part(spoilt, XML), document(good)]), headers=headers(XML)
        )
        assert response.status_code == 202
        assert instances(response) == uids(series[1:2]) == list(sent)
        assert instances(response, "00081198") == uids(series[:1])
        assert reasons(response) == [0xC001]
        assert "many" not in response.text

    async def test_a_part_that_is_no_document_is_another_failure(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><NativeDicomModel>&a;</NativeDicomModel>'
        good = document(pydicom.dcmread(series[0]).to_json_dict())
        parts = [Part(b"<NativeDicomModel>", XML), Part(bomb, XML), good]
        response = await client.post("studies", content=body(parts), headers=headers(XML))
        assert response.status_code == 202
        assert list(sent) == uids(series[:1])
        assert reasons(response, OTHERS) == [0xC000, 0xC000]


class TestLocations:
    """BulkDataURI and Content-Location are two ways to write the same."""

    async def test_relative_ones_are_those_of_the_request(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        one.metadata["7FE00010"]["BulkDataURI"] = "/bulk/1"
        parts = [metadata(one.metadata), Part(one.parts[0].content, OCTETS, "../../bulk/1")]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200
        assert same(sent.popitem()[1], series[0])

    async def test_an_absolute_one_of_ours_is_the_relative_one(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        one.metadata["7FE00010"]["BulkDataURI"] = str(client.base_url.join("bulk/1"))
        parts = [metadata(one.metadata), Part(one.parts[0].content, OCTETS, "bulk/1")]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200

    async def test_metadata_with_a_location_are_the_base_of_their_uris(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        one.metadata["7FE00010"]["BulkDataURI"] = "pixels"
        located = metadata(one.metadata)._replace(location="http://client/study/metadata")
        parts = [located, Part(one.parts[0].content, OCTETS, "http://client/study/pixels")]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200


class TestHeadersOfParts:
    async def test_names_of_headers_and_types_are_without_regard_to_case(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        content = body([metadata(one.metadata), *one.parts])
        content = content.replace(b"Content-Type:", b"CONTENT-TYPE:").replace(b"Content-Loc", b"content-loc")
        content = content.replace(b"application/dicom+json", b"Application/DICOM+JSON")
        response = await client.post("studies", content=content, headers=headers("Application/DICOM+json"))
        assert response.status_code == 200

    @pytest.mark.parametrize(
        "content_type",
        [
            "multipart/related; type=application/dicom+json; boundary=0123456789abcdef",
            "multipart/related; boundary=0123456789abcdef",
            'Multipart/Related; Boundary="0123456789abcdef"; Type="application/dicom+json"',
            'multipart/related; type="application/dicom+json"; start="<m>"; boundary=0123456789abcdef',
        ],
        ids=["not quoted", "no type", "case", "start"],
    )
    async def test_the_type_may_be_written_in_many_ways(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path], content_type: str
    ) -> None:
        one = described(series[0])
        content = body([metadata(one.metadata), *one.parts])
        response = await client.post("studies", content=content, headers={"Content-Type": content_type})
        assert response.status_code == 200

    @pytest.mark.parametrize("content_type", [None, "application/json"])
    async def test_metadata_that_do_not_say_so_are_known_by_the_type_of_the_whole(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path], content_type: str | None
    ) -> None:
        one = described(series[0])
        parts = [metadata(one.metadata)._replace(content_type=content_type), *one.parts]
        response = await client.post("studies", content=body(parts), headers=headers())
        assert response.status_code == 200

    async def test_the_start_is_metadata_whatever_it_says(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        one = described(series[0])
        root = metadata(one.metadata)._replace(content_type="text/plain\r\nContent-ID: <root>", location="x")
        content_type = headers()["Content-Type"] + '; start="<root>"'
        response = await client.post(
            "studies", content=body([*one.parts, root]), headers={"Content-Type": content_type}
        )
        assert response.status_code == 200

    async def test_objects_without_a_type_are_known_by_their_first_part(
        self, client: httpx2.AsyncClient, sent: Sent, series: list[Path]
    ) -> None:
        parts = [Part(file.read_bytes(), "application/dicom") for file in series]
        response = await client.post("studies", content=body(parts), headers=headers(None))
        assert response.status_code == 200
        assert list(sent) == uids(series)


async def test_what_was_spooled_is_gone_when_the_answer_is_there(
    client: httpx2.AsyncClient, employ: Employ, blobs: BlobStore, series: list[Path]
) -> None:
    employ(stores)
    before = [blob.key async for blob in blobs.list("spool/")]
    one = described(series[0])
    large = Part(bytes(5_000_000), OCTETS, "large")
    response = await client.post(
        "studies", content=body([metadata(one.metadata), *one.parts, large]), headers=headers()
    )
    assert response.status_code == 202
    assert [blob.key async for blob in blobs.list("spool/")] == before
