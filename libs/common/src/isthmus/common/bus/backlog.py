"""How much waits in the queues and for how long, as JetStream tells it: for whoever watches the system."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from nats.js.api import ConsumerConfig, ConsumerInfo
from nats.js.errors import NotFoundError

from isthmus.common.bus import streams, webhooks
from isthmus.common.bus.client import Bus, bus_errors

STREAMS: Final = (streams.JOBS, streams.STORES, streams.FORWARDS, streams.COMMITMENTS, streams.EVENTS)
"""Those with queues."""
SINCE: Final = "Isthmus-Since"
"""The header of a message that takes the place of earlier ones: when the first came (s since 1970)."""
_DEAD: Final = "dicom.dead.>"
_OWN: Final = frozenset({streams.ARRIVALS_CONSUMER, "forwarding"})
"""Our own consumers of events: what makes studies of instances, and what looks where they are to go."""


class Queue(StrEnum):
    """What waits."""

    RETRIEVE = "retrieve"
    STORE = "store"
    FORWARD = "forward"
    COMMIT = "commit"
    EVENTS = "events"
    """What arrived, for our own services: `name` tells which."""
    WEBHOOKS = "webhooks"
    SUBSCRIBERS = "subscribers"


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one consumer has not acknowledged."""

    queue: Queue
    origin: str | None
    """The origin or inbox that it is for, where it is for one."""
    lane: str | None
    """Of retrieve jobs."""
    name: str | None
    """Of events, webhooks and subscribers: whose."""
    waiting: int
    """Messages that nobody has taken."""
    in_work: int
    """Messages that somebody has taken."""
    redelivered: int
    """Of those that are in work, how many were taken before."""
    has_takers: bool
    """Whether somebody is at work, or asks for more."""
    oldest: float | None
    """Since when the oldest of them waits: seconds since 1970; None where there is none."""

    @property
    def length(self) -> int:
        """How many messages there are."""
        return self.waiting + self.in_work


@dataclass(frozen=True, slots=True)
class Associations:
    """The associations that an origin allows."""

    origin: str
    allowed: int
    waiting: int
    """Who would have one, when all are in use."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What JetStream keeps on the disk."""

    used: int
    """Bytes."""
    limit: int | None
    """Bytes that our account may have; None: as many as there is room for."""


async def backlogs(bus: Bus) -> Sequence[Backlog]:
    """Give all queues, those that are empty too.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    with bus_errors("queues"):
        found = [info for name in STREAMS async for info in _consumers(bus, name)]
        ours = [
            (info, place) for info in found if (place := place_of(info.stream_name, info.config)) is not None
        ]
        return await asyncio.gather(*(_backlog(bus, info, place) for info, place in ours))


async def associations(bus: Bus) -> Sequence[Associations]:
    """Give how many associations each origin allows that ever was asked for one, and who waits for one.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    with bus_errors(streams.SLOTS):
        found = [info async for info in _consumers(bus, streams.SLOTS)]
    return [_associations(info) for info in found]


async def dead_letters(bus: Bus) -> Mapping[tuple[str, str], int]:
    """Count the dead letters by what they were (`forward`, `webhook`) and to whom they were to go.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    counts: dict[tuple[str, str], int] = {}
    with bus_errors(streams.DEAD):
        info = await bus.jetstream.stream_info(streams.DEAD, subjects_filter=_DEAD)
    for subject, count in (info.state.subjects or {}).items():
        _, _, what, name, *_ = subject.split(".")
        counts[what, name] = counts.get((what, name), 0) + count
    return counts


async def storage(bus: Bus) -> Storage:
    """Tell how much of the disk JetStream uses for us.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    with bus_errors("storage"):
        info = await bus.jetstream.account_info()
    limit = info.limits.max_storage
    return Storage(info.storage, limit if limit > 0 else None)


async def _consumers(bus: Bus, stream: str) -> AsyncIterator[ConsumerInfo]:
    offset = 0
    while page := await bus.jetstream.consumers_info(stream, offset):
        offset += len(page)
        for info in page:
            yield info


class Place(NamedTuple):
    """What a consumer takes, and of whom."""

    queue: Queue
    origin: str | None = None
    lane: str | None = None
    name: str | None = None


def place_of(stream: str, config: ConsumerConfig) -> Place | None:
    """Tell what a consumer takes; None for one that only reads along, or of another stream than `STREAMS`.

    Names of origins, webhooks and subscribers are tokens as they are.
    """
    durable = config.durable_name
    if durable is None or stream not in STREAMS:
        return None
    name, _, of = durable.partition("-")
    place: Place | None
    match stream, f"{name}-":
        case streams.JOBS, _:
            place = _of_lane(config.filter_subject or "")
        case streams.STORES, _:
            place = Place(Queue.STORE, of)
        case streams.COMMITMENTS, _:
            place = Place(Queue.COMMIT, of)
        case _, webhooks.CONSUMERS:  # on FORWARDS those of replayed dead letters
            place = Place(Queue.WEBHOOKS, name=of)
        case streams.FORWARDS, _:
            place = Place(Queue.FORWARD, of)
        case _:
            place = Place(Queue.EVENTS if durable in _OWN else Queue.SUBSCRIBERS, name=durable)
    return place


def _of_lane(subject: str) -> Place | None:
    """Tell whose jobs these are; None where it is no lane of ours."""
    match subject.split("."):
        case _, _, origin, lane, "*":
            return Place(Queue.RETRIEVE, origin, lane)
    return None


def _filters(info: ConsumerInfo) -> Sequence[str]:
    config = info.config
    return config.filter_subjects or [config.filter_subject or ">"]


async def _backlog(bus: Bus, info: ConsumerInfo, place: Place) -> Backlog:
    waiting, in_work = info.num_pending or 0, info.num_ack_pending or 0
    return Backlog(
        *place,
        waiting=waiting,
        in_work=in_work,
        redelivered=info.num_redelivered or 0,
        has_takers=bool(info.num_waiting or in_work),
        oldest=await _oldest(bus, info) if waiting or in_work else None,
    )


async def _oldest(bus: Bus, info: ConsumerInfo) -> float | None:
    """Give since when the first message waits that is not acknowledged: all up to the floor are."""
    floor = info.ack_floor.stream_seq if info.ack_floor is not None else 0
    times = await asyncio.gather(
        *(_time_of_next(bus, info.stream_name, floor + 1, one) for one in _filters(info))
    )
    return min((time for time in times if time is not None), default=None)


async def _time_of_next(bus: Bus, stream: str, sequence: int, subject: str) -> float | None:
    try:
        message = await bus.jetstream.get_msg(stream, sequence, subject, next=True)
    except NotFoundError:  # acknowledged meanwhile
        return None
    with suppress(KeyError, ValueError):  # of another version, it may be no number
        return float((message.headers or {})[SINCE])
    return message.time.timestamp() if message.time is not None else None


def _associations(info: ConsumerInfo) -> Associations:
    _, _, origin, _ = (info.config.filter_subject or "").split(".")
    # Those never taken, and those taken ever: a slot that was given back is among the latter, too.
    return Associations(origin, (info.num_pending or 0) + (info.num_ack_pending or 0), info.num_waiting or 0)
