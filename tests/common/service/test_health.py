"""Whether NATS and S3 are there is known to who asks for readiness, and to who watches the metrics."""

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.service.health import health_routes
from isthmus.common.service.parts import Parts
from isthmus.common.service.server import application
from isthmus.common.threads import Threads
from tests.common.bus.server import Server, own_bus, server
from tests.measured import measured
from tests.peers import free_port
from tests.waiting import until

__all__ = ["own_bus", "server"]  # fixtures


async def text_of(path: str, bus: Bus, blobs: BlobStore) -> str:
    app = application(health_routes(Parts(Settings(), bus, blobs)))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service") as http:
        return (await http.get(path)).text


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
async def test_whoever_asks_learns_that_nats_and_s3_answer(path: str, bus: Bus, blobs: BlobStore) -> None:
    await text_of(path, bus, blobs)
    assert (measured("isthmus_nats_up"), measured("isthmus_s3_up")) == (1, 1)


async def test_an_s3_that_is_away_is_told(bus: Bus) -> None:
    threads = Threads("s3", 1)
    blobs = BlobStore(f"127.0.0.1:{free_port()}", "key", "secret", "bucket", threads=threads)
    text = await text_of("/metrics", bus, blobs)
    blobs.close()
    threads.close()
    assert (measured("isthmus_nats_up", text), measured("isthmus_s3_up", text)) == (1, 0)


async def test_a_nats_that_is_away_is_told(server: Server, own_bus: Bus, blobs: BlobStore) -> None:
    await server.stop()

    async def told() -> tuple[float | None, float | None]:
        text = await text_of("/metrics", own_bus, blobs)
        return measured("isthmus_nats_up", text), measured("isthmus_s3_up", text)

    await until(told, lambda numbers: numbers == (0, 1))
