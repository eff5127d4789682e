"""Work queues: the retrieve jobs, of which each study has one at most, and the store jobs.

The message in the stream is the lock and the state: it is there while the job is queued or running, and the
acknowledgement at its end removes it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import APIError, NotFoundError
from opentelemetry import context
from opentelemetry.trace import SpanKind

from isthmus.common.bus import progress, streams, subjects
from isthmus.common.bus.client import MESSAGING, Bus, bus_errors, verb
from isthmus.common.bus.ending import end_tasks
from isthmus.common.errors import ContractError, NoWorker, UnavailableError
from isthmus.common.messages import Retrieve, RetrieveDone, Store, decode, encode, retrieve_fact
from isthmus.common.telemetry import extract, inject, span

INTERACTIVE: Final = "interactive"
"""The lane of jobs that somebody waits for."""
ACK_WAIT: Final = 10.0
"""Seconds after which a job whose worker says nothing goes to another one."""
IN_PROGRESS: Final = 3.0
MAX_DELIVERIES: Final = 3
SECOND_LOOK: Final = 0.5
"""Seconds between the two looks at whether somebody takes jobs."""
_ONE_PER_SUBJECT: Final = 10077
"""JetStream error: maximum messages per subject exceeded."""
_GONE: Final = frozenset({10037, 10043, 10057})
"""JetStream errors: no message found, sequence not found, message delete failed."""

J = TypeVar("J", Retrieve, Store)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Submitted:
    """A retrieve job in the queue: the one submitted, or the one that was there."""

    generation: str
    job: Retrieve


async def submit_retrieve(bus: Bus, wanted: Retrieve) -> Submitted:
    """Submit a job, or find the one that its study already has, whatever that one's scope.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    subject = subjects.retrieve(wanted.origin, INTERACTIVE, wanted.study)
    with span("send dicom.retrieve", MESSAGING, kind=SpanKind.PRODUCER):
        while True:
            with bus_errors("dicom.retrieve"):
                try:
                    ack = await bus.jetstream.publish(subject, encode(wanted), headers=inject())
                    return Submitted(await _generation(bus, ack.seq), wanted)
                except APIError as error:
                    if error.err_code != _ONE_PER_SUBJECT:
                        raise
                there = await _running(bus, subject)
                if there is not None:
                    return there


async def _running(bus: Bus, subject: str) -> Submitted | None:
    """Give the job that a study has, unless it has ended meanwhile.

    One whose end is published is over, though its worker has not taken it off the queue, or died before it
    could: who joined it would only hear how it ended.
    """
    try:
        there = await bus.jetstream.get_last_msg(streams.JOBS, subject)
    except NotFoundError:
        return None
    sequence = there.seq or 0
    job = decode(there.data or b"", Retrieve)
    generation = await _generation(bus, sequence)
    facts = subjects.progress(job.origin, job.study, generation)
    if isinstance(await progress.last(bus, facts, retrieve_fact), RetrieveDone):
        await withdraw(bus, streams.JOBS, sequence)
        return None
    return Submitted(generation, job)


async def _generation(bus: Bus, sequence: int) -> str:
    """Name a job: the sequence alone starts again when a lost stream is declared anew."""
    info = await bus.jetstream.stream_info(streams.JOBS)
    created = int(info.created.timestamp() * 1_000_000) if info.created else 0
    return f"{created:x}-{sequence}"


async def submit_store(bus: Bus, store: Store) -> int:
    """Queue a store job and give its sequence in the stream.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    subject = subjects.store(store.origin)
    sending = span("send dicom.store", MESSAGING, kind=SpanKind.PRODUCER)
    with sending, bus_errors("dicom.store"):
        ack = await bus.jetstream.publish(subject, encode(store), headers=inject())
        return ack.seq


async def is_queued(bus: Bus, stream: str, sequence: int) -> bool:
    """Tell whether a job is still queued or running."""
    with bus_errors(stream):
        try:
            await bus.jetstream.get_msg(stream, sequence)
        except NotFoundError:
            return False
        return True


async def withdraw(bus: Bus, stream: str, sequence: int) -> bool:
    """Take a job back; False when it is gone already."""
    with bus_errors(stream):
        try:
            return await bus.jetstream.delete_msg(stream, sequence)
        except APIError as error:
            if error.err_code not in _GONE:
                raise
            return False


def sequence_of(generation: str) -> int:
    """Give the job's place in its stream."""
    return int(generation.rpartition("-")[2])


async def require_worker(bus: Bus, stream: str, origin: str) -> None:
    """Raise NoWorker when nobody takes jobs of this stream for this origin.

    It looks twice: a worker that has just ended a job has not yet asked for the next one.
    """
    if not await _has_worker(bus, stream, origin):
        await asyncio.sleep(SECOND_LOOK)
        if not await _has_worker(bus, stream, origin):
            raise NoWorker(f"No worker serves {origin!r}")


