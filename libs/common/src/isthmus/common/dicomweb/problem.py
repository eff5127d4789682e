"""Errors as `application/problem+json` (RFC 9457), the Status Report of PS3.18 8.6.3.

Each class of `isthmus.common.errors` is mapped here, once, to an HTTP status.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from math import ceil
from typing import Final

import orjson
from opentelemetry import trace
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from isthmus.common import errors
from isthmus.common.dicom.statuses import meaning
from isthmus.common.errors import IsthmusError

_log = logging.getLogger(__name__)

REALM: Final = "isthmus"
"""What a credential is asked for (RFC 9110 11.5)."""
RETRY_AFTER_SECONDS: Final = 5
"""With each 503: by then a part that was restarted is back."""

# The nearest class in an error's ancestry counts. A name is part of the problem's type: it stays when a class
# is renamed.
_KINDS: Final[Mapping[type[IsthmusError], tuple[HTTPStatus, str]]] = {
    IsthmusError: (HTTPStatus.INTERNAL_SERVER_ERROR, "internal"),
    errors.RequestError: (HTTPStatus.BAD_REQUEST, "request"),
    errors.InvalidParameter: (HTTPStatus.BAD_REQUEST, "invalid-parameter"),
    errors.Unauthenticated: (HTTPStatus.UNAUTHORIZED, "unauthenticated"),
    errors.Forbidden: (HTTPStatus.FORBIDDEN, "forbidden"),
    errors.TooManyRequests: (HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests"),
    errors.UnknownOrigin: (HTTPStatus.NOT_FOUND, "unknown-origin"),
    errors.NoSuchObject: (HTTPStatus.NOT_FOUND, "no-such-object"),
    errors.MethodNotAllowed: (HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed"),
    errors.NotAcceptable: (HTTPStatus.NOT_ACCEPTABLE, "not-acceptable"),
    errors.PixelsUnreadable: (HTTPStatus.NOT_ACCEPTABLE, "pixels-unreadable"),
    errors.RangeNotSatisfiable: (HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "range-not-satisfiable"),
    errors.TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large"),
    errors.QueryTooLong: (HTTPStatus.REQUEST_URI_TOO_LONG, "query-too-long"),
    errors.TooSlow: (HTTPStatus.REQUEST_TIMEOUT, "too-slow"),
    errors.UnsupportedMediaType: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
    errors.UnreadablePayload: (HTTPStatus.BAD_REQUEST, "unreadable-payload"),
    errors.TruncatedPayload: (HTTPStatus.BAD_REQUEST, "truncated-payload"),
    errors.NoDestination: (HTTPStatus.NOT_IMPLEMENTED, "no-destination"),
    errors.TooManyMatches: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-matches"),
    errors.OriginError: (HTTPStatus.BAD_GATEWAY, "origin"),
    errors.OriginUnreachable: (HTTPStatus.BAD_GATEWAY, "origin-unreachable"),
    errors.AssociationRejected: (HTTPStatus.BAD_GATEWAY, "association-rejected"),
    errors.NoAcceptedContext: (HTTPStatus.BAD_GATEWAY, "no-accepted-context"),
    errors.OriginTimeout: (HTTPStatus.GATEWAY_TIMEOUT, "origin-timeout"),
    errors.AssociationAborted: (HTTPStatus.BAD_GATEWAY, "association-aborted"),
    errors.OperationFailed: (HTTPStatus.BAD_GATEWAY, "operation-failed"),
    errors.HttpOperationFailed: (HTTPStatus.BAD_GATEWAY, "http-operation-failed"),
    errors.MalformedAnswer: (HTTPStatus.BAD_GATEWAY, "malformed-answer"),
    errors.TruncatedAnswer: (HTTPStatus.BAD_GATEWAY, "truncated-answer"),
    errors.CircuitOpen: (HTTPStatus.SERVICE_UNAVAILABLE, "circuit-open"),
    errors.NotDelivered: (HTTPStatus.BAD_GATEWAY, "not-delivered"),
    errors.OriginCancelled: (HTTPStatus.SERVICE_UNAVAILABLE, "origin-cancelled"),
    errors.Incomplete: (HTTPStatus.BAD_GATEWAY, "incomplete"),
    errors.UnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    errors.BusUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "bus-unavailable"),
    errors.StoreUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable"),
    errors.NoWorker: (HTTPStatus.SERVICE_UNAVAILABLE, "no-worker"),
    errors.IdentityProviderAway: (HTTPStatus.SERVICE_UNAVAILABLE, "identity-provider-away"),
}

_NOT_IMPLEMENTED: Final = {0x0122, 0x0211}
_NOT_AUTHORIZED: Final = 0x0124
_IDENTIFIER_DOES_NOT_MATCH: Final = 0xA900
_PASSED_ON: Final[Mapping[int, HTTPStatus]] = {
    400: HTTPStatus.BAD_REQUEST,
    401: HTTPStatus.FORBIDDEN,  # it is we whom the origin does not let in: 401 would ask the client who it is
    403: HTTPStatus.FORBIDDEN,
    404: HTTPStatus.NOT_FOUND,
    406: HTTPStatus.NOT_ACCEPTABLE,
    409: HTTPStatus.CONFLICT,
    410: HTTPStatus.NOT_FOUND,
    413: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    415: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    429: HTTPStatus.SERVICE_UNAVAILABLE,
    501: HTTPStatus.NOT_IMPLEMENTED,
    503: HTTPStatus.SERVICE_UNAVAILABLE,
    504: HTTPStatus.GATEWAY_TIMEOUT,
}
"""What a DICOMweb origin answers, as what we answer; all others are 502."""


def http_status(error: IsthmusError) -> HTTPStatus:
    """Give the HTTP status of an error, as long as nothing of the answer is out."""
    if isinstance(error, errors.OperationFailed):
        return _of_operation(error)
    if isinstance(error, errors.HttpOperationFailed):
        return _PASSED_ON.get(error.http_status, HTTPStatus.BAD_GATEWAY)
    return _kind(error)[0]


def problem_response(error: IsthmusError) -> Response:
    """Answer with an error, and the id of the current trace."""
    status = http_status(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        # Our own fault, and none of the client's business: the details are for whoever finds the trace.
        _log.error("%s: %s (trace %s)", type(error).__name__, error.detail, _trace_id())
        return _internal()
    members: dict[str, object] = {
        "type": f"urn:isthmus:problem:{_kind(error)[1]}",
        "title": error.title,
        "detail": error.detail,
        **_members(error),
    }
    return _response(status, members, _headers(error))


async def handle(_request: Request, error: Exception) -> Response:
    """Turn whatever a face raised into an answer; Starlette calls it."""
    if isinstance(error, IsthmusError):
        return problem_response(error)
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        members = {"type": "about:blank", "title": status.phrase, "detail": error.detail}
        return _response(status, members, error.headers or {})
    if isinstance(error, ClientDisconnect):
        return problem_response(errors.TruncatedPayload("The client left before its payload was complete"))
    # The text of a foreign exception may quote a patient's data: only where it came from is logged.
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unexpected %s (trace %s)\n%s", type(error).__name__, _trace_id(), frames)
    return _internal()


exception_handlers: Final[Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]] = {
    IsthmusError: handle,
    HTTPException: handle,
    ClientDisconnect: handle,
    Exception: handle,
}
"""For `Starlette(exception_handlers=...)`."""


def _of_operation(error: errors.OperationFailed) -> HTTPStatus:
    """Translate a DIMSE failure status (PS3.7 Annex C, PS3.4 C.4).

    A900 says that the origin does not take the identifier. In a search a client wrote it: 400. In a retrieve
    we did: 502. Where the operation is not known it was a search, for a retrieve is judged by what arrived.
    """
    status = error.status
    if status is None:
        return HTTPStatus.BAD_GATEWAY
    if status >> 8 == 0xA7:
        return HTTPStatus.SERVICE_UNAVAILABLE
    if status in _NOT_IMPLEMENTED:
        return HTTPStatus.NOT_IMPLEMENTED
    if status == _NOT_AUTHORIZED:
        return HTTPStatus.FORBIDDEN
    if status == _IDENTIFIER_DOES_NOT_MATCH and error.operation in {None, "C-FIND"}:
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.BAD_GATEWAY


def _kind(error: IsthmusError) -> tuple[HTTPStatus, str]:
    return next(_KINDS[each] for each in type(error).__mro__ if each in _KINDS)


def _members(error: IsthmusError) -> dict[str, object]:
    """Give the members that a kind of error adds."""
    members: dict[str, object] = {}
    match error:
        case errors.InvalidParameter():
            members["parameter"] = error.parameter
        case errors.NotAcceptable():
            members["available"] = error.available
        case errors.UnknownOrigin() | errors.OriginError() | errors.Incomplete():
            members["origin"] = error.origin
    if isinstance(error, errors.PixelsUnreadable | errors.TooLarge) and error.instance is not None:
        members["instance"] = error.instance
    if isinstance(error, errors.Incomplete):
        members["missing"] = error.missing
    if isinstance(error, errors.OriginError) and error.status is not None:
        members["dimse_status"] = f"{error.status:04X}"
        members["dimse_meaning"] = meaning(error.status)
    if isinstance(error, errors.HttpOperationFailed):
        members["http_status"] = error.http_status
    return members


def _headers(error: IsthmusError) -> Mapping[str, str]:
    """Give the headers that a kind of error adds."""
    if isinstance(error, errors.RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.size}"}
    if isinstance(error, errors.MethodNotAllowed):
        return {"Allow": ", ".join(error.allowed)}
    if isinstance(error, errors.TooSlow):
        return {"Connection": "close"}
    if isinstance(error, errors.Unauthenticated):
        # Whose token or link has ended is offered no password: a browser would ask a viewer's user for one.
        other = f'Basic realm="{REALM}"' if error.error is None else f'error="{error.error}"'
        return {"WWW-Authenticate": f'Bearer realm="{REALM}", {other}'}
    if (
        isinstance(error, errors.HttpOperationFailed | errors.TooManyRequests)
        and error.retry_after is not None
    ):
        return {"Retry-After": str(ceil(error.retry_after))}
    return {}


def _internal() -> Response:
    return _response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        {"type": "urn:isthmus:problem:internal", "title": "The gateway failed"},
    )


def _response(
    status: HTTPStatus, members: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    body = {**members, "status": status.value}
    if trace_id := _trace_id():
        body["trace_id"] = trace_id
    response = Response(orjson.dumps(body), status.value, headers, "application/problem+json")
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return response


def _trace_id() -> str:
    """Give the 32 hexadecimal digits of the current trace's id; empty outside of a trace."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""
