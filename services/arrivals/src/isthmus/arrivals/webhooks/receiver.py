"""One attempt: a POST to a receiver, which may do to us whatever it likes."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Final, Self
from urllib.parse import urlsplit

import httpx2
from opentelemetry.trace import StatusCode

from isthmus.arrivals.webhooks.signature import read_keys, signature
from isthmus.common.config.arriving import Webhook
from isthmus.common.config.files import verifying
from isthmus.common.dicomweb.retry_after import retry_after
from isthmus.common.errors import SettingsError
from isthmus.common.messages.cloud_events import CONTENT_TYPE
from isthmus.common.telemetry import SpanKind, inject, request_attributes, span
from isthmus.common.telemetry.attributes import ERROR_TYPE, HTTP_RESPONSE_STATUS_CODE, ISTHMUS_WEBHOOK

MOST_READ: Final = 4096
"""Bytes of an answer's body that are read, to keep the connection; nobody looks at them."""
AT_ONCE: Final = 8
"""Attempts, and so connections, at one time to a receiver."""
IDLE_SECONDS: Final = 30.0
CONNECT_SHARE: Final = 1 / 3
"""Of the time for an attempt: for TCP, and again for TLS. So httpcore2 ends these by itself: of whoever is
cancelled in the middle of a TLS handshake it leaves the connection open."""
_BUSY: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""What says nothing of the event, but that the receiver cannot now."""


class Outcome(Enum):
    """What an answer means."""

    DELIVERED = "delivered"
    GONE = "gone"
    """The receiver wants no events any more."""
    REFUSED = "refused"
    """It does not take this event; others may go."""
    AWAY = "away"
    """It does not answer, or says that it cannot now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt."""

    outcome: Outcome
    status: str
    """The HTTP status, or why there was none."""
    retry_after: float | None = None
    """Seconds."""


class Receiver:
    """Whoever listens at a webhook's URL."""

    def __init__(self, webhook: Webhook, http: httpx2.AsyncClient) -> None:
        self._webhook = webhook
        self._http = http

    @classmethod
    @asynccontextmanager
    async def of(cls, webhook: Webhook) -> AsyncIterator[Self]:
        """Keep a few connections to it.

        No proxy and no password is taken from the environment, no cookie is kept, no redirect followed.

        Raises:
            SettingsError: SSL_CERT_FILE names what cannot be read, or holds no certificate.
        """
        try:
            trusted = verifying()
        except ValueError as error:
            raise SettingsError(str(error)) from None
        limits = httpx2.Limits(
            max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=IDLE_SECONDS
        )
        timeout = httpx2.Timeout(None, connect=webhook.timeout_seconds * CONNECT_SHARE)
        async with httpx2.AsyncClient(
            verify=trusted, trust_env=False, follow_redirects=False, limits=limits, timeout=timeout
        ) as http:
            http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            yield cls(webhook, http)

    async def post(self, event_id: str, body: bytes) -> Answer:
        """Send an event, and wait for the status of the answer."""
        told = {**request_attributes("POST", self._webhook.url), ISTHMUS_WEBHOOK: self._webhook.name}
        with span("deliver webhook", told, kind=SpanKind.CLIENT) as sent:
            answer = await self._post(event_id, body)
            if answer.status.isdigit():
                sent.set_attribute(HTTP_RESPONSE_STATUS_CODE, int(answer.status))
            if answer.outcome is not Outcome.DELIVERED:
                sent.set_attribute(ERROR_TYPE, answer.status)
                sent.set_status(StatusCode.ERROR)
            return answer

    async def _post(self, event_id: str, body: bytes) -> Answer:
        try:
            headers = self._headers(event_id, body, await asyncio.to_thread(read_keys, self._webhook))
            status: int | None = None
            wait: float | None = None
            try:
                async with (
                    asyncio.timeout(self._webhook.timeout_seconds),
                    self._http.stream("POST", self._webhook.url, content=body, headers=headers) as response,
                ):
                    status = response.status_code
                    wait = retry_after(response.headers.get("retry-after"))
                    await _drain(response)
            except (TimeoutError, httpx2.HTTPError):
                if status is None:  # else it has answered, and only the rest of it does not come
                    raise
        except SettingsError:
            return Answer(Outcome.AWAY, "no secret")
        except TimeoutError:
            return Answer(Outcome.AWAY, "no answer in time")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            return Answer(Outcome.AWAY, _why(error))
        return _answer(status, wait)

    def _headers(self, event_id: str, body: bytes, keys: tuple[bytes, ...]) -> dict[str, str]:
        timestamp = int(time.time())
        return {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "Isthmus",
            "Accept-Encoding": "identity",
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(keys, event_id, timestamp, body),
            **inject(),
        }


def shown_url(url: str) -> str:
    """Give what may be shown of a URL: no user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def target(url: str) -> str:
    """Give what tells one URL from another, and nothing of it."""
    return sha256(url.encode()).hexdigest()


async def _drain(response: httpx2.Response) -> None:
    """Read the body to its end, if that is near: then the connection can be used again."""
    read = 0
    async for chunk in response.aiter_raw(MOST_READ):
        read += len(chunk)
        if read >= MOST_READ:
            return


def _answer(status: int | None, wait: float | None) -> Answer:
    assert status is not None  # noqa: S101 - without one an exception came first
    if 200 <= status < 300:
        return Answer(Outcome.DELIVERED, str(status))
    if status == HTTPStatus.GONE:
        return Answer(Outcome.GONE, str(status))
    return Answer(Outcome.AWAY if status in _BUSY else Outcome.REFUSED, str(status), wait)


def _why(error: BaseException) -> str:
    """Say what kind of failure it was; the texts of exceptions may hold the URL."""
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "no TLS"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.ConnectError):
        return "no connection"
    return "broken off" if isinstance(error, httpx2.TransportError) else type(error).__name__
