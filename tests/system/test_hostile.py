"""A running system under requests and PDUs that no client would send: some of those of `make fuzz`."""

from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.fuzz.hostile_http import asked
from tests.fuzz.system import Siege, images, store
from tests.system.gateway import Gateway

REQUESTS: Final = 240
CONNECTIONS: Final = 120
SEED: Final = 1
LEFT: Final = 499
"""What Caddy says to a client that it takes for gone, where it notices the end of the connection first."""


@pytest.fixture(scope="module")
def siege(inboxes: Gateway, tmp_path_factory: pytest.TempPathFactory, pushed: list[Path]) -> Siege:
    siege = Siege(inboxes, *images(tmp_path_factory.mktemp("hostile")), SEED)
    pushed += [siege.file, siege.other]
    store(inboxes, siege.file)
    return siege


def test_no_request_makes_the_gateway_fail(siege: Siege) -> None:
    before = siege.gateway.pids
    siege.requests(REQUESTS)
    assert siege.failed == []
    assert {200, 400, 404} <= siege.statuses.keys()
    assert siege.gateway.pids == before
    assert siege.is_well()


def test_no_pdu_makes_scp_fail(siege: Siege) -> None:
    before = siege.gateway.pids
    siege.pdus(CONNECTIONS)
    assert siege.failed == []
    assert siege.associations > 0
    assert siege.gateway.pids == before
    assert siege.is_well()


CHUNKED: Final = b"Transfer-Encoding: chunked\r\n\r\n"
COUNTED: Final = b"Content-Length: 122\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        CHUNKED + b"5\r\nabcde",
        CHUNKED + b"5\r\nabcde\r\n",
        CHUNKED + b"5",
        COUNTED + b"--b",
        COUNTED + b"x" * 121,
    ],
)
def test_a_body_that_breaks_off_is_the_clients_fault(inboxes: Gateway, body: bytes) -> None:
    url = httpx2.URL(inboxes.url)
    head = (
        b"POST /aets/day/studies HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
        b'Content-Type: multipart/related; type="application/dicom"; boundary=b\r\n'
    )
    ((status, answer),) = asked((url.host, url.port or 80), head + body)
    assert status in {400, LEFT}, answer
