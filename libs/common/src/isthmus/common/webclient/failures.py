"""What goes wrong with HTTP, as the errors of an origin.

The texts of foreign exceptions stay out: they may hold URLs, and so what was asked for.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import h11
import httpx2
from h2.exceptions import H2Error

from isthmus.common.errors import (
    HttpOperationFailed,
    MalformedAnswer,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    TruncatedAnswer,
)

_FAILURES = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, H2Error, TimeoutError, OSError)


BROKE_OFF: Final = "It broke off before it answered"
"""Of a connection that was kept this says little: the origin may have closed it just then."""


@contextmanager
def before_the_answer(origin: str) -> Iterator[None]:
    """Translate what goes wrong until the status and the headers of an answer are there.

    Raises:
        OriginUnreachable: there is no connection, or it broke off.
        OriginTimeout: it was silent.
        MalformedAnswer: what comes is no HTTP.
    """
    try:
        yield
    except _FAILURES as error:
        raise _before(error, origin) from None


@contextmanager
def within_the_answer(origin: str) -> Iterator[None]:
    """Translate what goes wrong in the body of an answer.

    Raises:
        OriginTimeout: it was silent.
        TruncatedAnswer: the connection is lost.
        MalformedAnswer: the body is no HTTP, or cannot be decompressed.
    """
    try:
        yield
    except _FAILURES as error:
        raise _within(error, origin) from None


def refusal(origin: str, method: str, status: int, retry_after: float | None = None) -> HttpOperationFailed:
    """Make the error of a status that is no success."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    return HttpOperationFailed(
        f"{method} was answered with {status}{phrase}",
        origin=origin,
        http_status=status,
        retry_after=retry_after,
    )


def _before(error: Exception, origin: str) -> OriginError:
    kind: type[OriginError] = OriginUnreachable
    match error:
        case httpx2.ConnectTimeout():
            detail = "No connection in time"
        case httpx2.TimeoutException() | TimeoutError():
            kind, detail = OriginTimeout, "No answer in time"
        case httpx2.ConnectError():
            detail = _why_not_connected(error)
        case httpx2.ProxyError():
            detail = "The proxy makes no connection"
        case httpx2.InvalidURL() | httpx2.UnsupportedProtocol():
            kind, detail = MalformedAnswer, "It leads to what is no URL of HTTP"
        case httpx2.LocalProtocolError() | httpx2.RemoteProtocolError() | H2Error() if _is_foreign(error):
            kind, detail = MalformedAnswer, "What it answers is not HTTP as it should be"
        case _:
            detail = BROKE_OFF
    return kind(detail, origin=origin)


def _within(error: Exception, origin: str) -> OriginError:
    match error:
        case httpx2.TimeoutException() | TimeoutError():
            return OriginTimeout("It fell silent in the middle of an answer", origin=origin)
        case httpx2.DecodingError():
            return MalformedAnswer("The answer cannot be decompressed", origin=origin)
        case _:
            return TruncatedAnswer("It broke off in the middle of an answer", origin=origin)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _why_not_connected(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "Its certificate does not verify"
        if isinstance(cause, ssl.SSLError):
            return "No TLS with it"
        if isinstance(cause, socket.gaierror):
            return "A host of this name is not known"
    return "No connection"


def _is_foreign(error: BaseException) -> bool:
    """Tell whether the bytes that came are wrong; else they ended."""
    return any(isinstance(cause, h11.ProtocolError | H2Error) for cause in _causes(error))
