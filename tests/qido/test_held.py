"""Available Transfer Syntax UID of what is held here (PS3.18 10.6.3.3.3)."""

import time
from collections.abc import AsyncIterator

import httpx2
import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.dicom.levels import Level
from isthmus.common.messages import BlobRef
from isthmus.common.retrieval import Catalogue, HeldInstance, HeldSeries, Manifest
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.qido import routes
from tests.qido.pacs import Pacs, attributes, value_of

PATH = "studies/1.1/series/1.1.1/instances"


@pytest.fixture
async def archive(
    bus: Bus, blobs: BlobStore, pacs: Pacs, origin_name: str
) -> AsyncIterator[httpx2.AsyncClient]:
    """Of the three instances of the first study the first two are held."""
    pacs.holds(studies=2, instances=3)
    held = [
        HeldInstance(
            BlobRef(blobs.bucket, f"held/{number}", 1, "1.1", "1.1.1", f"1.1.1.{number}", "1.2.3", syntax),
            time.time(),
        )
        for number, syntax in ((1, JPEG2000Lossless), (2, ExplicitVRLittleEndian))
    ]
    await Catalogue(blobs).save(Manifest(origin_name, "1.1", (HeldSeries("1.1.1", tuple(held)),)))
    settings = Settings(origins=(DimseOrigin(name=origin_name, ae_title="PACS", port=104),))
    transport = httpx2.ASGITransport(application(routes(Parts(settings, bus, blobs))))
    async with httpx2.AsyncClient(
        transport=transport, base_url=f"http://gateway/aets/{origin_name}/"
    ) as http:
        yield http


async def syntaxes(client: httpx2.AsyncClient, path: str) -> list[object]:
    return [
        value_of(match, "AvailableTransferSyntaxUID") if "00083002" in match else None
        for match in (await client.get(path)).json()
    ]


@pytest.mark.parametrize("path", [PATH, "studies/1.1/instances"])
async def test_10_6_3_3_3_instances_that_are_held_tell_their_transfer_syntax(
    archive: httpx2.AsyncClient, path: str
) -> None:
    assert await syntaxes(archive, path) == [JPEG2000Lossless, ExplicitVRLittleEndian, None]


@pytest.mark.parametrize("path", ["studies/1.2/instances", "instances", "studies/1.1/series"])
async def test_others_do_not(archive: httpx2.AsyncClient, path: str) -> None:
    assert set(await syntaxes(archive, path)) == {None}


async def test_what_the_origin_says_goes_before(archive: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.matches[Level.IMAGE][0].update(attributes(AvailableTransferSyntaxUID="1.2.840.10008.1.2"))
    assert (await syntaxes(archive, f"{PATH}?includefield=all"))[0] == "1.2.840.10008.1.2"


async def test_a_search_does_not_need_the_store(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=1, instances=2)
    assert await syntaxes(client, PATH) == [None, None]
