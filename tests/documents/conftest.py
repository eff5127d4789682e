"""A bus for each test: examples have names of their own for what they make on it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from isthmus.cli.subscriber_users import subscribers_of
from isthmus.common.bus import Bus
from isthmus.common.bus.subscribers import keep, subscriptions
from tests.common.bus.server import Server
from tests.documents.subscribers import settings_of_page
from tests.system.commands import PROCESSES


@pytest.fixture(scope="session", autouse=True)
def _processes_of_commands(nothing_is_left_running: None) -> Iterator[None]:
    """What commands are forked from ends with the run."""
    yield
    PROCESSES.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "nats").mkdir()
    own = Server(tmp_path / "nats", subscribers_of(settings_of_page(tmp_path)))
    await own.start()
    yield own
    await own.stop()


@pytest.fixture
async def own_bus(tmp_path: Path, server: Server) -> AsyncIterator[Bus]:
    """With the consumers of subscribers, as arrivals makes them."""
    connection = await Bus.connect(server.settings, "test")
    await keep(connection, subscriptions(settings_of_page(tmp_path)))
    yield connection
    await connection.close()
