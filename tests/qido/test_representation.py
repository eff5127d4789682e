"""The answer of a search in each of its media types (PS3.18 8.7.3, 10.6.3.3)."""

import asyncio
import gc
import time

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Search
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.xml_model import parse_native_model
from isthmus.common.dicomweb import MediaType, Offer
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.qido import routes
from isthmus.qido.representation import OFFERS, representation
from tests.qido.pacs import Pacs, value_of
from tests.wado.bodies import parts_of


async def test_a_client_that_takes_neither_json_nor_xml_gets_406(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    response = await client.get("studies", headers={"Accept": "application/dicom"})
    assert response.status_code == 406
    assert response.json()["available"] == [
        "application/dicom+json",
        "application/json",
        'multipart/related; type="application/dicom+xml"',
    ]
    assert not pacs.queries


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/dicom+json"),
        ("application/dicom+json", "application/dicom+json"),
        ("application/json", "application/json"),
        ("application/dicom+xml, application/json;q=0.5", "application/json"),
        ('multipart/related; type="application/dicom+xml";q=0.5, application/json', "application/json"),
    ],
)
async def test_the_client_gets_the_json_that_it_takes(
    client: httpx2.AsyncClient, pacs: Pacs, accept: str, content_type: str
) -> None:
    response = await client.get("studies", headers={"Accept": accept})
    assert response.headers["content-type"] == content_type


async def test_8_7_3_3_a_client_that_wants_xml_gets_a_part_for_each_match(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    pacs.holds(studies=2)
    response = await client.get(
        "studies", headers={"Accept": "multipart/related; type=application/dicom+xml"}
    )
    assert response.status_code == 200
    content_type = MediaType.parse(response.headers["content-type"])
    assert content_type.parameter("type") == "application/dicom+xml"
    parts = parts_of(response)
    assert {part.headers["Content-Type"] for part in parts} == {"application/dicom+xml"}
    matches = [parse_native_model(part.content) for part in parts]
    assert [list(match) for match in matches] == [
        list(match) for match in (await client.get("studies")).json()
    ]
    assert [value_of(match, "PatientName") for match in matches] == [
        {"Alphabetic": "Doe^1"},
        {"Alphabetic": "Doe^2"},
    ]
    assert value_of(matches[1], "RetrieveURL") == f"http://gateway:8080/aets/{origin_name}/studies/1.2"


async def test_no_match_has_no_part_and_no_multipart_body_is_without(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    headers = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    response = await client.get("studies", headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    pacs.holds(studies=1)
    response = await client.get("studies?limit=0", headers=headers)
    assert response.status_code == 204
    assert "There are 1 additional results" in response.headers["warning"]


async def test_8_3_4_4_1_no_match_is_204_where_that_is_set(
    bus: Bus, unused_blobs: BlobStore, pacs: Pacs, origin_name: str
) -> None:
    origin = DimseOrigin(name=origin_name, ae_title="PACS", port=104)
    settings = Settings(search=Search(no_matches=204), origins=(origin,))
    transport = httpx2.ASGITransport(application(routes(Parts(settings, bus, unused_blobs))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway:8080") as http:
        response = await http.get(f"/aets/{origin_name}/studies")
        assert (response.status_code, response.content) == (204, b"")
        pacs.holds(studies=1)
        assert (await http.get(f"/aets/{origin_name}/studies")).status_code == 200


@pytest.mark.parametrize("offer", OFFERS)
async def test_others_have_their_turn_while_a_long_answer_is_written(offer: Offer) -> None:
    pacs = Pacs()
    pacs.holds(studies=3_000)
    gc.freeze()  # what else this process has is not the matter here
    written = asyncio.Event()
    watching = asyncio.create_task(longest_hold(written))
    await asyncio.sleep(0)
    try:
        response = await representation(pacs.matches[Level.STUDY], offer)
    finally:
        gc.unfreeze()
        written.set()
    assert len(bytes(response.body)) > 500_000
    assert await watching < 0.05


async def longest_hold(until: asyncio.Event) -> float:
    """Give the CPU time that passed between two turns of this task, at most."""
    longest = 0.0
    while not until.is_set():
        began = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - began)
    return longest
