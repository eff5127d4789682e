"""The HTTP server of a service: uvicorn, under our own signals."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from isthmus.common.access import AccessLayer, PublicRoute
from isthmus.common.access.audit_layer import AuditLayer
from isthmus.common.access.audit_trail import AuditTrail
from isthmus.common.access.http import Authenticate, anyone, check_routes
from isthmus.common.access.load import LimitAddresses, LimitPrincipals
from isthmus.common.auth import Policy
from isthmus.common.bus.loads import Loads
from isthmus.common.config import ListenAddress
from isthmus.common.config.limits import Limits
from isthmus.common.dicomweb.methods import methods_at
from isthmus.common.dicomweb.problem import exception_handlers, handle
from isthmus.common.errors import MethodNotAllowed
from isthmus.common.service.limiting import LimitRequests
from isthmus.common.service.protocol import bounded
from isthmus.common.service.queries import ReadableQueries
from isthmus.common.telemetry import AsgiTracing

DRAIN_SECONDS: Final = 5
"""How long running requests may go on after a stop."""

EVERYBODY: Final = Policy((), ())
"""The rules where there are none."""
DEFAULT_LIMITS: Final = Limits()
ANY_ORIGIN: Final = "*"
CORS_METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")
DELETE: Final = "DELETE"
"""Beside them, for pages of web origins that the settings name: not for every page that somebody opens."""
CORS_EXPOSED: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Location",
    "Content-Range",
    "ETag",
    "Retry-After",
    "Traceresponse",
    "Warning",
)
"""Headers of answers that pages may read, beside those that they always may."""


class Server(uvicorn.Server):
    """A uvicorn that leaves the signals to the service, which has more to stop than the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def application(
    routes: Sequence[BaseRoute],
    cors_origins: Sequence[str] = (),
    inboxes: Collection[str] = (),
    *,
    policy: Policy = EVERYBODY,
    authenticate: Authenticate = anyone,
    limits: Limits = DEFAULT_LIMITS,
    loads: Loads | None = None,
    gateway_secret: str | None = None,
    trail: AuditTrail | None = None,
) -> ASGIApp:
    """Compose the routes with tracing, with who may use them, and with problem+json for whatever fails.

    Args:
        routes: the resources.
        cors_origins: web origins whose pages may ask and read the answers (Fetch standard, CORS protocol), or
            `*`: then none may delete.
        inboxes: names of the origins from which something can be deleted.
        policy: who may do what; by default everybody everything.
        authenticate: tells who sends a request.
        limits: what a request may be, and how many of them a client may have under way.
        loads: what clients have under way; without it that is not bounded.
        gateway_secret: what the gateway shows, so that its word for the address of a client counts.
        trail: where it is recorded who did what; without it nowhere.

    Raises:
        TypeError: a route does not say who may use it.
    """
    check_routes(routes)
    handlers = {**exception_handlers, HTTPException: _handler_that_knows_methods(inboxes)}
    app: ASGIApp = Starlette(routes=list(routes), exception_handlers=handlers)
    app = LimitRequests(app, limits)
    if loads is not None:
        app = LimitPrincipals(app, loads, limits)
    public = {route.path for route in routes if isinstance(route, PublicRoute)}
    app = AccessLayer(app, policy, authenticate, public)
    if loads is not None:
        app = LimitAddresses(app, loads, limits, gateway_secret, public)
    app = ReadableQueries(app)
    if trail is not None:
        app = AuditLayer(app, trail)
    if cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=cors_origins,
            allow_methods=CORS_METHODS if ANY_ORIGIN in cors_origins else (*CORS_METHODS, DELETE),
            allow_headers=("*",),
            expose_headers=CORS_EXPOSED,
        )
    return AsgiTracing(app)


def _handler_that_knows_methods(
    inboxes: Collection[str],
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answer for all faces to a method that a resource does not have: the router knows those of its own."""

    async def handle_http(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = methods_at(request.scope["path"], inboxes)
            if allowed:
                error = MethodNotAllowed("The resource does not have this method", allowed)
        return await handle(request, error)

    return handle_http


def server(app: ASGIApp, listen: ListenAddress, limits: Limits = DEFAULT_LIMITS) -> Server:
    """Make the server; `serve()` runs it until `should_exit` is set.

    Args:
        app: the application.
        listen: where it listens.
        limits: of headers.
    """
    return Server(
        uvicorn.Config(
            app,
            host=listen.host,
            port=listen.port,
            http=bounded(limits),
            ws="none",  # else each Upgrade or CONNECT logs the advice to install a library
            lifespan="off",
            log_config=None,
            access_log=False,  # URLs hold patient data; the trace has the route
            server_header=False,
            proxy_headers=False,  # whom they come from is told by our gateway alone: see access.credentials
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
