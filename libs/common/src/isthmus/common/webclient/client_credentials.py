"""Tokens by OAuth 2.0 client credentials (RFC 6749 4.4), fetched when they are needed."""

import asyncio
import base64
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote_plus

import httpx2
import orjson

from isthmus.common.config import DicomwebOrigin, OAuth2
from isthmus.common.errors import MalformedAnswer, OriginError, OriginUnreachable
from isthmus.common.telemetry import SpanKind, request_attributes, span
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, HTTP_RESPONSE_STATUS_CODE
from isthmus.common.webclient.failures import before_the_answer, refusal, within_the_answer
from isthmus.common.webclient.handshake import send
from isthmus.common.webclient.secret_file import SecretFile

MOST_BYTES: Final = 64 * 1024
"""Of the answer of a token endpoint."""
EARLIEST_SECONDS: Final = 60.0
EARLIEST_SHARE: Final = 0.2
"""So long before its end a token is replaced: a minute, or where it is short-lived a fifth of its time."""
USUAL_SECONDS: Final = 300.0
"""How long a token is used whose end nobody tells."""


class ClientCredentials:
    """A token that is replaced before it expires, and once it is refused; by one request for all who wait."""

    def __init__(self, origin: DicomwebOrigin, oauth2: OAuth2, http: httpx2.AsyncClient) -> None:
        self._origin = origin.name
        self._silence = origin.timeout_seconds
        self._oauth2 = oauth2
        self._secret = SecretFile(oauth2.client_secret_file, origin.name)
        self._http = http
        self._one = asyncio.Lock()
        self._value: str | None = None
        self._until = 0.0
        self._in_body = False
        self._failure: OriginError | None = None
        self._failed_at = 0.0

    async def authorization(self) -> str:
        """Give the value of the header.

        Raises:
            OriginUnreachable: the token endpoint cannot be reached, or the secret not be read.
            OriginTimeout: it is silent.
            HttpOperationFailed: it gives no token; `http_status` is 401 where it does not know us.
            MalformedAnswer: what it answers is no token.
        """
        began = time.monotonic()
        async with self._one:
            if self._value is None or time.monotonic() >= self._until:
                if self._failure is not None and self._failed_at >= began:
                    raise self._failure  # while this one waited: it does not wait as long again
                try:
                    self._value, seconds = await self._fetch()
                except OriginError as error:
                    self._failure, self._failed_at = error, time.monotonic()
                    raise
                self._until = time.monotonic() + seconds - min(EARLIEST_SECONDS, seconds * EARLIEST_SHARE)
            return self._value

    def refused(self, value: str) -> None:
        """Hear that this value was answered with 401: the next one is fetched anew."""
        if value == self._value:
            self._value = None

    async def _fetch(self) -> tuple[str, float]:
        told = {**request_attributes("POST", self._oauth2.token_url), DICOM_ORIGIN: self._origin}
        with span("fetch token", told, kind=SpanKind.CLIENT) as sent:
            status, body = await self._ask(in_body=self._in_body)
            if not self._in_body and status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
                # Some take the secret in the body only (RFC 6749 2.3.1).
                again, other = await self._ask(in_body=True)
                if again == HTTPStatus.OK:
                    self._in_body, status, body = True, again, other
            sent.set_attribute(HTTP_RESPONSE_STATUS_CODE, int(status))
            if status != HTTPStatus.OK:
                # 400 is how it says that it does not know us (RFC 6749 5.2).
                known = HTTPStatus.UNAUTHORIZED if status == HTTPStatus.BAD_REQUEST else status
                raise refusal(self._origin, "The request for a token", known)
            return self._token(body)

    async def _ask(self, *, in_body: bool) -> tuple[int, bytes]:
        identity, secret = self._oauth2.client_id, self._secret.text()
        form = {"grant_type": "client_credentials"}
        if self._oauth2.scope is not None:
            form["scope"] = self._oauth2.scope
        headers: Mapping[str, str] = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if in_body:
            form |= {"client_id": identity, "client_secret": secret}
        else:
            pair = f"{quote_plus(identity)}:{quote_plus(secret)}".encode()
            headers = {**headers, "Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        request = self._http.build_request("POST", self._oauth2.token_url, data=form, headers=headers)
        with before_the_answer(self._origin):
            async with asyncio.timeout(self._silence):
                response = await send(self._http, request)
        try:
            with within_the_answer(self._origin):
                async with asyncio.timeout(self._silence):
                    return response.status_code, await _beginning(response)
        finally:
            await response.aclose()

    def _token(self, body: bytes) -> tuple[str, float]:
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise MalformedAnswer("The token endpoint answers no JSON object", origin=self._origin)
        token, kind = answer.get("access_token"), answer.get("token_type", "bearer")
        if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
            raise MalformedAnswer("The token endpoint answers without a token", origin=self._origin)
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise OriginUnreachable("The token endpoint gives no bearer token", origin=self._origin)
        try:
            seconds = float(answer.get("expires_in", USUAL_SECONDS))
        except (TypeError, ValueError):
            seconds = USUAL_SECONDS
        return f"Bearer {token}", seconds if seconds > 0 else USUAL_SECONDS


async def _beginning(response: httpx2.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MOST_BYTES:
            break
    return body
