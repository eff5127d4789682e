import asyncio

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.config import DicomwebOrigin, Settings
from isthmus.common.errors import OriginUnreachable
from isthmus.common.messages import Echo, EchoDone, Failure
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.qido import routes


async def test_an_unknown_origin_is_404(gateway: httpx2.AsyncClient) -> None:
    for name in ("nowhere", "ALL", "a%20b"):
        response = await gateway.get(f"/aets/{name}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


async def test_an_origin_without_a_worker_does_not_answer(
    gateway: httpx2.AsyncClient, origin_name: str
) -> None:
    response = await gateway.get(f"/aets/{origin_name}")
    assert response.status_code == 503
    answer = response.json()
    assert (answer["name"], answer["ok"]) == (origin_name, False)
    assert answer["latency_ms"] >= 0
    assert answer["detail"]


async def test_an_origin_that_cannot_be_reached_says_why(
    gateway: httpx2.AsyncClient, bus: Bus, origin_name: str
) -> None:
    async def echo(_: Echo) -> EchoDone:
        failure = Failure.of(OriginUnreachable("connection refused", origin=origin_name))
        return EchoDone(latency_ms=1.26, failure=failure)

    await bus.serve(subjects.echo(origin_name), "workers", echo, Echo)
    response = await gateway.get(f"/aets/{origin_name}")
    assert response.status_code == 503
    assert response.json() == {
        "name": origin_name,
        "ok": False,
        "latency_ms": pytest.approx(1.3),
        "detail": "connection refused",
    }


async def test_an_origin_that_answers(gateway: httpx2.AsyncClient, bus: Bus, origin_name: str) -> None:
    asked: list[Echo] = []

    async def echo(message: Echo) -> EchoDone:
        asked.append(message)
        return EchoDone(latency_ms=4.0)

    await bus.serve(subjects.echo(origin_name), "workers", echo, Echo)
    response = await gateway.get(f"/aets/{origin_name}")
    assert response.status_code == 200
    assert response.json() == {"name": origin_name, "ok": True, "latency_ms": 4.0}
    assert asked == [Echo(origin_name)]


async def test_a_dicomweb_server_has_its_own_time_out_to_answer(
    bus: Bus, unused_blobs: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.qido.origins._GRACE_SECONDS", 0.1)
    given = {"name": origin_name, "protocol": "dicomweb", "url": "http://127.0.0.1:1", "ae_title": "CLOUD"}
    settings = Settings(origins=(DicomwebOrigin.model_validate({**given, "timeout_seconds": 10}),))

    async def echo(_: Echo) -> EchoDone:
        await asyncio.sleep(0.5)  # a server that is slow to answer
        return EchoDone(latency_ms=500.0)

    await bus.serve(subjects.echo(origin_name), "workers", echo, Echo)
    transport = httpx2.ASGITransport(application(routes(Parts(settings, bus, unused_blobs))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway:8080") as http:
        response = await http.get(f"/aets/{origin_name}")
    assert response.status_code == 200


async def test_the_origins_are_listed_in_the_order_of_the_settings(
    gateway: httpx2.AsyncClient, origin_name: str
) -> None:
    response = await gateway.get("/aets")
    assert response.json() == [
        {"name": origin_name, "protocol": "dimse", "ae_title": "PACS"},
        {"name": "other", "protocol": "dimse", "ae_title": "OTHER"},
    ]
