"""C-MOVE and C-GET from a DICOMweb server that fails at once: the client hears what it is, in time."""

import asyncio

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from tests.common.webclient.web_origin import Behaviour, Site, says, writes_then_is_silent
from tests.peers import Peer
from tests.scp.bridge import CLOUD, bridge
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import Answer, wish
from tests.scp.retrieving.conftest import Ask

LATER = "Retry-After: 3600"
LONGEST_COMMENT = 64
CLIENT_WAITS = 15.0
"""Seconds."""

ROWS: dict[str, tuple[Behaviour, int]] = {
    "204": (says("204 No Content"), 0xC000),
    "400": (says("400 Bad Request"), 0xA900),
    "401": (says("401 Unauthorized"), 0x0124),
    "403": (says("403 Forbidden"), 0x0124),
    "404": (says("404 Not Found"), 0xC000),
    "406": (says("406 Not Acceptable"), 0x0122),
    "409": (says("409 Conflict"), 0xC000),
    "410": (says("410 Gone"), 0xC000),
    "413": (says("413 Content Too Large"), 0xA702),
    "415": (says("415 Unsupported Media Type"), 0x0122),
    "429": (says("429 Too Many Requests", "", LATER), 0xA702),
    "500": (says("500 Internal Server Error"), 0xC000),
    "501": (says("501 Not Implemented"), 0x0112),
    "502": (says("502 Bad Gateway"), 0xC000),
    "503": (says("503 Service Unavailable", "", LATER), 0xA702),
    "504": (says("504 Gateway Timeout"), 0xA702),
    "HTML": (says("200 OK", "<html>Welcome</html>", kind="text/html"), 0xC000),
    "a redirect loop": (says("307 Temporary Redirect", "", "Location: /dicom-web/studies"), 0xC000),
    "silence": (writes_then_is_silent(), 0xA702),
}
"""What the server does, and the final status."""


async def test_the_client_hears_of_it(
    bus: Bus, blobs: BlobStore, origin_name: str, receiver: Receiver, ask: Ask
) -> None:
    told: dict[str, Answer] = {}
    async with (
        Site().listening() as site,
        bridge(bus, blobs, origin_name, site.url, destinations=[receiver.peer], timeout_seconds=2) as server,
    ):
        called = Peer(CLOUD, "127.0.0.1", server.port)
        for number, (name, (does, _)) in enumerate(ROWS.items()):
            site.does(does)
            wanted = wish("STUDY", StudyInstanceUID=f"1.2.3.{number}")
            told[name] = await asyncio.wait_for(asyncio.to_thread(ask, called, wanted), CLIENT_WAITS)
    assert {name: f"{one.status:04X}" for name, one in told.items()} == {
        name: f"{status:04X}" for name, (_, status) in ROWS.items()
    }
    assert {
        name: one.comment for name, one in told.items() if not 0 < len(one.comment) <= LONGEST_COMMENT
    } == {}
    assert not receiver.came
    assert not [blob.key async for blob in blobs.list(f"held/{origin_name}")]
