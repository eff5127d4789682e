"""Streamed request-reply: one query, many acknowledged batches of matches, one end.

The reader's acknowledgement is the back-pressure: `+` asks for more, `cancel` ends it. A reader that is gone
has no subscription any more, which the worker sees at its next batch. The worker sends an empty batch every
second, so that a dead one is not mere silence.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final, TypeVar

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from isthmus.common.auth import Permit
from isthmus.common.bus import subjects
from isthmus.common.bus.client import Bus, Serving, bus_errors
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.granted import NOT_ALLOWED
from isthmus.common.bus.templates import verb
from isthmus.common.bus.tracing import sending
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.errors import BusUnavailable, Forbidden, IsthmusError, NoWorker
from isthmus.common.messages import Failure, Matches, Query, QueryDone, WorklistQuery, decode, encode
from isthmus.common.telemetry import get_logger, inject

MORE: Final = b"+"
CANCEL: Final = b"cancel"
BATCH_MATCHES: Final = 100
BATCH_BYTES: Final = 256 * 1024
BATCH_SECONDS: Final = 0.05
WINDOW: Final = 2
"""Batches under way without an acknowledgement."""
HEARTBEAT_SECONDS: Final = 1.0
READER_SECONDS: Final = 60.0
"""How long a reader may think about a batch."""
_LOST: Final = "A batch of matches got lost"


@asynccontextmanager
async def search(
    bus: Bus, query: Query | WorklistQuery, *, silence: float = 5.0
) -> AsyncIterator[AsyncIterator[DicomJson]]:
    """Give the matches of a query, in the origin's order, as they come.

    Leaving the block early cancels the query at the origin. The iteration raises the failure that cut the
    matches short (an `OriginError`), NoWorker when nobody serves the origin, and BusUnavailable when the
    worker is silent for `silence` seconds.
    """
    of_worklist = isinstance(query, WorklistQuery)
    subject = subjects.worklist(query.origin) if of_worklist else subjects.query(query.origin)
    with sending(subject, origin=query.origin):
        inbox = bus.client.new_inbox()
        with bus_errors("dicom.query"):
            subscription = await bus.client.subscribe(inbox)
            payload = encode(query)
            headers = inject() | bus.gate.header(None, query.origin, payload, inbox)
            await bus.client.publish(subject, payload, reply=inbox, headers=headers)
        try:
            async with aclosing(_matches(subscription, query.origin, silence)) as matches:
                yield matches
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()


async def _matches(
    subscription: Subscription, origin: str, silence: float
) -> AsyncGenerator[DicomJson, None]:
    batches = 0
    message: Msg | None = None
    while True:
        message = await _next(subscription, origin, silence, message)
        batch = decode(message.data, Matches, QueryDone)
        if isinstance(batch, QueryDone):
            if batch.failure is not None:
                raise batch.failure.error()
            if batch.batches != batches:
                raise BusUnavailable(_LOST)
            return
        if not batch.matches:
            continue
        if batch.number != batches:
            raise BusUnavailable(_LOST)
        batches += 1
        answer = CANCEL
        try:
            for match in batch.matches:
                yield match
            answer = MORE
        finally:
            with suppress(nats.errors.Error):
                await message.respond(answer)


async def _next(subscription: Subscription, origin: str, silence: float, last: Msg | None) -> Msg:
    """Wait for the next message; who is cancelled in that tells the worker so, in answer to the last one."""
    try:
        message = await subscription.next_msg(timeout=silence)
    except asyncio.CancelledError:
        if last is not None:
            with suppress(nats.errors.Error):
                await last.respond(CANCEL)
        raise
    except nats.errors.TimeoutError:
        raise BusUnavailable(f"The worker of {origin!r} went silent") from None
    except nats.errors.Error as error:
        raise BusUnavailable(f"dicom.query: {type(error).__name__}") from error
    if (message.headers or {}).get("Status") == "503":
        raise NoWorker(f"No worker serves {origin!r}")
    return message


class ReaderGone(Exception):
    """The reader cancelled, or is no longer there."""


class MatchWriter:
    """The worker's end: gathers matches into batches and sends them as fast as the reader takes them."""

    def __init__(self, bus: Bus, inbox: str) -> None:
        self._bus = bus
        self._inbox = inbox
        self._answers = bus.client.new_inbox()
        self._pending: list[DicomJson] = []
        self._pending_since = 0.0
        self._sent = 0
        self._acknowledged = 0
        self._room = asyncio.Condition()
        self._sending = asyncio.Lock()
        self.abandoned = asyncio.Event()
        """Set when the reader cancelled or is gone."""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Task[None]]:
        """Hear the reader's answers while the block runs; gives the task that ends when sending fails."""
        with bus_errors("dicom.query"):
            subscription = await self._bus.client.subscribe(self._answers, cb=self._answered)
        ticking = asyncio.create_task(self._tick())
        try:
            yield ticking
        finally:
            await end_tasks([ticking])
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _answered(self, answer: Msg) -> None:
        async with self._room:
            if answer.data == MORE:
                self._acknowledged += 1
            else:  # cancelled, or NATS says that nobody listens
                self.abandoned.set()
            self._room.notify_all()

    async def add(self, match: DicomJson) -> None:
        """Add a match; waits while the reader is behind.

        Raises:
            ReaderGone: there is no use in going on.
        """
        if self.abandoned.is_set():
            raise ReaderGone
        if not self._pending:
            self._pending_since = asyncio.get_running_loop().time()
        self._pending.append(match)
        if self._sent == 0 or len(self._pending) >= BATCH_MATCHES:
            await self.flush()

    async def flush(self) -> None:
        """Send what is there."""
        async with self._sending:
            matches, self._pending = tuple(self._pending), []
            if matches:
                await self._send(matches)

    async def _send(self, matches: tuple[DicomJson, ...]) -> None:
        payload = encode(Matches(matches, self._sent))
        if len(payload) > BATCH_BYTES and len(matches) > 1:
            middle = len(matches) // 2
            await self._send(matches[:middle])
            await self._send(matches[middle:])
            return
        await self._wait_until(lambda: self._sent - self._acknowledged < WINDOW)
        self._sent += 1
        await self._publish(payload)

    async def _publish(self, payload: bytes) -> None:
        with bus_errors("dicom.query"):
            await self._bus.client.publish(self._inbox, payload, reply=self._answers)

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(READER_SECONDS), self._room:
                await self._room.wait_for(lambda: condition() or self.abandoned.is_set())
        except TimeoutError:
            self.abandoned.set()

    async def _tick(self) -> None:
        """Send what has waited long enough, and signs of life."""
        loop = asyncio.get_running_loop()
        # The first comes soon: in answer to it a reader can cancel what gives no match for long.
        alive_at = loop.time() - HEARTBEAT_SECONDS
        while True:
            await asyncio.sleep(BATCH_SECONDS)
            now = loop.time()
            if self._pending and now - self._pending_since >= BATCH_SECONDS:
                await self.flush()
            if now - alive_at >= HEARTBEAT_SECONDS:
                alive_at = now
                await self._publish(encode(Matches(())))

    async def finish(self, failure: Failure | None) -> None:
        """Send the end; returns when the reader has all of it."""
        await self.end(failure)
        await self._wait_until(lambda: self._acknowledged == self._sent)

    async def end(self, failure: Failure | None) -> None:
        """Send the end, behind the batches that are out."""
        await self._publish(encode(QueryDone(failure, self._sent)))


