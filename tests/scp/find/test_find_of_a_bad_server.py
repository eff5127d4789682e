"""C-FIND before a DICOMweb server that fails: the client hears what it is, and the next request works."""

import asyncio
import json

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from tests.certificates import Authority
from tests.common.webclient.web_origin import (
    STUDY,
    Behaviour,
    Site,
    says,
    writes,
    writes_then_is_silent,
)
from tests.scp.bridge import CLOUD, bridge
from tests.scp.find.conftest import Answer, ask, request
from tests.web_scu.dicomweb.archive import Archive, instances

pytestmark = pytest.mark.anyio

LATER = "Retry-After: 3600"
LONGEST_COMMENT = 64
ONE = json.dumps([STUDY])
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 999\r\n\r\n"

Row = tuple[Behaviour, int, int]
"""What the server does, the final status, and how many matches come before it."""

ROWS: dict[str, Row] = {
    "200": (says("200 OK", ONE), 0x0000, 1),
    "200, an object alone": (says("200 OK", json.dumps(STUDY)), 0x0000, 1),
    "200, empty": (says("200 OK", "[]"), 0x0000, 0),
    "204": (says("204 No Content"), 0x0000, 0),
    "404": (says("404 Not Found"), 0x0000, 0),
    "410": (says("410 Gone"), 0x0000, 0),
    "400": (says("400 Bad Request"), 0xA900, 0),
    "401": (says("401 Unauthorized"), 0x0124, 0),
    "403": (says("403 Forbidden"), 0x0124, 0),
    "406": (says("406 Not Acceptable"), 0x0122, 0),
    "409": (says("409 Conflict"), 0xC000, 0),
    "413": (says("413 Content Too Large"), 0xA700, 0),
    "415": (says("415 Unsupported Media Type"), 0x0122, 0),
    "429": (says("429 Too Many Requests", "", LATER), 0xA700, 0),
    "500": (says("500 Internal Server Error"), 0xC000, 0),
    "501": (says("501 Not Implemented"), 0x0112, 0),
    "502": (says("502 Bad Gateway"), 0xC000, 0),
    "503": (says("503 Service Unavailable", "", LATER), 0xA700, 0),
    "504": (says("504 Gateway Timeout"), 0xA700, 0),
    "HTML": (says("200 OK", "<html>Welcome</html>", kind="text/html"), 0xC000, 0),
    "HTML that is called JSON": (says("200 OK", "<html>Welcome</html>"), 0xC000, 0),
    "a string": (says("200 OK", '"Doe^John"'), 0xC000, 0),
    "an array of numbers": (says("200 OK", "[1, 2]"), 0xC000, 0),
    "JSON that breaks off": (says("200 OK", ONE[:-3]), 0xC000, 0),
    "a body that breaks off": (writes(HEAD + ONE[:-1].encode(), ends=True), 0xC000, 0),
    "a redirect loop": (says("307 Temporary Redirect", "", "Location: /dicom-web/studies"), 0xC000, 0),
    "no HTTP": (writes(b"220 mail.example.org\r\n\r\n", ends=True), 0xC000, 0),
    "silence": (writes_then_is_silent(), 0xA700, 0),
    "silence behind a match": (writes_then_is_silent(HEAD + ONE[:-1].encode()), 0xA700, 0),
}


async def test_the_client_hears_of_it_and_the_next_request_works(
    bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    told: dict[str, Answer] = {}
    async with (
        Site().listening() as site,
        bridge(bus, blobs, origin_name, site.url, timeout_seconds=2) as server,
    ):
        for name, (does, _, _) in ROWS.items():
            site.does(does)
            told[name] = await ask(server, request(StudyInstanceUID=""), called=CLOUD)
            site.does(says("200 OK", ONE))
            again = await ask(server, request(StudyInstanceUID=""), called=CLOUD)
            assert (name, again.status, len(again.matches)) == (name, 0x0000, 1)
    assert {name: (hex(one.status), len(one.matches)) for name, one in told.items()} == {
        name: (hex(status), matches) for name, (_, status, matches) in ROWS.items()
    }
    assert {name for name, one in told.items() if one.comment} == {
        name for name, (_, status, _) in ROWS.items() if status
    }
    for one in told.values():
        assert len(one.comment) <= LONGEST_COMMENT
        assert "Doe" not in one.comment


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_a_server_for_which_nobody_vouches(
    bus: Bus, blobs: BlobStore, origin_name: str, authority: Authority
) -> None:
    async with (
        Site(authority.server()).listening() as site,
        bridge(bus, blobs, origin_name, site.url) as server,
    ):
        told = await ask(server, request(StudyInstanceUID=""), called=CLOUD)
        assert not site.requests
    assert (told.status, told.comment, told.matches) == (0xC000, "Its certificate does not verify", [])


async def test_20_clients_at_once(bus: Bus, blobs: BlobStore, origin_name: str) -> None:
    async with Site().listening() as site, bridge(bus, blobs, origin_name, site.url) as server:
        site.does(Archive(instances(30)))
        wanted = [f"1.{number}" for number in range(1, 21)]
        told = await asyncio.gather(
            *(ask(server, request(StudyInstanceUID=uid, PatientID=""), called=CLOUD) for uid in wanted)
        )
    assert [one.status for one in told] == [0x0000] * 20
    assert [[match.StudyInstanceUID for match in one.matches] for one in told] == [[uid] for uid in wanted]
