"""Which of the instances that a request names are in S3.

A request names no study (PS3.4 Table J.3-1), so they are looked for: first among the events that `arrivals`
has not yet put into the lists of studies, then in the lists, those that changed last first. What is found
there is looked at in S3: only what lies there, as long as it should be, is committed to.
"""

import asyncio
import json
from collections.abc import Coroutine, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from nats.js.errors import NotFoundError

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.dicom.statuses import CLASS_INSTANCE_CONFLICT, NO_SUCH_SOP_INSTANCE
from isthmus.common.errors import ContractError
from isthmus.common.inbox.own import is_own
from isthmus.common.inbox.remove import is_deleted
from isthmus.common.inbox.state import States, StudyState
from isthmus.common.messages.cloud_events import from_json
from isthmus.common.messages.events import EventType, InstanceEvent
from isthmus.scp.commitment.lists import KnownLists
from isthmus.scp.commitment.requests import Reference
from isthmus.scp.commitment.seeing import Sees

AT_ONCE: Final = 8
"""Questions to S3."""
ONE_LISTING: Final = 16
"""From so many instances of a series on, the series is listed instead of asking for each."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance is said to be."""

    study: str
    """Study Instance UID."""
    sop_class_uid: str
    key: str
    size: int
    """Bytes."""


class Search:
    """One request's search; looked again, it finds what came meanwhile."""

    def __init__(
        self,
        bus: Bus,
        blobs: BlobStore,
        lists: KnownLists,
        inbox: str,
        references: Iterable[Reference],
        sees: Sees,
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._lists = lists
        self._states = States(bus)
        self._inbox = inbox
        self._sees = sees
        self._references = tuple(references)
        self._classes: dict[str, str] = {}
        """What lies in S3: the SOP class of each instance."""
        self._read_to: int | None = None
        """The last sequence of EVENTS that was looked at."""

    @property
    def failures(self) -> dict[Reference, int]:
        """What is not committed to, each with its Failure Reason (0008,1197; PS3.3 C.14.1.1)."""
        return {reference: reason for reference in self._references if (reason := self._reason(*reference))}

    def _reason(self, sop_class_uid: str, sop_instance_uid: str) -> int:
        found = self._classes.get(sop_instance_uid)
        if found is None:
            return NO_SUCH_SOP_INSTANCE
        return 0 if found == sop_class_uid else CLASS_INSTANCE_CONFLICT

    @property
    def _missing(self) -> frozenset[str]:
        return frozenset(uid for _, uid in self._references if uid not in self._classes)

    async def look(self) -> None:
        """Look for what was not found yet; after the first time, only among what came since.

        Raises:
            UnavailableError: NATS or S3 is away: nothing is known.
        """
        first = self._read_to is None
        await self._take(await self._among_events())
        if first:
            await self._among_lists()

    async def _take(self, places: dict[str, Place]) -> None:
        """Take note of those that are in S3, and of studies that whoever asks may know of."""
        studies = {study: await self._sees(study) for study in {place.study for place in places.values()}}
        by_series: dict[str, dict[str, Place]] = {}
        for uid, place in places.items():
            if studies[place.study]:
                by_series.setdefault(_series_prefix(place.key), {})[uid] = place
        room = asyncio.Semaphore(AT_ONCE)
        questions: list[Coroutine[object, object, None]] = []
        for prefix, its in by_series.items():
            if len(its) >= ONE_LISTING:
                questions.append(self._list(room, prefix, its))
            else:
                questions.extend(self._ask(room, uid, place) for uid, place in its.items())
        await asyncio.gather(*questions)

    async def _ask(self, room: asyncio.Semaphore, uid: str, place: Place) -> None:
        async with room:
            if await self._blobs.size(place.key) == place.size:
                self._classes[uid] = place.sop_class_uid

    async def _list(self, room: asyncio.Semaphore, prefix: str, places: dict[str, Place]) -> None:
        async with room, aclosing(self._blobs.list(prefix)) as listed:
            sizes = {blob.key: blob.size async for blob in listed}
        self._classes.update(
            {uid: place.sop_class_uid for uid, place in places.items() if sizes.get(place.key) == place.size}
        )

    async def _among_events(self) -> dict[str, Place]:
        """Read the events that no list knows yet."""
        begin = await self._first_unlisted() if self._read_to is None else self._read_to + 1
        with bus_errors(streams.EVENTS):
            self._read_to = (await self._bus.jetstream.stream_info(streams.EVENTS)).state.last_seq
        wanted = self._missing
        if not wanted:
            return {}
        events: list[InstanceEvent] = []
        subject = subjects.event(EventType.INSTANCE_STORED, self._inbox)
        reading = read_ordered(self._bus, streams.EVENTS, subject, since=begin, follow=False)
        async with aclosing(reading) as messages:
            async for message in messages:
                if _instance(message.data) in wanted:  # to read all of it takes some times as long
                    with suppress(ContractError):  # of a later version: it is in a list by and by
                        data = from_json(message.data).data
                        if isinstance(data, InstanceEvent) and is_own(data):
                            events.append(data)
        return await self._not_deleted(events)

    async def _not_deleted(self, events: Iterable[InstanceEvent]) -> dict[str, Place]:
        """Leave out what was deleted since: its blob may still be there."""
        states: dict[str, StudyState] = {}
        places: dict[str, Place] = {}
        for data in events:
            if data.study not in states:
                states[data.study] = (await self._states.get(self._inbox, data.study)).state
            if not await is_deleted(self._blobs, states[data.study], data.blob.key):
                places[data.instance] = Place(data.study, data.sop_class, data.blob.key, data.blob.size)
        return places

    async def _first_unlisted(self) -> int:
        """Give the sequence from which on `arrivals` may not have put events into lists."""
        with bus_errors(streams.EVENTS):
            try:
                info = await self._bus.jetstream.consumer_info(streams.EVENTS, streams.ARRIVALS_CONSUMER)
            except NotFoundError:  # it has never run
                return 1
        floor = info.ack_floor
        return (floor.stream_seq if floor else 0) + 1

    async def _among_lists(self) -> None:
        wanted = set(self._missing)
        async with aclosing(self._lists.rows(self._inbox, wanted)) as found:
            async for rows in found:
                await self._take(
                    {
                        uid: Place(
                            row.blob.study_instance_uid, row.blob.sop_class_uid, row.blob.key, row.blob.size
                        )
                        for uid, row in rows.items()
                    }
                )
                wanted.intersection_update(self._missing)


def _instance(event: bytes) -> object:
    """Give the SOP Instance UID of an `instance.stored`."""
    try:
        return json.loads(event)["data"]["instance"]
    except (ValueError, KeyError, TypeError):
        return None


def _series_prefix(key: str) -> str:
    """Give the beginning of the keys of all instances of the series that this one is of."""
    return key.rsplit("/", 2)[0] + "/"