async def _has_worker(bus: Bus, stream: str, origin: str) -> bool:
    with bus_errors(stream):
        try:
            info = await bus.jetstream.consumer_info(stream, durable_name(stream, origin))
        except NotFoundError:
            return False
    return bool(info.num_waiting or info.num_ack_pending)


def durable_name(stream: str, origin: str) -> str:
    """Name the durable consumer that an origin's workers share."""
    return f"{stream.lower()}-{subjects.token(origin)}"


class Running(Generic[J]):
    """A job that this worker has taken."""

    def __init__(self, message: Msg, job: J, generation: str) -> None:
        self._message = message
        self.job: J = job
        self.generation = generation
        self.deliveries = message.metadata.num_delivered
        """How often the job was taken, this time included; more than once means that a worker died."""

    async def acknowledge(self) -> None:
        """End the job: all that it was for is published."""
        with bus_errors("acknowledge"):
            await self._message.ack_sync(timeout=5)

    async def hand_over(self) -> None:
        """Give the job back, for another worker to take at once."""
        with suppress(nats.errors.Error):
            await self._message.nak()

    async def keep(self) -> None:
        """Tell JetStream that we are still at it; runs until cancelled."""
        while True:
            await asyncio.sleep(IN_PROGRESS)
            with suppress(nats.errors.Error):
                await self._message.in_progress()


async def work(
    bus: Bus,
    stream: str,
    origin: str,
    kind: type[J],
    worker: Callable[[Running[J]], Awaitable[None]],
    *,
    at_once: int,
) -> None:
    """Take an origin's jobs and work on them, `at_once` at a time; runs until cancelled.

    The worker publishes the end of the job and acknowledges it. When it raises, the job stays and is
    delivered again; when it is cancelled, at once.
    """
    subject = subjects.retrieves(origin, INTERACTIVE) if stream == streams.JOBS else subjects.store(origin)
    room = asyncio.Semaphore(at_once)
    async with (
        asyncio.TaskGroup() as group,
        aclosing(_messages(bus, stream, origin, subject, room)) as messages,
    ):
        async for message in messages:
            group.create_task(_work_on(bus, stream, message, kind, worker, room))


async def _messages(
    bus: Bus, stream: str, origin: str, subject: str, room: asyncio.Semaphore
) -> AsyncGenerator[Msg, None]:
    consumer: JetStreamContext.PullSubscription | None = None
    try:
        while True:
            await room.acquire()
            while True:
                try:
                    if consumer is None:
                        consumer = await _consume(bus, stream, origin, subject)
                    (message,) = await consumer.fetch(1, timeout=5)
                    break
                except nats.errors.TimeoutError:
                    continue
                except nats.errors.Error as error:
                    log.warning("no jobs", stream=stream, origin=origin, error=type(error).__name__)
                    await _leave(consumer)
                    consumer = None
                    await asyncio.sleep(0.25)
            yield message
    finally:
        await _leave(consumer)


async def _leave(consumer: JetStreamContext.PullSubscription | None) -> None:
    """Take a request for jobs back: a job that came for it would wait for `ACK_WAIT`."""
    if consumer is not None:
        with suppress(nats.errors.Error):
            await consumer.unsubscribe()


async def _consume(bus: Bus, stream: str, origin: str, subject: str) -> JetStreamContext.PullSubscription:
    name = durable_name(stream, origin)
    configuration = ConsumerConfig(
        durable_name=name, filter_subject=subject, ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_WAIT
    )
    await bus.jetstream.add_consumer(stream, configuration)
    return await bus.jetstream.pull_subscribe_bind(name, stream)


async def _work_on(
    bus: Bus,
    stream: str,
    message: Msg,
    kind: type[J],
    worker: Callable[[Running[J]], Awaitable[None]],
    room: asyncio.Semaphore,
) -> None:
    token = context.attach(extract(message.headers or {}))
    try:
        with span(f"process {verb(message.subject)}", MESSAGING, kind=SpanKind.CONSUMER):
            generation = await _generation(bus, message.metadata.sequence.stream)
            running: Running[J] = Running(message, decode(message.data, kind), generation)
            keeping = asyncio.create_task(running.keep())
            try:
                await worker(running)
            except asyncio.CancelledError:
                await running.hand_over()
                raise
            finally:
                await end_tasks([keeping])
    except ContractError as error:
        log.error("job not understood", stream=stream, detail=error.detail)
        with suppress(nats.errors.Error):
            await message.term()
    except UnavailableError as error:
        log.warning("job left for another delivery", stream=stream, detail=error.detail)
    except Exception:  # the edge: the job stays in the queue and is delivered again
        log.exception("job failed", stream=stream)
    finally:
        context.detach(token)
        room.release()
