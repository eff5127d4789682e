"""How many requests one client may have under way at a time, at all faces together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from isthmus.common.access.http import PRINCIPAL
from isthmus.common.auth import Principal
from isthmus.common.bus.loads import Loads
from isthmus.common.config.limits import Limits
from isthmus.common.config.networks import counted_as
from isthmus.common.dicomweb.problem import problem_response
from isthmus.common.errors import TooManyRequests

RETRY_SECONDS: Final = 1.0
"""Somebody who has many requests under way has one less soon."""


@dataclass(frozen=True, slots=True)
class Share:
    """What somebody is counted by, and how much is his."""

    key: str
    most: int
    setting: str
    """The one that bounds it."""


def shares_of(principal: Principal, limits: Limits) -> Sequence[Share]:
    """Tell by what a request counts: by who sends it, where that is known, and by the address."""
    shares = []
    if principal.address:
        most = limits.max_requests_per_address
        shares.append(
            Share(f"address:{counted_as(principal.address)}", most, "limits.max_requests_per_address")
        )
    if principal.is_known:
        most = limits.max_requests_per_principal
        shares.append(Share(f"principal:{principal.label}", most, "limits.max_requests_per_principal"))
    return shares


class LimitLoad:
    """The ASGI layer inside the one that tells who sends a request: 429 to who has too many under way."""

    def __init__(self, app: ASGIApp, loads: Loads, limits: Limits) -> None:
        self._app = app
        self._loads = loads
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; it counts until all of its answer is sent."""
        principal = scope.get(PRINCIPAL)
        if not isinstance(principal, Principal):  # of a public resource, such as /healthz
            await self._app(scope, receive, send)
            return
        shares = shares_of(principal, self._limits)
        for share in shares:
            if self._loads.of(share.key) >= share.most:
                error = TooManyRequests(
                    f"There are {share.most} requests under way already ({share.setting})",
                    retry_after=RETRY_SECONDS,
                )
                await problem_response(error)(scope, receive, send)
                return
        with self._loads.counting([share.key for share in shares]):
            await self._app(scope, receive, send)
