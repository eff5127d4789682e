"""The events of a study, each once, whoever dies while it is published.

First the record says that the event is on its way, and its id; then the event goes into the stream; then the
record says that it is there. Who finds a record that says that one is on its way looks for it in the stream,
and goes on from there. Of two who do so at the same time one is a duplicate to the stream, by the event's id.
"""

import hashlib
import time
from contextlib import aclosing
from dataclasses import replace

from isthmus.arrivals.study_event import StudyEvents
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.inbox.contents import Contents, ContentsStore
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import Phase, Publication, States, StudyState, Versioned
from isthmus.common.messages.events import EventType, Reason
from isthmus.common.telemetry import TRACEPARENT, extract, get_logger, span
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_EVENT, ISTHMUS_REASON
from isthmus.common.telemetry.instruments import arrivals_announced

log = get_logger(__name__)


class Announcer:
    """Publishes the events of studies."""

    def __init__(
        self,
        bus: Bus,
        blobs: BlobStore,
        base_url: str,
        contents: ContentsStore,
    ) -> None:
        self._bus = bus
        self._states = States(bus)
        self._contents = contents
        self._events = StudyEvents(blobs, base_url)

    async def announce(self, found: Versioned, reason: Reason) -> bool:
        """Announce what is new of a study; False if its record has changed since it was found.

        Raises:
            UnavailableError: S3 or NATS is away; it goes on when the record is next looked at.
        """
        publication = Publication(_event_id(found.state), reason, time.time(), await self._last_sequence())
        arrival = replace(found.state.arrival, phase=Phase.PUBLISHING, publication=publication)
        state = replace(found.state, arrival=arrival)
        revision = await self._states.put(state, found.revision)
        if revision is None:
            return False
        await self._publish(Versioned(state, revision), is_told=False)
        return True

    async def finish(self, found: Versioned) -> None:
        """Go on with an event that somebody else was publishing; it does not matter who else does.

        Raises:
            UnavailableError: S3 or NATS is away.
            ContractError: the record or the list is of another version.
        """
        publication = found.state.arrival.publication
        if publication is not None:
            kind = _kind(found.state)
            await self._publish(found, is_told=await self._is_published(kind, found.state, publication))

    async def _publish(self, found: Versioned, *, is_told: bool) -> None:
        """Bring a publication to its end: the event is in the stream, and the record says so.

        Only a deletion changes the record meanwhile; of what is left by it the publication is the same.
        """
        origin, study, publication = found.state.origin, found.state.study, found.state.arrival.publication
        while True:
            again, contents = await read_study(self._states, self._contents, origin, study)
            if publication is None or again.state.arrival.publication != publication:
                return
            if not is_told:
                is_told = await self._tell(again.state, contents, publication)
            if await self._states.put(_settled(again.state, told=is_told), again.revision) is not None:
                return

    async def _tell(self, state: StudyState, contents: Contents, publication: Publication) -> bool:
        """Publish the event, and tell whether there is one."""
        kind, traceparent = _kind(state), state.arrival.traceparent
        context = extract({TRACEPARENT: traceparent} if traceparent else None)
        told = {DICOM_ORIGIN: state.origin, ISTHMUS_REASON: publication.reason.value}
        with span(f"publish {kind}", told, context=context):
            event = await self._events.make(state, contents, kind, publication)
            if event is None:
                return False
            if await publish_event(self._bus, event):
                arrivals_announced.add(1, {DICOM_ORIGIN: state.origin, ISTHMUS_EVENT: kind.value})
            return True

    async def _last_sequence(self) -> int:
        with bus_errors("dicom.events"):
            return (await self._bus.jetstream.stream_info(streams.EVENTS)).state.last_seq

    async def _is_published(self, kind: EventType, state: StudyState, publication: Publication) -> bool:
        """Tell whether the event is in the stream: publishing it again would tell for an hour alone."""
        log.info("looking for an event", origin=state.origin)
        subject, since = subjects.event(kind, state.origin), publication.after + 1
        reading = read_ordered(
            self._bus, streams.EVENTS, subject, since=since, follow=False, headers_only=True
        )
        async with aclosing(reading) as messages:
            async for message in messages:
                if (message.headers or {}).get("Nats-Msg-Id") == publication.id:
                    return True
        return False


def _kind(state: StudyState) -> EventType:
    return EventType.STUDY_AMENDED if state.arrival.revision else EventType.STUDY_ARRIVED


def _settled(state: StudyState, *, told: bool) -> StudyState:
    arrival = replace(
        state.arrival,
        phase=Phase.SETTLED,
        revision=state.arrival.revision + told,
        announced=state.contents,
        publication=None,
    )
    return replace(state, arrival=arrival)


def _event_id(state: StudyState) -> str:
    """Name the next event of a study, as no other one will ever be: no other list has the key of this one.

    A study that was deleted and comes again is another one, also when nobody remembers the first any more.
    """
    named = (state.origin, state.study, str(state.arrival.revision + 1), state.contents or "")
    return hashlib.sha256("\0".join(("study", *named)).encode()).hexdigest()
