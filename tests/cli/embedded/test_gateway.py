"""The routes of the gateway, with tiny faces behind it that answer with their name."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from isthmus.cli.embedded import EmbeddedGateway
from tests.cli.face import Face
from tests.peers import free_ports
from tests.waiting import PATIENCE

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
METADATA = "/aets/pacs/studies/1.2/metadata"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
GZIP = {"Accept-Encoding": "gzip"}
UNKNOWN = [
    "/",
    "/aets/pacs/",
    "/aets/pacs/patients",
    "/dicomweb/patients",
    "/metrics",
    "/readyz",
    "/healthz/x",
]
ROUTES = [
    ("GET", "/aets", "qido"),
    ("GET", "/aets/pacs", "qido"),
    ("GET", "/aets/pacs/studies?PatientName=A*", "qido"),
    ("GET", "/aets/pacs/series", "qido"),
    ("GET", "/aets/pacs/instances", "qido"),
    ("GET", "/aets/pacs/studies/1.2/series", "qido"),
    ("GET", "/aets/pacs/studies/1.2/instances", "qido"),
    ("GET", "/aets/pacs/studies/1.2/series/3/instances", "qido"),
    ("POST", "/aets/pacs/studies", "stow"),
    ("POST", "/aets/pacs/studies/1.2", "stow"),
    ("GET", "/aets/pacs/studies/1.2", "wado"),
    ("GET", "/aets/pacs/studies/1.2/metadata", "wado"),
    ("GET", "/aets/pacs/studies/1.2/series/3", "wado"),
    ("GET", "/aets/pacs/studies/1.2/series/3/metadata", "wado"),
    ("GET", "/aets/pacs/studies/1.2/series/3/instances/4", "wado"),
    ("GET", "/aets/pacs/studies/1.2/series/3/instances/4/bulkdata/7FE00010", "wado"),
    ("PUT", "/aets/pacs/studies", "qido"),
    ("POST", "/aets/pacs/studies/1.2/series", "qido"),
    ("DELETE", "/aets/pacs/studies/1.2", "stow"),
    ("DELETE", "/aets/pacs/studies/1.2/series/3", "stow"),
    ("DELETE", "/aets/pacs/studies/1.2/series/3/instances/4", "stow"),
    ("DELETE", "/dicomweb/studies/1.2", "stow"),
    ("DELETE", "/aets/pacs/studies/1.2/metadata", "wado"),
    ("DELETE", "/aets/pacs/studies/1.2/series", "qido"),
    ("GET", "/aets/pacs/wado?requestType=WADO", "wado"),
    ("OPTIONS", "/", "qido"),
    ("OPTIONS", "/aets/pacs", "qido"),
    ("GET", "/dicomweb", "qido"),
    ("GET", "/dicomweb/studies", "qido"),
    ("GET", "/dicomweb/series", "qido"),
    ("GET", "/dicomweb/studies/1.2/series/3/instances", "qido"),
    ("POST", "/dicomweb/studies", "stow"),
    ("GET", "/dicomweb/studies/1.2", "wado"),
    ("GET", "/dicomweb/studies/1.2/series/3/instances/4/frames/1", "wado"),
    ("GET", "/dicomweb/wado?requestType=WADO", "wado"),
]


class Gateway:
    """A gateway, the faces behind it, and a client."""

    def __init__(self, server: EmbeddedGateway, faces: dict[str, Face], client: httpx2.AsyncClient) -> None:
        self.server = server
        self.wado = faces["wado"]
        self.stow = faces["stow"]
        self.client = client


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    faces = {name: Face(name) for name in ("qido", "wado", "stow")}
    servers = [await face.start() for face in faces.values()]
    (port,) = free_ports(1)
    server = EmbeddedGateway(
        tmp_path,
        "127.0.0.1",
        port,
        qido=[faces["qido"].address],
        wado=[faces["wado"].address],
        stow=[faces["stow"].address],
    )
    async with server, httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
        yield Gateway(server, faces, client)
    for listening in servers:
        listening.close()


async def test_unknown_paths_are_404_as_problem_json(gateway: Gateway) -> None:
    for path in UNKNOWN:
        response = await gateway.client.get(path)
        assert (path, response.status_code) == (path, 404)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == 404


async def test_it_says_by_itself_that_it_is_well(gateway: Gateway) -> None:
    response = await gateway.client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"ok": True})
    assert not gateway.wado.heads + gateway.stow.heads


async def test_a_viewer_is_served_at_the_root_and_its_pages_are_all_one(tmp_path: Path) -> None:
    (viewer := tmp_path / "a viewer").mkdir()
    (viewer / "index.html").write_text("<html>OHIF</html>")
    (viewer / "code.wasm").write_bytes(b"\0asm")
    (nobody, port), away = free_ports(2), ["127.0.0.1:1"]
    server = EmbeddedGateway(
        tmp_path, "127.0.0.1", port, qido=[f"127.0.0.1:{nobody}"], wado=away, stow=away, viewer=viewer
    )
    async with server, httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
        pages = [await client.get("/"), await client.get("/viewer?StudyInstanceUIDs=1.2", headers=BROWSER)]
        astray = await client.get("/studies?PatientID=1")
        code = await client.get("/code.wasm")
        settings = await client.get("/app-config.js")
        missing = await client.get("/aets/pacs/patients")
    assert [page.text for page in pages] == ["<html>OHIF</html>"] * 2
    assert all(page.headers["cross-origin-opener-policy"] == "same-origin" for page in pages)
    assert all(page.headers["cross-origin-embedder-policy"] == "require-corp" for page in pages)
    assert code.headers["content-type"] == "application/wasm"
    assert "wadoRoot: '/dicomweb'" in settings.text
    assert missing.status_code == 404
    assert (astray.status_code, astray.headers["content-type"]) == (404, "application/problem+json")


async def test_a_face_that_is_started_again_is_waited_for(tmp_path: Path) -> None:
    soon, port = free_ports(2)
    faces = [f"127.0.0.1:{soon}"]
    server = EmbeddedGateway(tmp_path, "127.0.0.1", port, qido=faces, wado=faces, stow=faces)
    async with server, httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
        asking = asyncio.create_task(client.get("/aets/pacs/studies"))
        done, _ = await asyncio.wait([asking], timeout=1)
        assert not done
        listening = await Face("qido").start(soon)
        response = await asking
    listening.close()
    assert (response.status_code, response.text) == (200, "qido")


async def test_a_face_that_is_away_is_503_as_problem_json(tmp_path: Path) -> None:
    nobody, port = free_ports(2)
    away = [f"127.0.0.1:{nobody}"]
    server = EmbeddedGateway(tmp_path, "127.0.0.1", port, qido=away, wado=away, stow=away)
    async with server, httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
        response = await client.get(
            "/aets/pacs/studies?PatientName=Doe", headers={"traceparent": TRACEPARENT}
        )
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "5"
    assert response.json()["title"] == "A part of the gateway is away"
    assert response.json()["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    log = (tmp_path / "gateway.log").read_text()
    assert "Doe" not in log


@pytest.mark.parametrize(
    "body",
    ["no length\r\n", "4\r\npart\r\n0\r\nno trailer\r\n\r\n", f"0\r\n{'a' * 9000}"],
    ids=["no chunk", "no trailer", "a trailer without end"],
)
async def test_chunks_that_are_none_are_the_client_s_fault(
    gateway: Gateway, tmp_path: Path, body: str
) -> None:
    async def wait_for_the_body(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    gateway.stow.handler = wait_for_the_body
    url = gateway.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = "POST /aets/pacs/studies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    writer.write(f"{head}Traceparent: {TRACEPARENT}\r\n\r\n{body}".encode())
    async with asyncio.timeout(PATIENCE):
        answer = await reader.readuntil(b"}")
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Content-Type: application/problem+json" in answer
    assert b"Retry-After" not in answer
    assert b'"trace_id": "0af7651916cd43dd8448eb211c80319c"' in answer
    assert "no trailer" not in (tmp_path / "gateway.log").read_text()


async def test_of_two_replicas_the_one_that_is_there_answers(tmp_path: Path) -> None:
    nobody, port = free_ports(2)
    face = Face("qido")
    listening = await face.start()
    both = [f"127.0.0.1:{nobody}", face.address]
    server = EmbeddedGateway(tmp_path, "127.0.0.1", port, qido=both, wado=both, stow=both)
    async with server, httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
        answers = [(await client.get("/aets")).text for _ in range(4)]
    assert answers == ["qido"] * 4
    listening.close()


async def test_a_body_that_breaks_off_breaks_off_for_the_client_too(gateway: Gateway) -> None:
    async def break_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
        await writer.drain()

    gateway.wado.handler = break_off
    with pytest.raises(httpx2.RemoteProtocolError):
        await gateway.client.get("/aets/pacs/studies/1.2")


@pytest.mark.parametrize("framing", ["chunked", "with a length"])
async def test_json_that_breaks_off_has_no_end_when_it_is_compressed_either(
    gateway: Gateway, framing: str
) -> None:
    body = b"[" + b'{"00080005":{"vr":"CS"}},' * 2000
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n"

    async def break_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if framing == "chunked":
            chunk = b"%x\r\n%b\r\n" % (len(body), body)
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        else:
            writer.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(body) + 1, body))
        await writer.drain()

    gateway.wado.handler = break_off
    inflating = zlib.decompressobj(31)
    received = bytearray()

    async def receive(response: httpx2.Response) -> None:
        async for chunk in response.aiter_raw():
            received.extend(inflating.decompress(chunk))

    async with gateway.client.stream("GET", METADATA, headers=GZIP) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        with pytest.raises(httpx2.RemoteProtocolError):
            await receive(response)
    assert body.startswith(bytes(received))
    assert not inflating.eof


async def test_a_weak_tag_stays_as_it_is_when_the_body_is_compressed(gateway: Gateway) -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nETag: W/"tag"\r\nVary: Accept\r\n'
    body = b"[" + b" " * 10_000 + b"]"

    async def give(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    async def say_it_is_the_same(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: W/"tag"\r\n\r\n')
        await writer.drain()

    gateway.wado.handler = give
    response = await gateway.client.get(METADATA, headers=GZIP)
    assert (response.headers["Content-Encoding"], response.headers["ETag"]) == ("gzip", 'W/"tag"')
    assert response.headers.get_list("Vary", split_commas=True) == ["Accept", "Accept-Encoding"]
    gateway.wado.handler = say_it_is_the_same
    again = await gateway.client.get(METADATA, headers={**GZIP, "If-None-Match": 'W/"other", W/"tag"'})
    assert (again.status_code, again.headers["ETag"]) == (304, 'W/"tag"')
    assert 'if-none-match: w/"other", w/"tag"' in gateway.wado.heads[-1].lower()


async def test_a_client_that_leaves_is_noticed_behind_the_gateway(gateway: Gateway) -> None:
    noticed = asyncio.Event()

    async def go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
        await writer.drain()
        assert await reader.read() == b""
        noticed.set()

    gateway.wado.handler = go_on
    async with gateway.client.stream("GET", "/aets/pacs/studies/1.2") as response:
        assert await anext(response.aiter_raw()) == b"part"
    async with asyncio.timeout(PATIENCE):
        await noticed.wait()


async def test_what_a_face_has_sent_arrives_while_it_still_sends(gateway: Gateway) -> None:
    arrived = asyncio.Event()

    async def wait_in_between(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await arrived.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
        await writer.drain()

    gateway.wado.handler = wait_in_between
    async with gateway.client.stream("GET", "/aets/pacs/studies/1.2") as response:
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"first"
        arrived.set()
        assert await anext(chunks) == b"second"


async def test_what_a_client_has_sent_arrives_while_it_still_sends(gateway: Gateway) -> None:
    arrived = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first")
        arrived.set()
        await reader.readuntil(b"second")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()
        yield b"second"

    gateway.stow.handler = take
    response = await gateway.client.post("/aets/pacs/studies", content=body())
    assert response.status_code == 200


async def test_the_trace_context_and_the_client_s_host_pass(gateway: Gateway) -> None:
    await gateway.client.get("/aets/pacs/studies/1.2", headers={"traceparent": TRACEPARENT})
    head = gateway.wado.heads[-1].lower()
    assert f"traceparent: {TRACEPARENT}" in head
    assert f"host: {gateway.server.url.removeprefix('http://')}" in head
    assert "x-forwarded-for: 127.0.0.1" in head
    assert "x-forwarded-proto: http" in head


async def test_a_host_without_its_port_is_given_it_but_not_behind_a_proxy(gateway: Gateway) -> None:
    port = gateway.server.url.rpartition(":")[2]
    proxied = {"X-Forwarded-For": "192.0.2.1"}
    for host, more, passed in [
        ("127.0.0.1", {}, f"127.0.0.1:{port}"),
        ("[::1]", {}, f"[::1]:{port}"),
        ("gateway:81", {}, "gateway:81"),
        ("gateway", proxied, "gateway"),
    ]:
        await gateway.client.get("/aets/pacs/studies/1.2", headers={"Host": host, **more})
        assert f"\r\nhost: {passed}\r\n" in gateway.wado.heads[-1].lower()


@pytest.mark.parametrize(("method", "path", "face"), ROUTES)
async def test_each_resource_has_its_face(gateway: Gateway, method: str, path: str, face: str) -> None:
    response = await gateway.client.request(method, path)
    assert response.text == face
