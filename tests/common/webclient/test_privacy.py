"""What nobody gets to see: secrets, UIDs and values of patients; not in logs, traces, errors and reprs."""

import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.common.webclient import WebClient
from isthmus.common.webclient.credentials import credentials_for
from isthmus.common.webclient.tls import tls_context
from isthmus.common.webclient.transport import elsewhere_client
from tests.common.webclient.web_origin import origin_at, written
from tests.waiting import PATIENCE

PROGRAM = """
import asyncio, logging, sys
from pathlib import Path
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from isthmus.common.errors import IsthmusError
from isthmus.common.telemetry import configure_logging, get_logger
from isthmus.common.telemetry.spans import install
from isthmus.common.webclient import OutgoingPart, WebClient
from tests.common.webclient.http2_site import Http2Site
from tests.common.webclient.web_origin import MULTIPART, Site, multipart, origin_at, says, writes

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
install(provider)
configure_logging("web-scu", "DEBUG")
log = get_logger("isthmus.web_scu")
directory = Path(sys.argv[1])

async def search(client):
    await client.get_json("studies", [("PatientName", "DOE^JOHN")])

async def retrieve(client):
    async with client.stream_parts("studies/1.2.3.4567") as parts:
        async for part in parts:
            async for _ in part:
                pass

async def store(client):
    async def content():
        yield b"DOE^JOHN"
    async def parts():
        yield OutgoingPart(content())
    await client.post_parts("studies/1.2.3.4567", parts)

async def asked(origin):
    async with WebClient(origin) as client:
        for work in (search, retrieve, store):
            try:
                await work(client)
            except IsthmusError:
                log.exception("failed")

async def broken(stream):
    await stream.answer(500, b"DOE^JOHN", x_patient="DOE^JOHN")

async def main():
    token = directory / "token"
    tls = AUTHORITY.server(alpn="h2")
    async with Site().listening() as site, Http2Site(tls, broken).listening() as other:
        for behaviour in (
            says("200 OK", "[]", "X-Patient: DOE^JOHN", "Set-Cookie: a=s3cret"),
            says("200 OK", "DOE^JOHN", kind="text/DOE^JOHN"),
            says("200 OK", '{"DOE^JOHN": 1}'),
            says("200 OK", "--DOE^JOHN\\r\\nDOE^JOHN: DOE^JOHN", kind=MULTIPART),
            says("200 OK", multipart(b"DOE^JOHN").replace(b"Type:", b"Type\\0DOE^JOHN:"), kind=MULTIPART),
            says("200 OK", '<N><DicomAttribute tag="DOE^JOHN"/></N>', kind="application/dicom+xml"),
            says("400 DOE^JOHN", "DOE^JOHN"),
            says("302 There", "", "Location: http://127.0.0.1:9/DOE^JOHN"),
            says("302 There", "", "Location: ftp://DOE^JOHN"),
            writes(b"DOE^JOHN s3cret\\r\\n\\r\\n", ends=True),
            writes(b"HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nDOE", ends=True),
        ):
            site.does(behaviour)
            await asked(origin_at(site.url, token_file=token))
        site.does(says("401 Unauthorized", "s3cret"))
        await asked(origin_at(site.url, user="me", password_file=token))
        oauth2 = {"token_url": site.url, "client_id": "me", "client_secret_file": token}
        await asked(origin_at(site.url, oauth2=oauth2))
        await asked(origin_at(site.url, token_file=directory / "absent"))
        await asked(origin_at(site.url, proxy="http://me:s3cret@127.0.0.1:9"))
        await asked(origin_at(site.url, proxy=f"http://me:s3cret@127.0.0.1:{site.port}"))
        await asked(origin_at(other.url, token_file=token, ca_file=AUTHORITY.certificate))
        await asked(origin_at(other.url, token_file=token))
        assert len(other.streams) == 3, other.streams

from tests.certificates import Authority
AUTHORITY = Authority(directory)
asyncio.run(main())
spans = exporter.get_finished_spans()
assert len(spans) > 20, len(spans)
for span in spans:
    print(span.to_json())
"""


def test_nothing_of_it_is_in_logs_errors_and_traces(tmp_path: Path) -> None:
    written(tmp_path / "token", "s3cret")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count('"failed"') > 20, "failures are logged"
    assert '"http.response.status_code": 500' in done.stdout
    said = f"{done.stderr}{done.stdout}".lower()
    for private in ("s3cret", "doe^", "john", "1.2.3.4567", "cznjcmv0"):
        assert private not in said


@pytest.mark.parametrize("who", ["token_file", "password_file", "oauth2"])
async def test_nothing_of_it_is_in_a_repr(tmp_path: Path, who: str) -> None:
    secret = written(tmp_path / "secret", "s3cret")
    oauth2 = {"token_url": "http://127.0.0.1:9", "client_id": "me", "client_secret_file": secret}
    more: dict[str, object] = {"oauth2": oauth2} if who == "oauth2" else {who: secret}
    more |= {"user": "me"} if who == "password_file" else {}
    origin = origin_at("http://127.0.0.1:9", proxy="http://me:s3cret@127.0.0.1:9", **more)
    tls = tls_context(origin, identified=False)
    async with WebClient(origin) as client, elsewhere_client(origin, tls) as http:
        credentials = credentials_for(origin, http)
        assert credentials is not None
        if who != "oauth2":
            await credentials.authorization()
        for shown in (origin, client, vars(client), credentials, vars(credentials)):
            assert "s3cret" not in repr(shown)
