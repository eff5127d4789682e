"""What tells a supervisor, a balancer and Prometheus how a service is."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from isthmus.common.access import AccessRoute, PublicRoute
from isthmus.common.auth import Right
from isthmus.common.config import ListenAddress
from isthmus.common.service.parts import Parts
from isthmus.common.telemetry import metrics_text
from isthmus.common.telemetry.instruments import nats_up, s3_up

KNOWN_SECONDS: Final = 60.0
"""For how long is told whether NATS and S3 answered: by then somebody has asked again, or nobody asks."""


def health_routes(parts: Parts) -> Sequence[BaseRoute]:
    """Give `/healthz` (the process lives), `/readyz` (its parts answer) and `/metrics`."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"ok": True})

    async def look() -> dict[str, bool]:
        answers = {"nats": parts.bus.connected, "s3": await parts.blobs.healthy()}
        nats_up.set(answers["nats"], lasts=KNOWN_SECONDS)
        s3_up.set(answers["s3"], lasts=KNOWN_SECONDS)
        return answers

    async def readyz(_: Request) -> Response:
        answers = await look()
        return JSONResponse({"ok": all(answers.values()), **answers}, 200 if all(answers.values()) else 503)

    async def metrics(_: Request) -> Response:
        await look()
        return Response(metrics_text(), media_type="text/plain; version=0.0.4")

    # Beyond this machine the numbers are not for everybody: how busy a hospital is, and with whom.
    listen = ListenAddress(parts.settings.http.listen)
    numbers = (
        PublicRoute("/metrics", metrics)
        if listen.is_loopback
        else AccessRoute("/metrics", metrics, right=Right.ADMIN)
    )
    return PublicRoute("/healthz", healthz), PublicRoute("/readyz", readyz), numbers
