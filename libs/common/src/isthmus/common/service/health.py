"""What tells a supervisor, a balancer and Prometheus how a service is."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from isthmus.common.service.parts import Parts
from isthmus.common.telemetry import metrics_text


def health_routes(parts: Parts) -> Sequence[BaseRoute]:
    """Give `/healthz` (the process lives), `/readyz` (its parts answer) and `/metrics`."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"ok": True})

    async def readyz(_: Request) -> Response:
        answers = {"nats": parts.bus.connected, "s3": await parts.blobs.healthy()}
        return JSONResponse({"ok": all(answers.values()), **answers}, 200 if all(answers.values()) else 503)

    async def metrics(_: Request) -> Response:
        return Response(metrics_text(), media_type="text/plain; version=0.0.4")

    return Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)
