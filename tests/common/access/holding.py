"""A process whose answers last as long as their clients like, counted together with those of others."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator

from starlette.requests import HTTPConnection, Request
from starlette.responses import StreamingResponse

from isthmus.common.access import AccessRoute, PublicRoute
from isthmus.common.access.credentials import peer_of
from isthmus.common.auth import Kind, Principal, Right
from isthmus.common.bus import Bus
from isthmus.common.bus.loads import shared_loads
from isthmus.common.config import ListenAddress
from isthmus.common.config.limits import Limits
from isthmus.common.config.settings import Nats
from isthmus.common.service.server import application, server

GATEWAY = "of the gateway before these processes"
UNDECIDED = "undecided"


async def hold(_: Request) -> StreamingResponse:
    """Begin an answer that has no end."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.Event().wait()

    return StreamingResponse(chunks())


async def whoever_says_so(connection: HTTPConnection) -> Principal:
    """Believe what the request says; of one it takes for ever to find out who he is."""
    name, address = connection.headers.get("user", ""), peer_of(connection, GATEWAY).address
    if name == UNDECIDED:
        await asyncio.Event().wait()
    return Principal(Kind.USER if name else Kind.ANYONE, name, address=address)


async def serve(nats: Nats, limits: Limits) -> None:
    bus = await Bus.connect(nats, "holding")
    routes = [AccessRoute("/hold", hold, right=Right.RETRIEVE), PublicRoute("/public", hold)]
    async with shared_loads(bus, "wado") as loads:
        app = application(
            routes, authenticate=whoever_says_so, limits=limits, loads=loads, gateway_secret=GATEWAY
        )
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            sys.stdout.write(f"{port}\n")
            sys.stdout.flush()
            await server(app, ListenAddress(f"127.0.0.1:{port}"), limits).serve(sockets=[listening])


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    asyncio.run(serve(Nats(**asked["nats"]), Limits(**asked["limits"])))
