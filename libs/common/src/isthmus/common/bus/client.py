"""The connection to NATS, and one message at a time over it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final, Self, TypedDict, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from opentelemetry import context

from isthmus.common.bus import accounts, streams
from isthmus.common.bus.connection import FINISH_TIMEOUT, Connection, drain, reason, tls_context
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.followers import Followers
from isthmus.common.bus.generations import Generations
from isthmus.common.bus.granted import Gate, Guarded
from isthmus.common.bus.submitted import Submissions
from isthmus.common.bus.templates import verb
from isthmus.common.bus.tracing import processing, sending
from isthmus.common.config.kinds import host_and_port
from isthmus.common.config.settings import Nats
from isthmus.common.errors import (
    BusUnavailable,
    Forbidden,
    IsthmusError,
    NoWorker,
    SettingsError,
    UnavailableError,
)
from isthmus.common.messages import decode, encode
from isthmus.common.telemetry import extract, get_logger, inject

PUBLISH_TIMEOUT: Final = 5.0
"""Seconds for JetStream to acknowledge a publication."""
SUBSCRIBE_TIMEOUT: Final = 5
"""Seconds for the server to take note of a subscription."""
CONNECT_TIMEOUT: Final = 30.0
DECLARED_SECONDS: Final = 0.5
"""Between two looks at whether the streams are as they should be."""

M = TypeVar("M")
A = TypeVar("A")

log = get_logger(__name__)


class _Login(TypedDict):
    """By what a server knows us, and we know it."""

    user: str | None
    password: str | None
    inbox_prefix: str
    tls: ssl.SSLContext | None


def _login(settings: Nats) -> _Login:
    try:
        password = settings.secret
    except ValueError as error:
        raise SettingsError(f"nats.password_file: {settings.password_file}: {error}") from None
    return {
        "user": settings.user or None,
        "password": password or None,
        "inbox_prefix": accounts.inbox_prefix(settings.user) if settings.user else "_INBOX",
        "tls": tls_context(settings),
    }


@contextmanager
def bus_errors(what: str) -> Iterator[None]:
    """Turn what nats-py raises into our own errors; `what` names what was tried."""
    try:
        yield
    except nats.errors.NoRespondersError:
        raise NoWorker(f"{what}: nobody answers") from None
    except nats.js.errors.NoStreamResponseError:
        raise BusUnavailable(f"{what}: the stream is missing") from None
    except TimeoutError:  # also asyncio's own, of which nats-py lets some through
        raise BusUnavailable(f"{what}: no answer in time") from None
    except nats.errors.Error as error:
        raise BusUnavailable(f"{what}: {type(error).__name__}") from error


class Serving:
    """A subject that is served: what comes is answered, each message in a task of its own."""

    def __init__(self, tasks: set[asyncio.Task[None]], subscription: Subscription) -> None:
        self._tasks = tasks
        self._subscription = subscription

    async def unsubscribe(self) -> None:
        """Take no more than was sent already; what is being answered goes on."""
        await drain(self._subscription)

    async def finish(self) -> None:
        """Take no more, and let what is being answered end; what takes too long is cancelled."""
        await self.unsubscribe()
        await _finish(self._tasks)


async def _finish(tasks: Collection[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=FINISH_TIMEOUT)
    await end_tasks(tasks)


class Bus:
    """A connection to NATS that reconnects for ever, with the streams of the contract declared."""

    def __init__(self, client: Client, *, may_change_streams: bool = True, gate: Gate | None = None) -> None:
        self.client = client
        self.gate = gate or Gate()
        """Who may ask for what: without rules and a signing key everybody for everything."""
        self._may_change = may_change_streams
        self.jetstream: JetStreamContext = client.jetstream(timeout=PUBLISH_TIMEOUT)
        self.generations = Generations(self.jetstream)
        self.followers = Followers(self.jetstream)
        self.submissions = Submissions()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = ""
        self._told: set[str] = set()
        """Why there is no connection, as far as it was logged."""

    @classmethod
    async def connect(
        cls, settings: Nats, name: str, gate: Gate | None = None, *, patience: float | None = None
    ) -> Self:
        """Connect and declare the streams.

        Args:
            settings: where, and as whom.
            name: ours, for those who look at NATS.
            gate: who may ask for what over it.
            patience: seconds, where they are others than `CONNECT_TIMEOUT`.

        Raises:
            BusUnavailable: no server in that time, or it refuses us.
            SettingsError: a file that the settings name does not hold what it should.
        """
        login = _login(settings)
        client = Connection(needs_tls=settings.has_tls)
        bus = cls(client, may_change_streams=accounts.may_change_streams(settings.user), gate=gate)
        bus._server = host_and_port(settings.url)
        try:
            async with asyncio.timeout(patience or CONNECT_TIMEOUT):
                await client.connect(
                    settings.url,
                    name=name,
                    **login,
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds; annotated as int
                    ping_interval=5,
                    max_outstanding_pings=2,
                    error_cb=bus._failed,
                    disconnected_cb=bus._disconnected,
                    reconnected_cb=bus._reconnected,
                )
                await bus._declared()
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await client.close()
            why = ", ".join(sorted(bus._told)) or reason(error)
            raise BusUnavailable(f"No connection to NATS at {bus._server}: {why}") from error
        return bus

    async def _failed(self, error: Exception) -> None:
        """Log what is wrong with the connection; while there is none once, as each attempt tells it."""
        refused = accounts.refused(str(error))
        if refused is not None:
            log.error("nats does not let us", subject=refused)
            return
        why = reason(error)
        if self.connected or why not in self._told:
            log.warning("nats", server=self._server, error=why)
        self._told.add(why)

    async def _reconnected(self) -> None:
        self._told.clear()
        await self._declare()

    async def _disconnected(self) -> None:
        self.generations.forget()

    async def declare(self) -> bool:
        """Declare the streams; whether all are as they should be (`streams.declare`).

        Raises:
            nats.errors.Error, TimeoutError: NATS does not do it.
        """
        return await streams.declare(self.jetstream, may_change=self._may_change)

    async def _declared(self) -> None:
        """Declare the streams, and wait until another service has changed what another version made."""
        while True:
            if await self.declare():
                return
            await asyncio.sleep(DECLARED_SECONDS)

    async def _declare(self) -> None:
        """Declare the streams again: a server may have come back without them."""
        try:
            await self.declare()
        except nats.errors.Error as error:
            log.warning("streams not declared", error=type(error).__name__)

    @property
    def connected(self) -> bool:
        """Whether NATS answers now."""
        return self.client.is_connected

    async def close(self) -> None:
        """Let what is being answered finish, then disconnect."""
        await _finish(self._tasks)
        await self.client.close()

    async def request(
        self,
        subject: str,
        message: object,
        answer: type[A],
        timeout: float = 5.0,
        *,
        guarded: Guarded | None = None,
    ) -> A:
        """Ask, and wait for one answer.

        Args:
            subject: whom.
            message: what.
            answer: the type of the answer.
            timeout: seconds.
            guarded: what it takes to be answered, where it takes anything.

        Raises:
            NoWorker: nobody serves the subject.
            BusUnavailable: no answer within `timeout` seconds, or NATS is away.
            ContractError: the answer is none of this type.
        """
        with sending(subject, origin=None if guarded is None else guarded.origin):
            payload, headers = encode(message), inject()
            if guarded is not None:
                headers |= self.gate.header(guarded.right, guarded.origin, payload)
            with bus_errors(verb(subject)):
                reply = await self.client.request(subject, payload, timeout, headers=headers)
            return decode(reply.data, answer)

    async def serve(
        self,
        subject: str,
        queue: str,
        handler: Callable[[M], Awaitable[object]],
        kind: type[M],
        *,
        guarded: Guarded | Callable[[M], Guarded] | None = None,
    ) -> Serving:
        """Answer requests, each in a task of its own and in the trace of whoever asked.

        A handler says what failed in its answer; an error that it raises is logged, and nobody gets an
        answer. What is `guarded` is done only for whom a face vouches, and who may by the rules of here;
        where a subject is of no origin, a request tells of which it is.
        """

        async def answered(message: Msg) -> object:
            guard = guarded(decode(message.data, kind)) if callable(guarded) else guarded
            if guard is not None:
                try:
                    self.gate.check(message, guard.origin, guard.right, study=guard.study)
                except Forbidden as error:
                    await self.gate.refused(message, verb(subject), guard.origin, error)
                    if guard.refusal is None:  # what nobody waits for
                        raise
                    return guard.refusal(error)
            return await handler(decode(message.data, kind))

        async def answer(message: Msg) -> None:
            with bus_errors(verb(subject)):
                await message.respond(encode(await answered(message)))

        return await self.subscribe(subject, queue, answer)

    async def subscribe(self, subject: str, queue: str, handler: Callable[[Msg], Awaitable[None]]) -> Serving:
        """Run a task for each message, in the trace of its sender; the server knows of it when this returns.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        tasks: set[asyncio.Task[None]] = set()

        async def start(message: Msg) -> None:
            task = asyncio.create_task(self._handle(subject, message, handler))
            for those in (tasks, self._tasks):
                those.add(task)
                task.add_done_callback(those.discard)

        with bus_errors(verb(subject)):
            subscription = await self.client.subscribe(subject, queue, cb=start)
            await self.client.flush(SUBSCRIBE_TIMEOUT)
        return Serving(tasks, subscription)

    async def _handle(self, subject: str, message: Msg, handler: Callable[[Msg], Awaitable[None]]) -> None:
        token = context.attach(extract(message.headers or {}))
        try:
            with processing(subject):
                await handler(message)
        except UnavailableError as error:
            log.warning("request lost", subject=verb(subject), detail=error.detail)
        except IsthmusError as error:
            log.error("request not understood", subject=verb(subject), detail=error.detail)
        except Exception:  # the edge: whoever asked sees silence, the log says why
            log.exception("request failed", subject=verb(subject))
        finally:
            context.detach(token)