log = get_logger(__name__)

Q = TypeVar("Q", Query, WorklistQuery)
Searcher = Callable[[Query, MatchWriter], Awaitable[None]]
WorklistSearcher = Callable[[WorklistQuery, MatchWriter], Awaitable[None]]


async def serve_queries(bus: Bus, origin: str, searcher: Searcher) -> Serving:
    """Answer the queries of an origin, in a queue group with its other workers.

    The searcher adds matches to the writer and raises what fails; it is cancelled when the reader is gone.
    """
    return await _serve(bus, subjects.query(origin), origin, Query, searcher)


async def serve_worklists(bus: Bus, origin: str, searcher: WorklistSearcher) -> Serving:
    """Answer the queries of an origin's worklist, likewise."""
    return await _serve(bus, subjects.worklist(origin), origin, WorklistQuery, searcher)


async def _serve(
    bus: Bus, subject: str, origin: str, kind: type[Q], searcher: Callable[[Q, MatchWriter], Awaitable[None]]
) -> Serving:
    async def search_all(query: Q, writer: MatchWriter) -> None:
        try:
            await searcher(query, writer)
        except IsthmusError:
            await writer.flush()  # who wants no more than what was found has it, and need not know the rest
            raise
        await writer.flush()

    async def handle(message: Msg) -> None:
        writer = MatchWriter(bus, message.reply)
        try:
            # What a retrieve, a deletion, a commitment needs to know of a study is searched for too.
            permit = bus.gate.check(message, origin, None)
            query = decode(message.data, kind)
            if not _is_within(query, permit):
                raise Forbidden(NOT_ALLOWED)
        except Forbidden as error:
            await bus.gate.refused(message, verb(subject), origin, error)
            await writer.end(Failure.of(error))
            return
        async with writer.listening() as sending:
            searching = asyncio.create_task(search_all(query, writer))
            leaving = asyncio.create_task(writer.abandoned.wait())
            try:
                await asyncio.wait({searching, leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
                if not writer.abandoned.is_set():
                    await writer.finish(_failure(sending if sending.done() else searching))
            except asyncio.CancelledError:
                await writer.end(Failure.of(_STOPPING))
                raise
            finally:
                await end_tasks([searching, leaving])

    return await bus.subscribe(subject, "workers", handle)


def _is_within(query: Query | WorklistQuery, permit: Permit) -> bool:
    """Tell whether a query is for the one study that a permit is for, where it is for one: links are.

    What satisfies study filters the face tells, which asks for what they are about.
    """
    if permit.study is None:
        return True
    if isinstance(query, WorklistQuery):
        return False
    of_studies = [key for key in query.keys if key.path == (UNIQUE_KEYS[Level.STUDY],)]
    return set(of_studies) == {MatchingKey((UNIQUE_KEYS[Level.STUDY],), (permit.study,))}


_STOPPING: Final = BusUnavailable("The worker is stopping")


def _failure(ended: asyncio.Task[None]) -> Failure | None:
    if ended.cancelled():
        return Failure.of(_STOPPING)
    error = ended.exception()
    if error is None:
        return None
    if isinstance(error, IsthmusError):
        return Failure.of(error)
    log.error("search failed", exc_info=error)
    return Failure.of(IsthmusError("The worker failed; its log says more"))
