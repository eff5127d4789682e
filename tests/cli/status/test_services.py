"""What services are told when they are asked how they are."""

import asyncio
import ssl
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
import pytest

from isthmus.cli.run_file import CachePart, NatsPart, ProcessPart, RunFile, S3Part, ScpPart
from isthmus.cli.status.model import Health
from isthmus.cli.status.services import ask_gateway, ask_services
from tests.certificates import Authority
from tests.cli.face import Face

RUN: Final = RunFile(
    gateway="http://127.0.0.1:1",
    nats=NatsPart(url="nats://127.0.0.1:1", user="", password=""),
    s3=S3Part(endpoint="127.0.0.1:1", bucket="isthmus", access_key="", secret_key=""),
    scp=ScpPart(ae_title="ISTHMUS", host="127.0.0.1", port=11112),
    cache=CachePart(max_bytes=1),
    services={},
)


@pytest.mark.parametrize(
    ("host", "shown"), [("192.0.2.1", "Bearer of numbers"), ("127.0.0.1", None)], ids=["beyond", "loopback"]
)
async def test_a_service_is_shown_no_key_but_that_for_its_numbers(
    host: str, shown: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, str | None] = {}

    def answer(request: httpx2.Request) -> httpx2.Response:
        heard[request.url.path] = request.headers.get("Authorization")
        return httpx2.Response(
            200, text="# TYPE isthmus_scp_associations gauge\nisthmus_scp_associations 3.0\n"
        )

    client = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(answer))
    monkeypatch.setattr(httpx2, "AsyncClient", client)
    told = {
        "processes": [ProcessPart(name="scp", address=f"{host}:8000")],
        "key": "of the operator",
        "metrics_key": "of numbers",
    }
    (asked,) = await ask_services(RUN.model_copy(update=told))
    assert asked.numbers is not None
    assert heard == {"/readyz": None, "/metrics": shown}


async def test_a_gateway_whose_certificate_nobody_told_us_is_verified_as_clients_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    context, own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), authority.signs("gateway")
    context.load_cert_chain(own.certificate, own.key)
    server = await asyncio.start_server(Face("gateway")._serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    run = RUN.model_copy(update={"gateway": url})
    async with server:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        assert await ask_gateway(run) == (Health.READY, None)
        monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path, "another").certificate))
        assert await ask_gateway(run) == (
            Health.AWAY,
            f"unable to get local issuer certificate at {url}",
        )
