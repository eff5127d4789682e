"""C-STORE through to a DICOMweb server: one that nobody here wrote, and one that misbehaves."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker
from tests.common.webclient.web_origin import Behaviour, Site, says, writes_then_is_silent
from tests.data_sets import make_series
from tests.peers import Orthanc, Peer, storescu
from tests.scp.conftest import ANY_PORT, CT, Sending, send
from tests.scp.modality import committed, failed
from tests.scp.through.test_commitment_of_an_origin import result_of


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("series"), 3)


@asynccontextmanager
async def bridge(
    bus: Bus, blobs: BlobStore, name: str, url: str, **settings: object
) -> AsyncIterator[Server]:
    """Run what is between a DIMSE client and a DICOMweb server."""
    origin = {"name": name, "protocol": "dicomweb", "ae_title": "CLOUD", "url": url, **settings}
    parts = Parts(Settings.model_validate({"scp": {"listen": ANY_PORT}, "origins": [origin]}), bus, blobs)
    async with worker(parts), serving(parts) as server:
        yield server


async def stored(server: Server, files: list[Path]) -> str:
    """Have storescu send files, and give what it said."""
    return (await asyncio.to_thread(storescu, Peer("CLOUD", "127.0.0.1", server.port), files)).log


async def spooled(blobs: BlobStore) -> set[str]:
    return {blob.key async for blob in blobs.list("spool/")}


async def test_what_storescu_sends_orthanc_has(
    bus: Bus, blobs: BlobStore, origin_name: str, empty_orthanc: Orthanc, series: list[Path]
) -> None:
    before = await spooled(blobs)
    async with bridge(bus, blobs, origin_name, f"{empty_orthanc.url}/dicom-web") as server:
        log = await stored(server, series)
    assert log.count("Received Store Response (Success)") == len(series)
    held = await asyncio.to_thread(empty_orthanc.held)
    assert len(held) == len(series)
    pixels = {dcmread(file).SOPInstanceUID: dcmread(file).PixelData for file in series}
    for identifier in held:
        there = dcmread(BytesIO(await asyncio.to_thread(empty_orthanc.file, identifier)))
        assert there.PixelData == pixels[there.SOPInstanceUID]
    assert await spooled(blobs) <= before


async def test_orthanc_commits_by_its_dicomweb_to_what_it_was_sent(
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    empty_orthanc: Orthanc,
    series: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("isthmus.scp.commitment.committer.LOOKS", (0.0,))
    sent = [dcmread(file, specific_tags=["SOPClassUID", "SOPInstanceUID"]) for file in series]
    references = [(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in sent]
    async with bridge(bus, blobs, origin_name, f"{empty_orthanc.url}/dicom-web") as server:
        await stored(server, series)
        result = await result_of(server, *references, (CT, "1.2.3.4.5"), called="CLOUD")
    assert committed(result) == {uid for _, uid in references}
    assert failed(result) == {"1.2.3.4.5": 0x0112}


def module(sequence: str, reason: str = "", value: int = 0) -> str:
    """Write the answer to a store request, with one instance in this sequence (PS3.18 Table I.1-1)."""
    item: dict[str, object] = {
        "00081150": {"vr": "UI", "Value": [CT]},
        "00081155": {"vr": "UI", "Value": ["1.2.3.4"]},
    }
    if reason:
        item[reason] = {"vr": "US", "Value": [value]}
    return json.dumps([{sequence: {"vr": "SQ", "Value": [item]}}])


STORED, FAILED = "00081199", "00081198"
WARNING_REASON, FAILURE_REASON = "00081196", "00081197"
HTML = says("200 OK", "<html>Welcome</html>", kind="text/html")
LATER = "Retry-After: 3600"


@pytest.mark.parametrize(
    ("does", "status"),
    [
        (says("200 OK", module(STORED)), 0x0000),
        (says("202 Accepted", module(STORED, WARNING_REASON, 0xB006)), 0xB006),
        (says("202 Accepted", module(FAILED, FAILURE_REASON, 0xA900)), 0xA900),
        (says("409 Conflict", module(FAILED, FAILURE_REASON, 0x0110)), 0x0110),
        (says("409 Conflict", module(FAILED, FAILURE_REASON, 0xA700)), 0xA700),
        (says("409 Conflict", module(FAILED, FAILURE_REASON, 0xC122)), 0xC122),
        (says("400 Bad Request"), 0xA900),
        (says("401 Unauthorized"), 0x0124),
        (says("403 Forbidden"), 0x0124),
        (says("404 Not Found"), 0xC000),
        (says("406 Not Acceptable"), 0xC122),
        (says("409 Conflict"), 0xC000),
        (says("410 Gone"), 0xC000),
        (says("413 Content Too Large"), 0xA700),
        (says("415 Unsupported Media Type"), 0xC122),
        (says("429 Too Many Requests", "", LATER), 0xA700),
        (says("500 Internal Server Error"), 0xC000),
        (says("501 Not Implemented"), 0x0112),
        (says("502 Bad Gateway"), 0xC000),
        (says("503 Service Unavailable", "", LATER), 0xA700),
        (says("504 Gateway Timeout"), 0xA700),
        (HTML, 0xC000),
        (says("200 OK", "[}"), 0xC000),
        (says("307 Temporary Redirect", "", "Location: /dicom-web/studies"), 0xC000),
        (writes_then_is_silent(), 0xA700),
    ],
)
async def test_whatever_the_server_does_its_sender_hears_of_it(
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    dataset: Callable[..., bytes],
    does: Behaviour,
    status: int,
) -> None:
    before = await spooled(blobs)
    async with Site().listening() as site:
        site.does(does)
        async with bridge(bus, blobs, origin_name, site.url, timeout_seconds=2) as server:
            (result,) = await send(server, Sending(dataset()), calling="CT1", called="CLOUD")
            assert (f"{result.status:04X}", len(result.error_comment) <= 64) == (f"{status:04X}", True)
            assert bool(result.error_comment) == (status != 0)
            site.does(says("200 OK", module(STORED)))
            (again,) = await send(server, Sending(dataset()), calling="CT1", called="CLOUD")
    assert again.status == 0x0000
    assert await spooled(blobs) <= before
