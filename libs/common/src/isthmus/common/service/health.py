"""What tells a supervisor, a balancer and Prometheus how a service is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from isthmus.common.access import AccessRoute, PublicRoute
from isthmus.common.auth import Right
from isthmus.common.bus import end_tasks
from isthmus.common.config import ListenAddress
from isthmus.common.service.parts import Parts
from isthmus.common.telemetry import metrics_text
from isthmus.common.telemetry.instruments import nats_up, s3_up

LOOK_SECONDS: Final = 15.0
KNOWN_SECONDS: Final = 3 * LOOK_SECONDS
"""For how long is told whether NATS and S3 answered."""


async def look(parts: Parts) -> dict[str, bool]:
    """Ask NATS and S3 whether they answer, and tell it in metrics."""
    answers = {"nats": parts.bus.connected, "s3": await parts.blobs.healthy()}
    nats_up.set(answers["nats"], lasts=KNOWN_SECONDS)
    s3_up.set(answers["s3"], lasts=KNOWN_SECONDS)
    return answers


@asynccontextmanager
async def looking(parts: Parts) -> AsyncIterator[None]:
    """Look all the while: metrics tell of it at once, and to a collector too, which asks for nothing."""
    keeping = asyncio.create_task(_keep_looking(parts))
    try:
        yield
    finally:
        await end_tasks([keeping])


async def _keep_looking(parts: Parts) -> None:
    while True:
        await look(parts)
        await asyncio.sleep(LOOK_SECONDS)


def health_routes(parts: Parts) -> Sequence[BaseRoute]:
    """Give `/healthz` (the process lives), `/readyz` (its parts answer) and `/metrics`."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"ok": True})

    async def readyz(_: Request) -> Response:
        answers = await look(parts)
        return JSONResponse({"ok": all(answers.values()), **answers}, 200 if all(answers.values()) else 503)

    async def metrics(_: Request) -> Response:
        return Response(metrics_text(), media_type="text/plain; version=0.0.4")

    # Beyond this machine the numbers are not for everybody: how busy a hospital is, and with whom.
    listen = ListenAddress(parts.settings.http.listen)
    numbers = (
        PublicRoute("/metrics", metrics)
        if listen.is_loopback
        else AccessRoute("/metrics", metrics, right=Right.ADMIN)
    )
    return PublicRoute("/healthz", healthz), PublicRoute("/readyz", readyz), numbers
