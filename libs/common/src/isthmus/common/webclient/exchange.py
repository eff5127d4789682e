"""Requests to an origin and their answers: who we are, redirects, and what is tried again."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Final, Self

import httpx2
from opentelemetry.trace import use_span

from isthmus.common.breaker import Breaker
from isthmus.common.config import DicomwebOrigin
from isthmus.common.dicomweb.retry_after import retry_after
from isthmus.common.errors import MalformedAnswer, OriginTimeout, OriginUnreachable
from isthmus.common.telemetry import SpanKind, get_logger, inject, request_attributes, span
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, HTTP_RESPONSE_STATUS_CODE
from isthmus.common.webclient.answer import Answer
from isthmus.common.webclient.client_credentials import ClientCredentials
from isthmus.common.webclient.credentials import Credentials, credentials_for
from isthmus.common.webclient.failures import BROKE_OFF, before_the_answer, refusal
from isthmus.common.webclient.handshake import send
from isthmus.common.webclient.lanes import Lane, Lanes
from isthmus.common.webclient.outgoing import GET, REDIRECTS, Outgoing, is_at, redirected
from isthmus.common.webclient.retry import BUSY, Patience
from isthmus.common.webclient.tls import tls_context
from isthmus.common.webclient.transport import elsewhere_client, lane_client

_log = get_logger(__name__)

MOST_REDIRECTS: Final = 5
LONGEST_PATIENCE: Final = 15.0
"""Seconds that a request waits at most, in all, for an origin that is busy: a DIMSE client waits for us."""
HEADER_SHARE: Final = 2.0
"""Of the time-out: for connecting, and for the answer to begin."""


class Exchange:
    """What passes between us and an origin."""

    def __init__(self, origin: DicomwebOrigin, lanes: Lanes, elsewhere: httpx2.AsyncClient) -> None:
        self._origin = origin
        self._home = httpx2.URL(origin.url)
        self._lanes = lanes
        self._elsewhere = elsewhere
        self._breaker = Breaker(origin.name)
        self._credentials: Credentials | ClientCredentials | None = credentials_for(origin, elsewhere)

    @classmethod
    @asynccontextmanager
    async def to(cls, origin: DicomwebOrigin) -> AsyncIterator[Self]:
        """Begin; connections are opened when they are needed.

        Raises:
            SettingsError: a file with certificates cannot be read, or does not hold what it should.
        """
        ours = await asyncio.to_thread(tls_context, origin, identified=True)
        nobodys = ours
        # Not the same one for both: httpcore2 writes into it whether HTTP/2 is offered.
        if origin.url.startswith("https:") or origin.certificate_file is not None:
            nobodys = await asyncio.to_thread(tls_context, origin, identified=False)
        lanes = Lanes(lambda: lane_client(origin, ours, nobodys), origin.connections)
        async with elsewhere_client(origin, nobodys) as elsewhere:
            try:
                yield cls(origin, lanes, elsewhere)
            finally:
                await lanes.close()

    @asynccontextmanager
    async def answer(self, outgoing: Outgoing, *, good: frozenset[int]) -> AsyncIterator[Answer]:
        """Send a request, and have its answer until the end of the block; its connection is taken so long.

        Args:
            outgoing: the request, to the origin; without who we are.
            good: the statuses that are answers; all others are errors.

        Raises:
            OriginUnreachable: there is no connection, or it broke off; the credentials cannot be had.
            OriginTimeout: for too long nothing came.
            CircuitOpen: so it was several times in a row, and it is left alone now.
            HttpOperationFailed: another status, after what can be tried again was.
            MalformedAnswer: it is no HTTP, or redirects in a way that is not followed.
        """
        told = {**request_attributes(outgoing.method, self._origin.url), DICOM_ORIGIN: self._origin.name}
        with span(f"HTTP {outgoing.method}", told, kind=SpanKind.CLIENT, current=False) as sent:
            on_trial = self._breaker.admit()
            async with self._lanes.one(long=outgoing.is_long) as lane:
                if not on_trial:
                    self._breaker.admit()  # the circuit may have opened meanwhile
                answer = None
                try:
                    with use_span(sent, record_exception=False, set_status_on_exception=False):
                        answer = await self._followed(lane, outgoing)
                        sent.set_attribute(HTTP_RESPONSE_STATUS_CODE, answer.status)
                        if answer.status not in good:
                            await answer.drain()
                            wait = retry_after(answer.headers.get("retry-after"))
                            raise refusal(self._origin.name, outgoing.method, answer.status, wait)
                    yield answer
                    await answer.drain()
                finally:
                    if answer is None:
                        await lane.end()  # an answer that nobody took may still be on it
                    else:
                        await _leave(lane, answer)

    async def _followed(self, lane: Lane, outgoing: Outgoing) -> Answer:
        """Get the answer at the end of all redirects."""
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._accepted(lane, outgoing)
            if answer.status not in REDIRECTS:
                return answer
            await _drop(lane, answer)
            try:
                outgoing = redirected(outgoing, answer.status, answer.headers.get("location"), self._home)
            except ValueError as error:
                raise MalformedAnswer(f"A redirect {error}", origin=self._origin.name) from None
        raise MalformedAnswer(f"More than {MOST_REDIRECTS} redirects", origin=self._origin.name)

    async def _accepted(self, lane: Lane, outgoing: Outgoing) -> Answer:
        """Get an answer by someone who is not too busy, and does not want other credentials."""
        patience = Patience(min(LONGEST_PATIENCE, self._origin.timeout_seconds))
        refused = False
        while True:
            headers = await self._authorized(outgoing)
            answer = await self._sent(lane, outgoing, headers)
            if answer.status == HTTPStatus.UNAUTHORIZED and not refused and self._credentials is not None:
                refused = True
                async with _dropped_on_failure(lane, answer):
                    has_others = await self._has_others(headers.get("Authorization"))
                if has_others:
                    await _drop(lane, answer)
                    continue
            if answer.status in BUSY:
                wait = patience.wait(retry_after(answer.headers.get("retry-after")))
                if wait is not None:
                    await _drop(lane, answer)
                    _log.info("the origin is busy", origin=self._origin.name, http_status=answer.status)
                    await asyncio.sleep(wait)
                    continue
            return answer

    async def _authorized(self, outgoing: Outgoing) -> dict[str, str]:
        headers = dict(outgoing.headers)
        if is_at(outgoing.url, self._home):
            headers |= inject()
            if self._credentials is not None:
                headers["Authorization"] = await self._credentials.authorization()
        return headers

    async def _has_others(self, value: str | None) -> bool:
        """Tell whether there are other credentials than those that were refused."""
        if value is None or self._credentials is None:
            return False
        self._credentials.refused(value)
        return await self._credentials.authorization() != value

    async def _sent(self, lane: Lane, outgoing: Outgoing, headers: dict[str, str]) -> Answer:
        """Send it; what only asks is sent once more where the connection had ended meanwhile."""
        try:
            return await self._once(lane, outgoing, headers)
        except OriginUnreachable as error:
            if error.detail != BROKE_OFF or outgoing.method != GET:
                raise
        return await self._once(lane, outgoing, headers)

    async def _once(self, lane: Lane, outgoing: Outgoing, headers: dict[str, str]) -> Answer:
        http = lane.http if is_at(outgoing.url, self._home) else self._elsewhere
        seconds = self._origin.timeout_seconds
        body = None if outgoing.body is None else _Body(outgoing.body(), seconds)
        with self._judged(outgoing), before_the_answer(self._origin.name):
            async with asyncio.timeout(seconds * HEADER_SHARE) as silence:
                content = None if body is None else body.watched_by(silence)
                request = http.build_request(outgoing.method, outgoing.url, headers=headers, content=content)
                try:
                    response = await send(http, request)
                except BaseException:
                    await lane.end()
                    raise
        answer = Answer(response, self._origin.name, seconds)
        if body is not None and not body.is_out and answer.status < HTTPStatus.MULTIPLE_CHOICES:
            await _leave(lane, answer)
            raise answer.malformed("It answered with success before it had all")
        return answer

    @contextmanager
    def _judged(self, outgoing: Outgoing) -> Iterator[None]:
        """Take note whether the origin is there: any status says so, and breaking off nothing at all."""
        try:
            yield
        except (OriginUnreachable, OriginTimeout) as error:
            if error.detail != BROKE_OFF and is_at(outgoing.url, self._home):
                self._breaker.failed(error)
            raise
        if is_at(outgoing.url, self._home):
            self._breaker.succeeded()


class _Body:
    """What is sent, and whether all of it is out."""

    def __init__(self, chunks: AsyncGenerator[bytes, None], seconds: float) -> None:
        self._chunks = chunks
        self._seconds = seconds
        self.is_out = False

    async def watched_by(self, silence: asyncio.Timeout) -> AsyncGenerator[bytes, None]:
        """Let the origin be silent for so long after each chunk; the time that a chunk takes is ours."""
        clock = asyncio.get_running_loop()
        silence.reschedule(None)
        async with aclosing(self._chunks):
            async for chunk in self._chunks:
                silence.reschedule(clock.time() + self._seconds)
                yield chunk
                silence.reschedule(None)
        silence.reschedule(clock.time() + self._seconds)
        self.is_out = True


async def _drop(lane: Lane, answer: Answer) -> None:
    """Skip an answer that is followed by another one."""
    try:
        await answer.drain()
    finally:
        await _leave(lane, answer)


@asynccontextmanager
async def _dropped_on_failure(lane: Lane, answer: Answer) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        await _leave(lane, answer)
        raise


async def _leave(lane: Lane, answer: Answer) -> None:
    """Take no more of an answer; a connection on which something of it may still come is closed."""
    await answer.close()
    if not answer.ended:
        await lane.end()
