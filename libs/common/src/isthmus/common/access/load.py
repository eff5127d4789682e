"""How many requests one client may have under way at a time, at all faces together."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from isthmus.common.access.credentials import peer_of
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


class LimitAddresses:
    """The ASGI layer around the one that tells who sends a request: 429 to an address with too many.

    So finding out who somebody is counts too, and a credential that does not hold is no way past.
    """

    def __init__(
        self,
        app: ASGIApp,
        loads: Loads,
        limits: Limits,
        gateway_secret: str | None = None,
        public: Collection[str] = (),
    ) -> None:
        """Prepare.

        Args:
            app: what follows.
            loads: what is under way.
            limits: how much of it may be.
            gateway_secret: what the gateway shows, so that its word for the address counts.
            public: paths of public resources, such as `/healthz`, which do not count.
        """
        self._app = app
        self._loads = loads
        self._most = limits.max_requests_per_address
        self._gateway_secret = gateway_secret
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; it counts until all of its answer is sent."""
        if scope["type"] != "http" or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        address = peer_of(HTTPConnection(scope), self._gateway_secret).address
        share = Share(f"address:{counted_as(address)}", self._most, "limits.max_requests_per_address")
        await _within(share if address else None, self._loads, self._app, scope, receive, send)


class LimitPrincipals:
    """The ASGI layer inside the one that tells who sends a request: 429 to who has too many under way."""

    def __init__(self, app: ASGIApp, loads: Loads, limits: Limits) -> None:
        self._app = app
        self._loads = loads
        self._most = limits.max_requests_per_principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; it counts until all of its answer is sent."""
        principal = scope.get(PRINCIPAL)
        share = None
        if isinstance(principal, Principal) and principal.is_known:
            share = Share(f"principal:{principal.label}", self._most, "limits.max_requests_per_principal")
        await _within(share, self._loads, self._app, scope, receive, send)


async def _within(
    share: Share | None, loads: Loads, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve a request that counts for a share, if any, or refuse it where that is used up."""
    if share is None:
        await app(scope, receive, send)
    elif loads.of(share.key) >= share.most:
        error = TooManyRequests(
            f"There are {share.most} requests under way already ({share.setting})",
            retry_after=RETRY_SECONDS,
        )
        await problem_response(error)(scope, receive, send)
    else:
        with loads.counting([share.key]):
            await app(scope, receive, send)
