"""A nats-server of a test's own; `server` and `own_bus` are fixtures for who imports them."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from isthmus.cli.embedded import EmbeddedNats
from isthmus.cli.embedded.nats_conf import NatsUser
from isthmus.common.bus import Bus
from isthmus.common.config.settings import Nats


class Server:
    """A nats-server that can be killed and started again, on the same port and store."""

    def __init__(self, directory: Path, subscribers: Mapping[NatsUser, str] | None = None) -> None:
        self._server = EmbeddedNats(directory, subscribers)
        self._store = directory / "store"

    @property
    def settings(self) -> Nats:
        return Nats(url=self._server.url, user=self._server.user, password=self._server.password)

    def settings_of(self, name: str) -> Nats:
        """Those of one of its users."""
        return Nats(url=self._server.url, user=name, password=self._server.password_of(name))

    async def start(self) -> None:
        await self._server.__aenter__()

    async def kill(self) -> None:
        os.kill(self._server.pid, signal.SIGKILL)
        await self.stop()

    async def stop(self) -> None:
        await self._server.__aexit__(None, None, None)

    def lose_everything(self) -> None:
        shutil.rmtree(self._store)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    own = Server(tmp_path)
    await own.start()
    yield own
    await own.stop()


@pytest.fixture
async def own_bus(server: Server) -> AsyncIterator[Bus]:
    """A connection to it with all rights."""
    connection = await Bus.connect(server.settings, "test")
    yield connection
    await connection.close()
