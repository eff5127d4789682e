"""Whether NATS and S3 are there is known to who asks for readiness, and to who watches the metrics."""

import asyncio
import json

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.service.health import health_routes, look, looking
from isthmus.common.service.parts import Parts
from isthmus.common.service.server import application
from isthmus.common.telemetry.instruments import nats_up, s3_up
from isthmus.common.threads import Threads
from tests.common.bus.server import Server, own_bus, server
from tests.measured import measured
from tests.peers import free_port
from tests.waiting import until

__all__ = ["own_bus", "server"]  # fixtures


def forget() -> None:
    nats_up.forget()
    s3_up.forget()


@pytest.fixture(autouse=True)
def nobody_looked() -> None:
    forget()


def answers(text: str | None = None) -> tuple[float | None, float | None]:
    return measured("isthmus_nats_up", text), measured("isthmus_s3_up", text)


async def text_of(path: str, parts: Parts) -> str:
    app = application(health_routes(parts))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service") as http:
        return (await http.get(path)).text


async def test_whoever_asks_for_readiness_learns_that_nats_and_s3_answer(bus: Bus, blobs: BlobStore) -> None:
    parts = Parts(Settings(), bus, blobs)
    assert json.loads(await text_of("/readyz", parts)) == {"ok": True, "nats": True, "s3": True}
    assert answers(await text_of("/metrics", parts)) == (1, 1)


async def test_a_service_looks_without_being_asked_and_metrics_wait_for_no_look(
    bus: Bus, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts(Settings(), bus, blobs)
    assert answers(await text_of("/metrics", parts)) == (None, None)
    monkeypatch.setattr("isthmus.common.service.health.LOOK_SECONDS", 0.01)
    async with looking(parts):
        await until(lambda: asyncio.sleep(0, answers()), lambda numbers: numbers == (1, 1))
        forget()
        await until(lambda: asyncio.sleep(0, answers()), lambda numbers: numbers == (1, 1))


async def test_an_s3_that_is_away_is_told(bus: Bus) -> None:
    threads = Threads("s3", 1)
    blobs = BlobStore(f"127.0.0.1:{free_port()}", "key", "secret", "bucket", threads=threads)
    await look(Parts(Settings(), bus, blobs))
    blobs.close()
    threads.close()
    assert answers() == (1, 0)


async def test_a_nats_that_is_away_is_told(server: Server, own_bus: Bus, blobs: BlobStore) -> None:
    await server.stop()

    async def told() -> tuple[float | None, float | None]:
        await look(Parts(Settings(), own_bus, blobs))
        return answers()

    await until(told, lambda numbers: numbers == (0, 1))
