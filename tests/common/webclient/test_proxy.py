"""A proxy on the way: with a name and a password of its own, and TLS through it."""

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from isthmus.common.errors import OriginUnreachable
from isthmus.common.webclient import WebClient
from tests.certificates import Authority
from tests.common.webclient.listener import Listener
from tests.common.webclient.web_origin import Site, origin_at, says


class Proxy(Listener):
    """One that makes tunnels (RFC 9110 9.3.6) for who has the password."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[str] = []
        self.answer = "200 Connected"

    @property
    def url(self) -> str:
        return f"http://me:s3cret@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        host, _, port = head.split(" ")[1].rpartition(":")
        writer.write(f"HTTP/1.1 {self.answer}\r\n\r\n".encode())
        if self.answer.startswith("200"):
            there_reader, there = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_pass_on(reader, there), _pass_on(there_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with Proxy().listening() as proxy:
        yield proxy


async def test_tls_goes_through_it(proxy: Proxy, authority: Authority) -> None:
    async with (
        Site(authority.server()).listening() as site,
        WebClient(origin_at(site.url, ca_file=authority.certificate, proxy=proxy.url)) as client,
    ):
        assert len((await client.get_json("studies")).data_sets) == 1
        assert "proxy-authorization" not in site.requests[0].headers
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT 127.0.0.1:{site.port} ")
    assert f"Basic {base64.b64encode(b'me:s3cret').decode()}" in head


async def test_what_is_no_tls_is_asked_of_it(site: Site) -> None:
    """The site plays the proxy."""
    site.does(says("200 OK", "[]"))
    proxy = site.url.replace("http://", "http://me:s3cret@").removesuffix("/dicom-web")
    async with WebClient(origin_at("http://pacs.invalid:8042/dicom-web", proxy=proxy)) as client:
        await client.get_json("studies")
    assert site.requests[0].target == "http://pacs.invalid:8042/dicom-web/studies"
    assert site.requests[0].headers["proxy-authorization"].startswith("Basic ")


async def test_one_that_refuses(proxy: Proxy) -> None:
    proxy.answer = "407 Proxy Authentication Required"
    async with WebClient(origin_at("https://127.0.0.1:9", proxy=proxy.url)) as client:
        with pytest.raises(OriginUnreachable, match="The proxy makes no connection"):
            await client.get_json("studies")


async def test_one_that_is_not_there() -> None:
    async with WebClient(origin_at("https://127.0.0.1:9", proxy="http://127.0.0.1:9")) as client:
        with pytest.raises(OriginUnreachable, match="No connection"):
            await client.get_json("studies")


async def test_none_is_taken_from_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with WebClient(origin_at(site.url)) as client:
        await client.get_json("studies")
