import httpx2
import pytest

from isthmus.common.bus import Bus, subjects
from isthmus.common.errors import OriginUnreachable
from isthmus.common.messages import Echo, EchoDone, Failure


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


async def test_the_origins_are_listed_in_the_order_of_the_settings(
    gateway: httpx2.AsyncClient, origin_name: str
) -> None:
    response = await gateway.get("/aets")
    assert response.json() == [
        {"name": origin_name, "protocol": "dimse", "ae_title": "PACS"},
        {"name": "other", "protocol": "dimse", "ae_title": "OTHER"},
    ]
