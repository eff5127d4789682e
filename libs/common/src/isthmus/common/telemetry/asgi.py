"""One SERVER span for each HTTP request, and what is measured of it, by OpenTelemetry's conventions for HTTP.

The concrete path and the query stay out, because they hold UIDs and matching keys: the route's template
stands for them (`/aets/{origin}/studies/{study}`).
"""

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isthmus.common.telemetry.attributes import (
    ERROR_TYPE,
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
    URL_SCHEME,
)
from isthmus.common.telemetry.propagation import TRACEPARENT, extract, traceresponse
from isthmus.common.telemetry.spans import of_client, span
from isthmus.common.telemetry.traffic import Traffic

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


class AsgiTracing:
    """The outermost ASGI layer of a face: around Starlette, not among its middleware, to see all errors.

    It continues an incoming `traceparent`, as far as `sampling` lets clients, names its own span in the
    response header `traceresponse`, and lasts until the body is sent. Probes and `/metrics` pass untraced.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        traceparent = Headers(scope=scope).get(TRACEPARENT)
        context = of_client(extract({TRACEPARENT: traceparent} if traceparent else None))
        traffic = Traffic(method, receive, send)

        with (
            traffic.measured(),
            span(
                method,
                {HTTP_REQUEST_METHOD: method, URL_SCHEME: scope["scheme"]},
                kind=SpanKind.SERVER,
                context=context,
            ) as request,
        ):

            async def send_traced(message: Message) -> None:
                if message["type"] == "http.response.start":
                    named = traceresponse(request)
                    if named is not None:
                        MutableHeaders(scope=message)["traceresponse"] = named
                await traffic.send(message)

            try:
                await self._app(scope, traffic.receive, send_traced)
            finally:
                traffic.labels |= _describe(request, scope, method, traffic.status)


def _describe(request: Span, scope: Scope, method: str, status: int | None) -> dict[str, str | int]:
    """Say in the span what is known at the end, and give what of it the metrics have too."""
    attributes: dict[str, str | int] = {} if status is None else {HTTP_RESPONSE_STATUS_CODE: status}
    route = scope.get("route")  # set by Starlette's router, in this very dictionary
    if isinstance(route, Route):
        attributes[HTTP_ROUTE] = route.path
        request.update_name(f"{method} {route.path}")
    request.set_attributes(attributes)
    if status is not None and status >= 500:
        request.set_attribute(ERROR_TYPE, str(status))
        request.set_status(Status(StatusCode.ERROR))
    return attributes
