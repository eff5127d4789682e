"""All studies of all inboxes, in memory, as their records are now.

The bucket of the records is followed by an ordered consumer, which begins with all that is there: its stream
keeps the last message of each key. Before an answer the stream is asked how far it is, so that a change that
was written before the question is in the answer, and one that got lost on its way to us is noticed.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy
from nats.js.errors import NotFoundError

from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.buckets import bucket_errors
from isthmus.common.bus.followers import HEARTBEAT
from isthmus.common.bus.streams import INBOXES_BUCKET
from isthmus.common.bus.subjects import token
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_values import DicomJson, first_text
from isthmus.common.errors import BusUnavailable, ContractError
from isthmus.common.inbox.matches import study_match
from isthmus.common.inbox.state import StudyState, read_record
from isthmus.common.telemetry import get_logger

STREAM: Final = f"KV_{INBOXES_BUCKET}"
SUBJECTS: Final = f"$KV.{INBOXES_BUCKET}.>"
_PREFIX: Final = SUBJECTS.removesuffix(">")
BEHIND_SECONDS: Final = 5.0
"""How long a change may take to come, before the records are read anew."""
AGAIN_SECONDS: Final = 0.25
_DATE: Final = tag_of("StudyDate")
_TIME: Final = tag_of("StudyTime")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Indexed:
    """A study of an inbox."""

    origin: str
    study: str
    match: DicomJson
    """What searches of the study's level match and give back."""
    record: bytes
    """All of its record: for many studies it is smaller so."""
    is_there: bool
    """Whether it has instances."""
    has_removals: bool
    """Whether a deletion of something is under way."""
    order: tuple[str, str]
    listing: str = ""
    """Of a study in a bucket: digest of what was listed when its instances were read."""

    def state(self) -> StudyState:
        """Give its record."""
        return read_record(self.record)


class Index:
    """The studies of all inboxes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._records: dict[str, Indexed] = {}
        self._unreadable: set[str] = set()
        self._sorted: dict[str, Sequence[Indexed]] = {}
        self._sequence = 0
        self._created: datetime | None = None
        self._changed = asyncio.Event()
        self._stale = asyncio.Event()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the records while the block runs."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            await end_tasks([task])

    async def studies(self, origin: str, among: Collection[str] = ()) -> Sequence[Indexed]:
        """Give the studies of an inbox, by date and time of the study, the newest first.

        Args:
            origin: the inbox.
            among: the only studies that matter, by their UIDs; all, if there are none.

        Raises:
            BusUnavailable: it cannot be told whether these are all.
            ContractError: of those that matter there are records of another version.
        """
        await self._catch_up()
        self._check_readable(origin, among)
        if origin not in self._sorted:
            of_origin = [one for one in self._records.values() if one.origin == origin and one.is_there]
            of_origin.sort(key=lambda one: one.study)
            self._sorted[origin] = sorted(of_origin, key=lambda one: one.order, reverse=True)
        return self._sorted[origin]

    async def with_removals(self) -> Sequence[Indexed]:
        """Give the studies that can be read and of which something is deleted whose blobs may not be gone.

        Raises:
            BusUnavailable: it cannot be told.
        """
        await self._catch_up()
        return [one for one in self._records.values() if one.has_removals]

    async def _catch_up(self) -> None:
        """Wait until all that was written before is here."""
        try:
            until = asyncio.get_running_loop().time() + BEHIND_SECONDS
            async with asyncio.timeout_at(until):
                last = await self._last()
            # By itself: on Python 3.11 nats-py may drop the cancellation of a timeout, once.
            async with asyncio.timeout_at(until):
                await self._wait_for(last)
        except TimeoutError:
            self._stale.set()
            raise BusUnavailable("The records of the inboxes do not come") from None

    def _check_readable(self, origin: str, among: Collection[str]) -> None:
        inbox = f"{_PREFIX}{token(origin)}."
        unreadable = {subject for subject in self._unreadable if subject.startswith(inbox)}
        if among:
            unreadable &= {inbox + token(study) for study in among}
        if unreadable:
            raise ContractError(f"{len(unreadable)} studies of {origin!r} have records of another version")

    async def _wait_for(self, sequence: int) -> None:
        while self._created is None or self._sequence < sequence:
            changed = self._changed
            await changed.wait()

    async def _last(self) -> int:
        """Ask for the sequence of the last record; where the stream is another one, begin anew."""
        with bucket_errors(INBOXES_BUCKET):
            info = await self._bus.jetstream.stream_info(STREAM)
            if self._created not in (None, info.created) or info.state.last_seq < self._sequence:
                self._begin(None)
                self._stale.set()
            if self._created is not None and self._sequence >= info.state.last_seq:
                return self._sequence
            # The last one may have been taken away: what is waited for is there.
            try:
                return (await self._bus.jetstream.get_last_msg(STREAM, SUBJECTS)).seq or 0
            except NotFoundError:
                return 0

    async def _follow(self) -> None:
        while True:
            self._stale.clear()
            try:
                await self._follow_once()
            except (nats.errors.Error, TimeoutError) as error:
                log.warning("records of inboxes not followed", error=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _follow_once(self) -> None:
        info = await self._bus.jetstream.stream_info(STREAM)
        self._begin(info.created)
        subscription = await self._bus.jetstream.subscribe(
            SUBJECTS,
            stream=STREAM,
            cb=self._take,
            ordered_consumer=True,
            idle_heartbeat=HEARTBEAT,
            deliver_policy=DeliverPolicy.ALL,
        )
        try:
            await self._stale.wait()
        finally:
            await _leave(subscription)

    def _begin(self, created: datetime | None) -> None:
        """Know nothing, of a stream that was created then."""
        self._records, self._unreadable, self._sorted = {}, set(), {}
        self._created, self._sequence = created, 0
        self._tell()

    async def _take(self, message: Msg) -> None:
        sequence = message.metadata.sequence.stream
        if sequence <= self._sequence:
            return
        before = self._records.pop(message.subject, None)
        self._unreadable.discard(message.subject)
        if before is not None:
            self._sorted.pop(before.origin, None)
        if not (message.headers or {}).get("KV-Operation"):
            self._note(message)
        self._sequence = sequence
        self._tell()

    def _note(self, message: Msg) -> None:
        try:
            state = read_record(message.data)
        except ContractError as error:
            log.error("record of an inbox not read", detail=error.detail)
            self._unreadable.add(message.subject)
            return
        if state.contents is not None or state.removals:
            self._records[message.subject] = Indexed(
                state.origin,
                state.study,
                {sys.intern(tag): element for tag, element in study_match(state).items()},
                message.data,
                state.contents is not None,
                bool(state.removals),
                (first_text(state.attributes, _DATE), first_text(state.attributes, _TIME)),
                state.listing,
            )
            self._sorted.pop(state.origin, None)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _leave(subscription: JetStreamContext.PushSubscription) -> None:
    with suppress(nats.errors.Error, TimeoutError):
        await subscription.unsubscribe()
