"""The worker's end of the work queues."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import APIError, NotFoundError
from opentelemetry import context

from isthmus.common.auth import Right
from isthmus.common.bus import progress, subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.handed_over import HandedOver
from isthmus.common.bus.measured import count_redelivered
from isthmus.common.bus.pull import Pull, leave
from isthmus.common.bus.queues import durable_name, jobs_subject
from isthmus.common.bus.submitted import Lane
from isthmus.common.bus.templates import verb
from isthmus.common.bus.tracing import processing
from isthmus.common.errors import BusUnavailable, ContractError, Forbidden, UnavailableError
from isthmus.common.messages import Failure, Retrieve, RetrieveDone, Store, StoreDone, decode
from isthmus.common.telemetry import extract, get_logger

ACK_WAIT: Final = 10.0
"""Seconds after which a job whose worker says nothing goes to another one."""
IN_PROGRESS: Final = 3.0
MAX_DELIVERIES: Final = 3
"""When so many workers have died of a job, it is given up."""
AGAIN_SECONDS: Final = 0.25
"""Until the next try when the queue cannot be had."""
_NOT_UNIQUE: Final = 10100
"""JetStream error: filtered consumer not unique on workqueue stream."""

J = TypeVar("J", Retrieve, Store)

log = get_logger(__name__)


class Running(Generic[J]):
    """A job that this worker has taken."""

    def __init__(self, message: Msg, job: J, generation: str, lane: Lane, handed_over: HandedOver) -> None:
        self._message = message
        self._handed_over = handed_over
        self.job: J = job
        self.generation = generation
        self.lane = lane
        self.deliveries = message.metadata.num_delivered
        """How often the job was taken, this time included; what was published before is to be replayed."""
        self.deaths = max(0, self.deliveries - 1 - handed_over.count)
        """How many workers took it and neither ended it nor gave it back."""

    async def acknowledge(self) -> None:
        """End the job: all that it was for is published."""
        with bus_errors("acknowledge"):
            await self._message.ack_sync(timeout=5)

    async def hand_over(self) -> None:
        """Give the job back, for another worker to take at once."""
        await self._handed_over.once_more()
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
    lane: Lane = Lane.INTERACTIVE,
) -> None:
    """Take an origin's jobs and work on them, `at_once` at a time; runs until cancelled.

    The worker publishes the end of the job and acknowledges it. When it raises, the job stays and is
    delivered again; when it is cancelled, at once.
    """
    queue = _Queue(bus, stream, origin, lane)
    room = asyncio.Semaphore(at_once)
    async with asyncio.TaskGroup() as group, aclosing(queue.messages(room)) as messages:
        async for message in messages:
            group.create_task(_work_on(queue, message, kind, worker, room))


@dataclass(frozen=True, slots=True)
class _Queue:
    """The jobs of an origin, for one of its workers."""

    bus: Bus
    stream: str
    origin: str
    lane: Lane

    async def messages(self, room: asyncio.Semaphore) -> AsyncGenerator[Msg, None]:
        """Give the jobs as there is room for them; trouble with NATS is waited out."""
        pull: Pull | None = None
        try:
            while True:
                await room.acquire()
                come: list[Msg] = []
                while not come:
                    try:
                        if pull is None:
                            pull = await self._pull()
                        come = await pull.batch(1)
                    except (nats.errors.Error, TimeoutError, BusUnavailable) as error:
                        self._tell(error)
                        await leave(pull)
                        pull = None
                        await asyncio.sleep(AGAIN_SECONDS)
                count_redelivered(self.stream, self._configuration, come)
                yield come[0]
        finally:
            await leave(pull)

    def _tell(self, error: Exception) -> None:
        log.warning("no jobs", stream=self.stream, origin=self.origin, error=type(error).__name__)

    @property
    def _configuration(self) -> ConsumerConfig:
        return ConsumerConfig(
            durable_name=durable_name(self.stream, self.origin, self.lane),
            filter_subject=jobs_subject(self.stream, self.origin, self.lane),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
        )

    async def _pull(self) -> Pull:
        configuration = self._configuration
        try:
            await self._add(configuration)
        except NotFoundError:  # the server came back without its streams
            await self.bus.declare()
            await self._add(configuration)
        return await Pull.open(self.bus, self.stream, configuration.durable_name or "", self._give_back)

    async def _give_back(self, message: Msg) -> None:
        """Leave a job that nobody here works on to another worker; nobody has died of it."""
        with suppress(UnavailableError, nats.errors.Error):
            handed_over = await _handed_over(self, message, await _generation(self, message))
            await handed_over.once_more()
        with suppress(nats.errors.Error):
            await message.nak()

    async def _add(self, configuration: ConsumerConfig) -> None:
        try:
            await self.bus.jetstream.add_consumer(self.stream, configuration)
        except APIError as error:
            if error.err_code != _NOT_UNIQUE:
                raise
            await self._delete_leftovers(configuration)
            await self.bus.jetstream.add_consumer(self.stream, configuration)

    async def _delete_leftovers(self, configuration: ConsumerConfig) -> None:
        """Delete what an earlier version named otherwise: a work queue gives each job to one consumer."""
        offset = 0
        while page := await self.bus.jetstream.consumers_info(self.stream, offset):
            offset += len(page)
            for consumer in page:
                if consumer.config.filter_subject == configuration.filter_subject:
                    await self.bus.jetstream.delete_consumer(self.stream, consumer.name)


async def _generation(queue: _Queue, message: Msg) -> str:
    place = message.metadata
    with bus_errors(verb(message.subject)):
        return await queue.bus.generations.name(
            queue.stream, place.sequence.stream, new=place.num_delivered == 1
        )


async def _handed_over(queue: _Queue, message: Msg, generation: str) -> HandedOver:
    subject = subjects.handed_over(queue.stream, generation)
    return await HandedOver.of(queue.bus, subject, message.metadata.num_delivered)


async def _take(queue: _Queue, message: Msg, kind: type[J]) -> Running[J]:
    job = decode(message.data, kind)
    generation = await _generation(queue, message)
    handed_over = await _handed_over(queue, message, generation)
    return Running(message, job, generation, queue.lane, handed_over)


async def _is_refused(queue: _Queue, message: Msg, running: Running[J]) -> bool:
    """Tell whether no face of ours vouches for a job, or the rules do not allow it; then it is ended.

    A job may have waited for long: its grant is as old as the job is, whenever it is taken.
    """
    job = running.job
    study = job.study if isinstance(job, Retrieve) else None
    right = Right.STORE if study is None else Right.RETRIEVE
    sent_at, gate = message.metadata.timestamp.timestamp(), queue.bus.gate
    try:
        gate.check(message, queue.origin, right, sent_at=sent_at, study=study)
    except Forbidden as error:
        await gate.refused(message, verb(message.subject), queue.origin, error, sent_at=sent_at)
        await _end(queue, running, Failure.of(error))
        return True
    return False


async def _end(queue: _Queue, running: Running[J], failure: Failure) -> None:
    """End a job of which nothing is done: whoever waits for it hears why."""
    job = running.job
    if isinstance(job, Retrieve):
        subject = subjects.progress(queue.origin, job.study, running.generation)
        # Under names of its own: what is said of the job itself is not lost to it.
        done = RetrieveDone(0, (), failure, unlisted=True)
        await progress.publish(queue.bus, subject, done, f"{running.generation}.refused")
    else:
        subject = subjects.stored(queue.origin, job.job)
        refused = StoreDone(0, len(job.blobs), failure)
        await progress.publish(queue.bus, subject, refused, f"{running.generation}.refused")
    await running.acknowledge()


async def _work_on(
    queue: _Queue,
    message: Msg,
    kind: type[J],
    worker: Callable[[Running[J]], Awaitable[None]],
    room: asyncio.Semaphore,
) -> None:
    token = context.attach(extract(message.headers or {}))
    try:
        with processing(message.subject, origin=queue.origin):
            running = await _take(queue, message, kind)
            if await _is_refused(queue, message, running):
                return
            keeping = asyncio.create_task(running.keep())
            try:
                await worker(running)
            except asyncio.CancelledError:
                await running.hand_over()
                raise
            finally:
                await end_tasks([keeping])
    except ContractError as error:
        log.error("job not understood", stream=queue.stream, detail=error.detail)
        with suppress(nats.errors.Error):
            await message.term()
    except UnavailableError as error:
        log.warning("job left for another delivery", stream=queue.stream, detail=error.detail)
    except Exception:  # the edge: the job stays in the queue and is delivered again
        log.exception("job failed", stream=queue.stream)
    finally:
        context.detach(token)
        room.release()
