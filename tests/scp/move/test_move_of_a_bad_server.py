"""C-MOVE from a DICOMweb server that fails: the client hears what it is, within its time-out."""

import asyncio

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.service import Parts
from isthmus.scp.worker import serving
from isthmus.web_scu.worker import worker
from tests.common.webclient.web_origin import Behaviour, Site, says, writes_then_is_silent
from tests.peers import Peer
from tests.scp.conftest import ANY_PORT
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import move, wish

LATER = "Retry-After: 3600"
LONGEST_COMMENT = 64


@pytest.mark.parametrize(
    ("does", "status"),
    [
        (says("204 No Content"), 0xC000),
        (says("400 Bad Request"), 0xA900),
        (says("401 Unauthorized"), 0x0124),
        (says("403 Forbidden"), 0x0124),
        (says("404 Not Found"), 0xC000),
        (says("406 Not Acceptable"), 0x0122),
        (says("429 Too Many Requests", "", LATER), 0xA702),
        (says("500 Internal Server Error"), 0xC000),
        (says("501 Not Implemented"), 0x0112),
        (says("502 Bad Gateway"), 0xC000),
        (says("503 Service Unavailable", "", LATER), 0xA702),
        (says("504 Gateway Timeout"), 0xA702),
        (says("200 OK", "<html>Welcome</html>", kind="text/html"), 0xC000),
        (says("307 Temporary Redirect", "", "Location: /dicom-web/studies"), 0xC000),
        (writes_then_is_silent(), 0xA702),
    ],
)
async def test_the_client_hears_of_it(
    bus: Bus, blobs: BlobStore, origin_name: str, receiver: Receiver, does: Behaviour, status: int
) -> None:
    async with Site().listening() as site:
        site.does(does)
        peer = receiver.peer
        settings = {
            "scp": {
                "listen": ANY_PORT,
                "destinations": [{"ae_title": peer.ae_title, "host": peer.host, "port": peer.port}],
            },
            "origins": [
                {
                    "name": origin_name,
                    "protocol": "dicomweb",
                    "ae_title": "CLOUD",
                    "url": site.url,
                    "timeout_seconds": 0.5,
                }
            ],
        }
        parts = Parts(Settings.model_validate(settings), bus, blobs)
        async with worker(parts), serving(parts) as server:
            called = Peer("CLOUD", "127.0.0.1", server.port)
            wanted = wish("STUDY", StudyInstanceUID="1.2.3")
            answer = await asyncio.wait_for(asyncio.to_thread(move, called, peer.ae_title, wanted), 15)
    assert f"{answer.status:04X}" == f"{status:04X}", answer.comment
    assert 0 < len(answer.comment) <= LONGEST_COMMENT
    assert not receiver.came
    assert not [blob.key async for blob in blobs.list(f"held/{origin_name}")]
