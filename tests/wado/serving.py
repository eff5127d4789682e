"""The application of a face in a real uvicorn, because only a real connection can be broken off."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import httpx2
from starlette.routing import BaseRoute

from isthmus.common.access.http import Authenticate, anyone
from isthmus.common.auth import Policy
from isthmus.common.config import ListenAddress
from isthmus.common.service import Parts
from isthmus.common.service.server import EVERYBODY, application, server
from tests.waiting import PATIENCE


@asynccontextmanager
async def serving(
    routes: Sequence[BaseRoute], policy: Policy = EVERYBODY, authenticate: Authenticate = anyone
) -> AsyncIterator[str]:
    """Serve on a free port of loopback; gives the base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        app = application(routes, policy=policy, authenticate=authenticate)
        running = server(app, ListenAddress(address))
        # The socket takes connections from here on, the server answers them when it is ready.
        task = asyncio.create_task(running.serve(sockets=[listening]))
        try:
            yield f"http://{address}"
        finally:
            running.should_exit = True
            await task


@asynccontextmanager
async def client_of(
    parts: Parts,
    routes: Callable[[Parts], Sequence[BaseRoute]],
    path: str = "/",
    authenticate: Authenticate = anyone,
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a face with these parts, which it closes, under the rules of their settings.

    URLs of the client are relative to the path.
    """
    async with (
        parts.closing,
        serving(routes(parts), Policy.of(parts.settings), authenticate) as url,
        httpx2.AsyncClient(base_url=f"{url}{path}", timeout=PATIENCE) as http,
    ):
        yield http


async def ended(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel tasks until they end: on Python 3.11 `asyncio.wait_for` may drop a cancellation."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=1)
