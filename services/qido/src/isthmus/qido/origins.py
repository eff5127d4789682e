"""The origins that there are, and whether they answer."""

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from isthmus.common.access import access_of
from isthmus.common.bus import Bus
from isthmus.common.bus.echo import echo
from isthmus.common.config import DicomwebOrigin, DimseOrigin
from isthmus.common.errors import UnavailableError
from isthmus.common.messages import EchoDone, Failure
from isthmus.qido.settings import QidoSettings

_GRACE_SECONDS: Final = 5.0
"""Beyond the origin's own time-out, for the worker to say that it passed."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Answers `/aets` and `/aets/{origin}`."""

    settings: QidoSettings
    bus: Bus

    async def index(self, request: Request) -> Response:
        """List the origins that the client may know of, in the order of the settings."""
        names = access_of(request).among(self.settings.origins)
        return JSONResponse(
            [
                {"name": origin.name, "protocol": origin.protocol.value, "ae_title": origin.ae_title}
                for origin in map(self.settings.origin, names)
            ]
        )

    async def check(self, request: Request) -> Response:
        """Tell whether an origin answers now: 200, or 503 with the reason.

        Raises:
            UnknownOrigin: no such origin is configured.
        """
        origin = self.settings.origin(request.path_params["origin"])
        patience = origin.timeout_seconds if isinstance(origin, DimseOrigin | DicomwebOrigin) else 0.0
        done = await self._echo(origin.name, patience + _GRACE_SECONDS)
        answer: dict[str, object] = {
            "name": origin.name,
            "ok": done.failure is None,
            "latency_ms": round(done.latency_ms, 1),
        }
        if done.failure is None:
            return JSONResponse(answer)
        return JSONResponse({**answer, "detail": done.failure.detail}, 503)

    async def _echo(self, name: str, timeout: float) -> EchoDone:
        begun = asyncio.get_running_loop().time()
        try:
            return await echo(self.bus, name, timeout)
        except UnavailableError as error:
            tried = asyncio.get_running_loop().time() - begun
            return EchoDone(tried * 1000, Failure.of(error))
