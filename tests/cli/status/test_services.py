"""What services are told when they are asked how they are."""

from functools import partial

import httpx2
import pytest

from isthmus.cli.run_file import CachePart, NatsPart, ProcessPart, RunFile, S3Part, ScpPart
from isthmus.cli.status.services import ask_services


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
    run = RunFile(
        gateway="http://127.0.0.1:1",
        nats=NatsPart(url="nats://127.0.0.1:1", user="", password=""),
        s3=S3Part(endpoint="127.0.0.1:1", bucket="isthmus", access_key="", secret_key=""),
        scp=ScpPart(ae_title="ISTHMUS", host=host, port=11112),
        cache=CachePart(max_bytes=1),
        services={},
        processes=[ProcessPart(name="scp", address=f"{host}:8000")],
        key="of the operator",
        metrics_key="of numbers",
    )
    (asked,) = await ask_services(run)
    assert asked.numbers is not None
    assert heard == {"/readyz": None, "/metrics": shown}
