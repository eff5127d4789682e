"""A system of which each part can be taken away: its own NATS, the S3 of the run, services of a few lines."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from isthmus.cli.embedded import EmbeddedNats
from isthmus.cli.run_file import CachePart, NatsPart, OriginPart, ProcessPart, RunFile, S3Part, ScpPart
from isthmus.cli.status.look import Looker
from isthmus.cli.status.model import Origin, Service, Status
from isthmus.common.bus import Bus
from isthmus.common.bus.echo import serve_echo
from isthmus.common.config.settings import S3, Nats
from isthmus.common.messages import Echo, EchoDone

MAX_BYTES: Final = 50_000_000_000
READY: Final = "200 OK", b'{"ok":true,"nats":true,"s3":true}'
Echoed = Callable[[Echo], Awaitable[EchoDone]]


class Replica:
    """One process of a service, as it answers at its address."""

    def __init__(self) -> None:
        self.readiness: tuple[str, bytes] | None = READY
        """What `/readyz` answers; None: nothing, ever."""
        self.metrics = b""
        self.heads: list[str] = []
        self.address = ""
        self._ended = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Replica":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Answer nothing more, and let nobody connect."""
        self._ended.set()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        said = self.readiness if head.startswith("GET /readyz ") else ("200 OK", self.metrics)
        if said is None:
            await self._ended.wait()
        else:
            status, body = said
            start = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(start.encode() + body)
        writer.close()


class Site:
    """What is written into run.json, and what answers there."""

    def __init__(self, data: Path, nats: EmbeddedNats, s3: S3, stack: AsyncExitStack) -> None:
        self.data = data
        self.nats = nats
        self.nats_settings = Nats(url=nats.url, user=nats.user, password=nats.password)
        self.s3 = s3
        self.gateway = "http://127.0.0.1:1"
        self.processes: list[ProcessPart] = []
        self.origins: list[OriginPart] = []
        self.key = ""
        self.metrics_key = ""
        self._stack = stack
        self._bus: Bus | None = None

    async def replica(self, name: str, *, replica: int = 0, is_known: bool = True) -> Replica:
        """Start a process of a service; as one that the supervisor of this machine knows, or a container."""
        one = await self._stack.enter_async_context(Replica())
        known = {"pid": 2**22 + len(self.processes), "since": 1.7e9} if is_known else {}
        part = {"name": name, "replica": replica, "address": one.address, **known}
        self.processes.append(ProcessPart.model_validate(part))
        return one

    async def with_gateway(self) -> Replica:
        """Start what answers where clients go."""
        one = await self._stack.enter_async_context(Replica())
        self.gateway = f"http://{one.address}"
        return one

    async def bus(self) -> Bus:
        """Give a connection to the NATS of this system."""
        if self._bus is None:
            self._bus = await Bus.connect(self.nats_settings, "test")
            self._stack.push_async_callback(self._bus.close)
        return self._bus

    async def origin(self, name: str, echoed: Echoed | None = None) -> None:
        """Add an origin, and who answers whether it does; without that nobody serves it."""
        self.origins.append(OriginPart(name=name, protocol="dimse"))
        if echoed is not None:
            await serve_echo(await self.bus(), name, echoed)

    def write(self) -> None:
        """Write run.json."""
        s3 = S3Part.model_validate(self.s3.model_dump())
        RunFile(
            gateway=self.gateway,
            nats=NatsPart.model_validate(self.nats_settings.model_dump()),
            s3=s3,
            scp=ScpPart(ae_title="ISTHMUS", host="127.0.0.1", port=11112),
            cache=CachePart(max_bytes=MAX_BYTES),
            services={},
            processes=self.processes,
            origins=self.origins,
            key=self.key,
            metrics_key=self.metrics_key,
        ).write(self.data)

    async def look(self) -> Status:
        """Look once."""
        self.write()
        async with Looker(self.data) as looker:
            return await looker.look()


def service(status: Status, label: str) -> Service:
    """Give one of the services."""
    (found,) = [one for one in status.services if one.label == label]
    return found


def origin(status: Status, name: str) -> Origin:
    """Give one of the origins."""
    (found,) = [one for one in status.origins if one.name == name]
    return found
