"""Events to destinations: what the rules of `arrivals.forward` send where."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError
from opentelemetry import context
from pydantic import TypeAdapter, ValidationError

from isthmus.arrivals.forwarding.rules import MODALITY, Traits, Wanted, routes, text
from isthmus.common.bus import streams
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.consumer import Consumer, give_back
from isthmus.common.bus.forwards import ForwardedStudies, derived_id, enqueue
from isthmus.common.bus.tracing import processing
from isthmus.common.config.arriving import ForwardUnit
from isthmus.common.errors import BlobMissing, ContractError, UnavailableError
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.own import is_own
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import States
from isthmus.common.messages import BlobRef, Forwarded, Forwarding, encode
from isthmus.common.messages.cloud_events import from_json
from isthmus.common.messages.events import CloudEvent, InstanceBlob, InstanceEvent, StudyEvent
from isthmus.common.service import Parts
from isthmus.common.telemetry import extract, get_logger

CONSUMER: Final = "forwarding"
"""The durable consumer of EVENTS that all replicas share."""
MESSAGE_BYTES: Final = 192 * 1024
"""More blob refs than that go by several messages: one has room for 1 MiB."""
ACK_WAIT: Final = 30.0
"""Seconds after which events that a replica had that says nothing go to another one."""
AT_ONCE: Final = 64
AGAIN_SECONDS: Final = 5.0
"""Until an event comes again of which NATS or S3 gave not all that is needed."""
FAILED_SECONDS: Final = 60.0
"""Until one comes again over which we stumbled."""
NOT_OLDER: Final = timedelta(minutes=1)
"""The first rule holds for what arrived up to so long before arrivals knew of it, as while all start."""
_KINDS: Final = {
    ForwardUnit.STUDY: ("dicom.events.study.arrived.>", "dicom.events.study.amended.>"),
    ForwardUnit.INSTANCE: ("dicom.events.instance.stored.>",),
}
_MANIFEST: Final = TypeAdapter(tuple[InstanceBlob, ...])

log = get_logger(__name__)


class Router:
    """Puts what an event tells of into the queues of its destinations; then the event is done with."""

    def __init__(self, parts: Parts) -> None:
        self._bus = parts.bus
        self._blobs = parts.blobs
        self._rules = parts.settings.arrivals.forward
        self._states = States(parts.bus)
        self._contents = ContentsStore(parts.blobs)
        self._forwarded = ForwardedStudies(parts.bus)

    async def run(self) -> None:
        """Take events for as long as there are rules for them, until cancelled; then what is left goes on."""
        filters = [one for unit in {rule.each for rule in self._rules} for one in _KINDS[unit]]
        if not filters:
            await self._forget()
            return
        consumer = ConsumerConfig(
            durable_name=CONSUMER,
            filter_subjects=sorted(filters),
            deliver_policy=DeliverPolicy.BY_START_TIME,
            opt_start_time=datetime.now(UTC) - NOT_OLDER,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
        )
        events = Consumer(self._bus, streams.EVENTS, consumer)
        async with aclosing(events.batches(AT_ONCE)) as batches:
            async for batch in batches:
                # Each in its own place: an amendment looks whether what came before it went there.
                left = deque(batch)
                try:
                    while left:
                        await self._take(left[0])
                        left.popleft()
                except asyncio.CancelledError:
                    await give_back(left)
                    raise

    async def _forget(self) -> None:
        """Without rules nobody keeps the place: a rule of later days is not for what arrives until then."""
        with bus_errors(streams.EVENTS):
            try:
                await self._bus.jetstream.delete_consumer(streams.EVENTS, CONSUMER)
            except NotFoundError:
                return

    async def _take(self, message: Msg) -> None:
        token = context.attach(extract(message.headers or {}))
        try:
            with processing(message.subject):
                event = _read(message)
                if event is not None:
                    await self.route(event, message.metadata.sequence.stream)
            await message.ack()
        except (UnavailableError, nats.errors.Error) as error:
            log.warning("event not forwarded yet", error=type(error).__name__)
            await give_back([message], AGAIN_SECONDS)
        except Exception:  # the edge: one event that we stumble over does not hold up the others
            log.exception("event not forwarded")
            await give_back([message], FAILED_SECONDS)
        finally:
            context.detach(token)

    async def route(self, event: CloudEvent[Any], sequence: int) -> None:
        """Put all that an event sends anywhere into the queues, durably; a repeat changes nothing.

        Args:
            event: of a study or an instance.
            sequence: its place in the stream; one that could not be routed at once comes after later ones.

        Raises:
            UnavailableError: S3 or NATS does not give or take something: the event is to come again.
            ContractError: a record is of another version: likewise.
        """
        if isinstance(event.data, StudyEvent):
            await self._route_study(event.id, event.data, sequence)
        else:
            await self._route_instance(event.id, event.data)

    async def _route_instance(self, event_id: str, event: InstanceEvent) -> None:
        if event.conflict == "first":  # what is read is the one that went there before
            return
        wanted = routes(self._rules, ForwardUnit.INSTANCE, Traits.of_event(event))
        modality = text(event.attributes, MODALITY)
        for destination, its in wanted.items():
            if its.takes(modality):
                await self._enqueue(event_id, event.origin, event.study, destination, [event.ref])

    async def _route_study(self, event_id: str, event: StudyEvent, sequence: int) -> None:
        went = await self._forwarded.destinations(event.origin, event.study)
        if event.revision == 1 and all(one.sequence < sequence for one in went.values()):
            await self._forwarded.forget(event.origin, event.study)
            went = {}
        wanted = routes(self._rules, ForwardUnit.STUDY, Traits.of_event(event))
        modalities = await self._modalities(event) if wanted else {}
        for destination, its in wanted.items():
            # Of who missed an event, because no rule sent it there then, nobody knows what it has.
            is_late = event.revision > went.get(destination, Forwarded()).revision + 1
            refs = await (self._all(event) if is_late else self._new(event))
            chosen = [ref for ref in refs if its.takes(modalities.get(ref.series_instance_uid, ""))]
            await self._enqueue(event_id, event.origin, event.study, destination, chosen)
            # Last, so that whoever takes the event again after a crash comes to the same.
            await self._forwarded.change(
                event.origin, event.study, destination, partial(_routed, event.revision, sequence, its)
            )

    async def _modalities(self, event: StudyEvent) -> Mapping[str, str]:
        """Tell the modality of each series."""
        if event.series is not None:
            return {series.series: series.modality for series in event.series}
        state = (await self._states.get(event.origin, event.study)).state
        return {series.uid: text(series.attributes, MODALITY) for series in state.series}

    async def _new(self, event: StudyEvent) -> Sequence[BlobRef]:
        """Give what is new since the study's last event."""
        if event.blobs is not None:
            return [blob.ref(event.study) for blob in event.blobs]
        if event.manifest is None:
            return await self._all(event)
        try:
            written = await self._blobs.get(event.manifest.key)
        except BlobMissing:
            return await self._all(event)
        try:
            blobs = await asyncio.to_thread(_MANIFEST.validate_json, written)
        except ValidationError:
            log.error("manifest not understood", origin=event.origin)
            return await self._all(event)
        return [blob.ref(event.study) for blob in blobs]

    async def _all(self, event: StudyEvent) -> Sequence[BlobRef]:
        """Give what is there now, for who never got anything of it: nothing, if it was deleted."""
        _, contents = await read_study(self._states, self._contents, event.origin, event.study)
        return [row.blob for row in contents.rows.values()]

    async def _enqueue(
        self, event_id: str, origin: str, study: str, destination: str, refs: Iterable[BlobRef]
    ) -> None:
        now = datetime.now(UTC).timestamp()
        for number, some in enumerate(_portions(refs)):
            name = derived_id(event_id, destination, str(number))
            await enqueue(self._bus, Forwarding(name, origin, study, destination, some, now))


def _routed(revision: int, sequence: int, wanted: Wanted, before: Forwarded) -> Forwarded:
    """Write down that an event sent all that is wanted of a study: what is new, or the whole."""
    if before.sequence > sequence:  # a later event was routed before this one
        return before
    if before.revision and revision <= before.revision + 1:
        wanted &= Wanted.of(before.modalities)
    return replace(before, revision=revision, sequence=sequence, modalities=wanted.named)


def _read(message: Msg) -> CloudEvent[Any] | None:
    """Read an event; None if it is none of ours."""
    try:
        event = from_json(message.data)
    except ContractError as error:
        log.error("event not understood", detail=error.detail)
        return None
    return event if is_own(event.data) else None


def _portions(refs: Iterable[BlobRef]) -> Iterator[tuple[BlobRef, ...]]:
    """Divide refs into as many as one message takes."""
    portion: list[BlobRef] = []
    size = 0
    for ref in refs:
        length = len(encode(ref))
        if portion and size + length > MESSAGE_BYTES:
            yield tuple(portion)
            portion, size = [], 0
        portion.append(ref)
        size += length
    if portion:
        yield tuple(portion)
