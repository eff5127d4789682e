"""A bus for each test: examples have names of their own for what they make on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.common.bus import Bus
from tests.common.bus.server import Server
from tests.documents.subscribers import subscribers


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "nats").mkdir()
    own = Server(tmp_path / "nats", subscribers(tmp_path))
    await own.start()
    yield own
    await own.stop()


@pytest.fixture
async def own_bus(server: Server) -> AsyncIterator[Bus]:
    connection = await Bus.connect(server.settings, "test")
    yield connection
    await connection.close()
