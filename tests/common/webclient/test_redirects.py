"""Redirects: which are followed, and who we are there."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from isthmus.common.errors import HttpOperationFailed, MalformedAnswer
from isthmus.common.webclient import WebClient
from isthmus.common.webclient.outgoing import GET, Outgoing, is_at, redirected
from tests.common.webclient.web_origin import MULTIPART, Site, multipart, origin_at, says, written


@pytest.fixture
async def other() -> AsyncIterator[Site]:
    """Another server: another port is another origin (RFC 6454)."""
    async with Site().listening() as other:
        yield other


@pytest.fixture
async def known(site: Site, tmp_path: Path) -> AsyncIterator[WebClient]:
    """A client that has a token."""
    token = written(tmp_path / "token", "secret")
    async with WebClient(origin_at(site.url, token_file=token)) as client:
        yield client


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_search_follows_to_another_path(site: Site, known: WebClient, status: int) -> None:
    site.does(says(f"{status} There", "", "Location: /elsewhere?x=1"), says("200 OK", "[]"))
    await known.get_json("studies", [("PatientID", "1")])
    assert [request.target for request in site.requests] == [
        "/dicom-web/studies?PatientID=1",
        "/elsewhere?x=1",
    ]
    assert site.requests[1].headers["authorization"] == "Bearer secret"
    assert site.connections == 1


async def test_at_another_host_we_are_nobody(site: Site, known: WebClient, other: Site) -> None:
    site.does(
        says("307 There", "", f"Location: {other.url.replace('//', '//user:word@')}/x", "Set-Cookie: a=b")
    )
    other.does(says("200 OK", multipart(b"there"), kind=MULTIPART))
    async with known.stream_parts("studies/1.2") as parts:
        assert [[data async for data in part] async for part in parts] == [[b"there"]]
    (request,) = other.requests
    assert not {"authorization", "cookie", "traceparent", "referer"} & request.headers.keys()


async def test_back_at_the_origin_we_are_known_again(site: Site, known: WebClient, other: Site) -> None:
    site.does(says("307 There", "", f"Location: {other.url}/x"), says("200 OK", "[]"))
    other.does(says("307 Back", "", f"Location: {site.url}/y"))
    await known.get_json("studies")
    assert site.requests[1].headers["authorization"] == "Bearer secret"


async def test_a_path_leads_nowhere_else(site: Site, known: WebClient, other: Site) -> None:
    """As a BulkDataURI would, if what an origin writes there were asked for."""
    site.does(says("200 OK", b"DATA", kind="application/octet-stream"))
    async with known.stream_parts(f"{other.url}/bulk/1", "*/*"):
        pass
    assert not other.requests
    assert site.requests[0].target == f"/dicom-web/{other.url}/bulk/1"


async def test_a_circle_ends(site: Site, known: WebClient) -> None:
    site.does(says("302 There", "", "Location: /elsewhere"))
    with pytest.raises(MalformedAnswer, match="More than 5 redirects"):
        await known.get_json("studies")
    assert len(site.requests) == 6


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("", "no URL"),
        ("Location: ftp://example.org/", "no URL"),
        ("Location: file:///etc/passwd", "no URL"),
        ("Location: http://[::1", "no URL"),
        ("Location: http://x:99999/", "no URL"),
        ("X: y", "no URL"),
    ],
)
async def test_what_leads_nowhere(site: Site, known: WebClient, location: str, words: str) -> None:
    site.does(says("302 There", "", *filter(None, [location])), says("200 OK", "[]"))
    with pytest.raises(MalformedAnswer, match=words):
        await known.get_json("studies")
    await known.get_json("studies")


async def test_a_failure_elsewhere_is_one_of_the_origin(site: Site, known: WebClient, other: Site) -> None:
    site.does(says("302 There", "", f"Location: {other.url}/x"))
    other.does(says("401 Unauthorized"))
    with pytest.raises(HttpOperationFailed) as caught:
        await known.get_json("studies")
    assert (caught.value.http_status, caught.value.origin) == (401, "cloud")
    assert len(other.requests) == 1


def test_no_way_leads_out_of_tls() -> None:
    asked = Outgoing(GET, httpx2.URL("https://a/x"), {})
    with pytest.raises(ValueError, match="out of TLS"):
        redirected(asked, 302, "http://a/x", asked.url)


@pytest.mark.parametrize(
    ("url", "home", "same"),
    [
        ("http://a/x", "http://a:80", True),
        ("https://a:443/x", "https://a", True),
        ("https://a/x", "http://a/y", True),
        ("https://a:8443/x", "http://a/y", False),
        ("https://a/x", "http://a:8042/y", False),
        ("http://a:81/x", "http://a/y", False),
        ("http://a.b/x", "http://a/y", False),
        ("https://A/x", "https://a/y", True),
    ],
)
def test_what_is_at_the_origin(url: str, home: str, *, same: bool) -> None:
    assert is_at(httpx2.URL(url), httpx2.URL(home)) is same
