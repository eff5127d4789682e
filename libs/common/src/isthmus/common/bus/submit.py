"""Submitting jobs, or finding the one that does the work already."""

from typing import Final

from nats.js.errors import APIError, NotFoundError

from isthmus.common.auth import Right
from isthmus.common.bus import progress, streams, subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.guard import running
from isthmus.common.bus.queues import withdraw
from isthmus.common.bus.submitted import Lane, Submitted
from isthmus.common.bus.tracing import sending
from isthmus.common.messages import Retrieve, RetrieveDone, Store, decode, encode, retrieve_fact
from isthmus.common.telemetry import inject

_ONE_PER_SUBJECT: Final = 10077
"""JetStream error: maximum messages per subject exceeded."""


async def submit_retrieve(bus: Bus, wanted: Retrieve, lane: Lane = Lane.INTERACTIVE) -> Submitted:
    """Submit a job, or find the one that its study already has.

    What is found may be narrower than what is wanted: who waits reads that one first. An interactive job
    joins one of the bulk lane only when it is at work. A bulk job, for which nobody waits, is queued behind
    narrower ones.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    await bus.submissions.settled(wanted)
    followed = _followed(bus, wanted, lane)
    if followed is not None:
        return followed
    async with bus.submissions.under_way(wanted):
        with sending(subjects.retrieve(wanted.origin, lane, wanted.study), origin=wanted.origin):
            submitted = await _at_work(bus, wanted, lane) or await _queue(bus, wanted, lane)
        bus.submissions.note(submitted)
        return submitted


def _serves(there: Submitted, wanted: Retrieve, lane: Lane) -> bool:
    return lane is Lane.INTERACTIVE or there.job.covers(wanted)


def _followed(bus: Bus, wanted: Retrieve, lane: Lane) -> Submitted | None:
    """Give the job that this process follows, unless it has ended or nobody waits for it yet."""
    there = bus.submissions.latest(wanted)
    if there is None or not _serves(there, wanted, lane):
        return None
    follower = bus.followers.get(subjects.progress(wanted.origin, wanted.study, there.generation))
    if follower is None or follower.failure is not None or follower.is_over:
        return None
    if follower.facts:
        return None if isinstance(follower.facts[-1], RetrieveDone) else there
    return there if there.lane is lane else None


async def _at_work(bus: Bus, wanted: Retrieve, lane: Lane) -> Submitted | None:
    """Give the job at which a worker is, whatever its lane, unless its end is published."""
    there = await running(bus, wanted.origin, wanted.study)
    if there is None or not _serves(there, wanted, lane) or await _has_ended(bus, there):
        return None
    return there


async def _queue(bus: Bus, wanted: Retrieve, lane: Lane) -> Submitted:
    subject, payload = subjects.retrieve(wanted.origin, lane, wanted.study), encode(wanted)
    while True:
        with bus_errors("dicom.retrieve"):
            try:
                headers = inject() | bus.gate.header(Right.RETRIEVE, wanted.origin, payload)
                ack = await bus.jetstream.publish(subject, payload, headers=headers)
                generation = await bus.generations.name(streams.JOBS, ack.seq, new=True)
                return Submitted(generation, wanted, lane)
            except APIError as error:
                if error.err_code != _ONE_PER_SUBJECT:
                    raise
        there = await _queued(bus, subject, lane)
        if there is not None:
            return there


async def _queued(bus: Bus, subject: str, lane: Lane) -> Submitted | None:
    """Give the job that a study has in a lane, unless it has ended meanwhile.

    One whose end is published is over, though its worker has not taken it off the queue, or died before it
    could: who joined it would only hear how it ended.
    """
    with bus_errors("dicom.retrieve"):
        try:
            message = await bus.jetstream.get_last_msg(streams.JOBS, subject)
        except NotFoundError:
            return None
        sequence = message.seq or 0
        generation = await bus.generations.name(streams.JOBS, sequence)
    there = Submitted(generation, decode(message.data or b"", Retrieve), lane)
    if await _has_ended(bus, there):
        await withdraw(bus, streams.JOBS, sequence)
        return None
    return there


async def _has_ended(bus: Bus, there: Submitted) -> bool:
    facts = subjects.progress(there.job.origin, there.job.study, there.generation)
    return isinstance(await progress.last(bus, facts, retrieve_fact), RetrieveDone)


async def submit_store(bus: Bus, store: Store) -> int:
    """Queue a store job and give its sequence in the stream.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    subject, payload = subjects.store(store.origin), encode(store)
    with sending(subject, origin=store.origin), bus_errors("dicom.store"):
        headers = inject() | bus.gate.header(Right.STORE, store.origin, payload)
        ack = await bus.jetstream.publish(subject, payload, headers=headers)
        return ack.seq
