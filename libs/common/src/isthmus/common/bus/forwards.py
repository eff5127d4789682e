"""What is on its way to other origins: the stream FORWARDS, its store jobs, and where studies went.

A message is in the stream until its instances are stored, or until messages for the rest of them are there.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from nats.js.errors import NotFoundError

from isthmus.common.auth import Right, acting_as
from isthmus.common.bus import progress, streams, subjects
from isthmus.common.bus.backlog import SINCE
from isthmus.common.bus.buckets import Records
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.queues import holds, is_queued
from isthmus.common.bus.stores import follow_store
from isthmus.common.bus.tracing import sending
from isthmus.common.dicom.statuses import PROCESSING_FAILURE
from isthmus.common.errors import ContractError, Forbidden
from isthmus.common.messages import (
    Failure,
    Forwarded,
    Forwarding,
    InstanceStored,
    Store,
    StoreDone,
    decode,
    encode,
    store_fact,
)
from isthmus.common.telemetry import inject

CONSUMERS: Final = "forwards-"
"""What the names of destinations' durable consumers begin with."""
_MSG_ID: Final = "Nats-Msg-Id"


def consumer_name(destination: str) -> str:
    """Name the durable consumer of a destination, which is there for every origin of the settings."""
    return CONSUMERS + subjects.token(destination)


def derived_id(*made_from: str) -> str:
    """Make an id from what something comes from: the same gives the same."""
    return hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:40]


async def enqueue(bus: Bus, forwarding: Forwarding) -> None:
    """Put it into its destination's queue, durably; one that was put there within the last hour is the same.

    It is our own act from here on, whoever brought what is to be forwarded: what was acknowledged to him goes
    there, whatever he may by then.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    subject = subjects.forward(forwarding.destination, forwarding.origin, forwarding.study)
    payload = encode(forwarding)
    with sending(subject, origin=forwarding.destination), bus_errors("dicom.forward"):
        with acting_as(None):
            headers = inject() | bus.gate.header(Right.STORE, forwarding.destination, payload)
        headers |= {_MSG_ID: forwarding.id, SINCE: str(forwarding.since)}
        await bus.jetstream.publish(subject, payload, headers=headers)


async def is_pending(bus: Bus, origin: str, study: str) -> bool:
    """Tell whether something of a study waits in the queue of a destination, or is on its way there.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    return await holds(bus, streams.FORWARDS, subjects.forwards_of(origin, study))


async def send(bus: Bus, forwarding: Forwarding, *, is_repeat: bool) -> dict[int, InstanceStored]:
    """Have the store job of a `Forwarding` done and give its results, by the places of the instances.

    Args:
        bus: the bus.
        forwarding: what is to be stored where.
        is_repeat: whether somebody may have begun this before: its job is looked for, and not done again.

    Raises:
        NoWorker: nobody serves the destination; nothing was sent, nothing will be.
        BusUnavailable: NATS is away, or the job was lost.
    """
    store = Store(forwarding.destination, forwarding.id, forwarding.blobs)
    sequence = await _queued(bus, store) if is_repeat else None
    if sequence is None and is_repeat:
        # It may have ended while it was looked for: its results are asked for afterwards.
        facts = await progress.replay(bus, subjects.stored(store.origin, store.job), store_fact)
        done = next((fact for fact in facts if isinstance(fact, StoreDone)), None)
        if done is not None and done.failure is not None:
            return _none_stored(store, done.failure)
        if done is not None:
            return {fact.index: fact for fact in facts if isinstance(fact, InstanceStored)}
    if sequence is None:
        sequence = await _submit(bus, store)
    try:
        async with follow_store(bus, store, sequence) as results:
            return {result.index: result async for result in results}
    except Forbidden as error:
        return _none_stored(store, Failure.of(error))


def _none_stored(store: Store, failure: Failure) -> dict[int, InstanceStored]:
    """Give the results of a job that its worker has refused."""
    return {
        index: InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, PROCESSING_FAILURE, failure)
        for index, ref in enumerate(store.blobs)
    }


async def _submit(bus: Bus, store: Store) -> int:
    subject, message = subjects.store(store.origin), encode(store)
    with sending(subject, origin=store.origin), bus_errors("dicom.store"):
        headers = inject() | bus.gate.header(Right.STORE, store.origin, message)
        ack = await bus.jetstream.publish(subject, message, headers={**headers, _MSG_ID: store.job})
        if ack.duplicate and not await is_queued(bus, streams.STORES, ack.seq):
            # Taken back, because nobody served the destination; JetStream remembers its id for two minutes.
            ack = await bus.jetstream.publish(subject, message, headers=headers)
        return ack.seq


async def _queued(bus: Bus, store: Store) -> int | None:
    """Give a job's place in the stream, if it is queued or running."""
    subject, sequence = subjects.store(store.origin), 0
    with bus_errors(streams.STORES):
        while True:
            try:
                message = await bus.jetstream.get_msg(streams.STORES, sequence + 1, subject, next=True)
            except NotFoundError:
                return None
            sequence = message.seq or 0
            with suppress(ContractError):  # one of another version is none of ours
                if decode(message.data or b"", Store).job == store.job:
                    return sequence


class ForwardedStudies:
    """Where the studies in inboxes went, or are on their way to."""

    def __init__(self, bus: Bus) -> None:
        self._records = Records(bus, streams.FORWARDED_BUCKET)

    async def get(self, origin: str, study: str, destination: str) -> Forwarded:
        """Tell how a study of an inbox went to a destination.

        Raises:
            BusUnavailable: NATS is away.
            ContractError: the record is of another version.
        """
        return (await self._read(origin, study, destination))[0]

    async def destinations(self, origin: str, study: str) -> dict[str, Forwarded]:
        """Tell how a study of an inbox went to each of the destinations that it went to.

        Raises:
            BusUnavailable: NATS is away.
            ContractError: the record is of another version.
        """
        names = await self._records.below(origin, study)
        return {name: await self.get(origin, study, name) for name in names}  # names stay as they are

    async def change(
        self, origin: str, study: str, destination: str, change: Callable[[Forwarded], Forwarded]
    ) -> None:
        """Write down how a study went to a destination, whoever else does so at the same time.

        Raises:
            BusUnavailable: NATS is away.
            ContractError: the record is of another version.
        """
        key = origin, study, destination
        while True:
            before, revision = await self._read(*key)
            after = change(before)
            if after == before or await self._records.write(encode(after), revision, *key) is not None:
                return

    async def forget(self, origin: str, study: str) -> None:
        """Forget where a study went: it was deleted, or arrives for the first time since.

        Raises:
            BusUnavailable: NATS is away.
        """
        await self._records.forget_below(origin, study)

    async def _read(self, origin: str, study: str, destination: str) -> tuple[Forwarded, int]:
        record, revision = await self._records.read(origin, study, destination)
        return Forwarded() if record is None else decode(record, Forwarded), revision
