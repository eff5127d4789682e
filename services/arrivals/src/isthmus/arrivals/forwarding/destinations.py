"""The queue of a destination: one store job after the other, for as long as it takes.

A destination that is away holds its own queue, and no attempt is counted. What it refuses comes again after
a pause, alone, and is given up after `max_attempts`; the others go on meanwhile.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig
from opentelemetry import context

from isthmus.arrivals.exports import Exports
from isthmus.arrivals.forwarding.judgement import Judgement, judge, later, letter, retried, unvouched
from isthmus.common.auth import Right
from isthmus.common.bus import streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.consumer import Consumer, give_back, kept
from isthmus.common.bus.dead import bury
from isthmus.common.bus.echo import echo
from isthmus.common.bus.forwards import consumer_name, derived_id, enqueue, send
from isthmus.common.bus.templates import verb
from isthmus.common.bus.tracing import processing
from isthmus.common.errors import BlobMissing, ContractError, Forbidden, UnavailableError
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import States
from isthmus.common.messages import BlobRef, Forwarding, Refusal, decode
from isthmus.common.service import Parts
from isthmus.common.telemetry import extract, get_logger
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_OUTCOME
from isthmus.common.telemetry.instruments import forwarded

ACK_WAIT: Final = 30.0
"""Seconds after which what a replica that says nothing had goes to another one."""
AT_ONCE: Final = 2
"""Store jobs of a destination at one time, of each replica: while one is answered, the next is sent."""
ECHO_SECONDS: Final = 10.0
NOT_UNDERSTOOD_SECONDS: Final = 600.0
"""Until a message comes again that is of another version of ours."""
FAILED_SECONDS: Final = 60.0
"""Until one comes again over which we stumbled."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two tries; each pause is twice the one before it, up to the longest."""

    away: float = 1.0
    away_longest: float = 60.0
    refused: float = 5.0
    refused_longest: float = 600.0

    def after_refusals(self, attempts: int) -> float:
        """Give the pause after so many attempts."""
        return min(self.refused_longest, self.refused * 2.0 ** min(attempts, 30))


USUAL: Final = Pace()


class Destination:
    """Works off what is to go to an origin."""

    def __init__(self, parts: Parts, name: str, pace: Pace) -> None:
        self._bus = parts.bus
        self._blobs = parts.blobs
        self._states = States(parts.bus)
        self._contents = ContentsStore(parts.blobs)
        self._max_attempts = parts.settings.arrivals.max_attempts
        self._exports = Exports(parts.bus, parts.blobs)
        self._name = name
        self._pace = pace
        self._pause = 0.0
        """The last one, while it is away; 0 while it answers."""
        self._until = 0.0
        """The end of it, by the monotonic clock."""

    def loops(self) -> list[Coroutine[None, None, None]]:
        """Give what takes what is queued; each runs until cancelled."""
        return [self._work() for _ in range(AT_ONCE)]

    async def _work(self) -> None:
        consumer = ConsumerConfig(
            durable_name=consumer_name(self._name),
            filter_subject=subjects.forwards(self._name),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_ack_pending=-1,  # what waits for its next attempt keeps nothing else back
        )
        queue = Consumer(self._bus, streams.FORWARDS, consumer)
        async with aclosing(queue.batches()) as batches:
            async for (message,) in batches:
                await self._take(message)
                await asyncio.sleep(max(0.0, self._until - time.monotonic()))

    async def _take(self, message: Msg) -> None:
        token = context.attach(extract(message.headers or {}))
        try:
            forwarding = decode(message.data, Forwarding)
            early = forwarding.not_before - time.time()
            if early > 0:
                await give_back([message], early)
                return
            with processing(message.subject, origin=self._name):
                async with kept(message):
                    if not await self._is_refused(message, forwarding):
                        await self._try(message, forwarding)
        except asyncio.CancelledError:
            await give_back([message])
            raise
        except ContractError as error:
            log.error("forwarding not understood", destination=self._name, detail=error.detail)
            await give_back([message], NOT_UNDERSTOOD_SECONDS)
        except (UnavailableError, nats.errors.Error) as error:
            self._is_away(type(error).__name__)
            await give_back([message])
        except Exception:  # the edge: one message that we stumble over does not hold up the others
            log.exception("forwarding failed", destination=self._name)
            await give_back([message], FAILED_SECONDS)
        finally:
            context.detach(token)

    async def _is_refused(self, message: Msg, forwarding: Forwarding) -> bool:
        """Tell whether no service of ours vouches for a message; then it becomes a dead letter.

        What we send on we vouch for: nobody is to have it done who has but a password for NATS. Nothing is
        lost where the key is another one by now: the operator may replay it.
        """
        gate, sent_at = self._bus.gate, message.metadata.timestamp.timestamp()
        try:
            gate.check(message, self._name, Right.STORE, sent_at=sent_at)
        except Forbidden as error:
            await gate.refused(message, verb(message.subject), self._name, error, sent_at=sent_at)
        else:
            return False
        await bury(self._bus, unvouched(forwarding), forwarding.id)
        with bus_errors("acknowledge"):
            await message.ack_sync(timeout=5)
        return True

    async def _try(self, message: Msg, forwarding: Forwarding) -> None:
        """Send it, and put what is left into the queues; only then is it off this one."""
        if (
            forwarding.tried
            and not forwarding.is_spooled
            and (left := await self._without_replaced(forwarding)) is not None
        ):
            if left.blobs:
                await enqueue(self._bus, left)
            with bus_errors("acknowledge"):
                await message.ack_sync(timeout=5)
            return
        results = await send(self._bus, forwarding, is_repeat=message.metadata.num_delivered > 1)
        judgement = judge(forwarding, results, is_there=False)
        if judgement.is_silent and await self._echoes():
            judgement = judge(forwarding, results, is_there=True)
        refused = await self._still_there(forwarding, judgement)
        await self._settle(forwarding, replace(judgement, refused=refused))
        stored, count = judgement.stored, len(judgement.refused)
        await self._exports.forwarded(forwarding, self._name, stored=stored, refused=count)
        if forwarding.is_spooled:
            # Before the message is gone: who takes it again finds the results, and comes here once more.
            await self._blobs.delete_all(ref.key for ref in judgement.arrived(forwarding))
        with bus_errors("acknowledge"):
            await message.ack_sync(timeout=5)
        self._tell(forwarding, judgement)

    async def _without_replaced(self, forwarding: Forwarding) -> Forwarding | None:
        """Give a message without what is no longer read in the inbox; None if all of it is.

        What replaced it is on its own way there, and may be there already: it is to be the last that comes.
        """
        try:
            _, contents = await read_study(self._states, self._contents, forwarding.origin, forwarding.study)
        except BlobMissing:
            return None
        replaced = {other.key for row in contents.rows.values() for other in row.others}
        left = tuple(ref for ref in forwarding.blobs if ref.key not in replaced)
        if len(left) == len(forwarding.blobs):
            return None
        # Another id: the results of a store job are by the places of its instances.
        return replace(forwarding, id=derived_id(forwarding.id, "current"), blobs=left)

    async def _settle(self, forwarding: Forwarding, judgement: Judgement) -> None:
        if judgement.away:
            await enqueue(self._bus, later(forwarding, judgement.away))
        if not judgement.refused:
            return
        again = retried(forwarding, judgement.refused, self._pace.after_refusals(forwarding.attempts))
        if again.attempts < self._max_attempts:
            await enqueue(self._bus, again)
            return
        await bury(self._bus, letter(again), again.id)
        log.error(
            "forwarding given up",
            destination=self._name,
            origin=again.origin,
            instances=len(again.blobs),
            attempts=again.attempts,
            statuses=sorted({f"{refusal.status:04X}" for refusal in again.refusals}),
        )

    def _tell(self, forwarding: Forwarding, judgement: Judgement) -> None:
        for outcome, count in (("stored", judgement.stored), ("refused", len(judgement.refused))):
            if count:
                forwarded.add(count, {DICOM_ORIGIN: self._name, ISTHMUS_OUTCOME: outcome})
        if judgement.is_away:
            self._is_away(judgement.why)
        elif judgement.stored or judgement.refused:
            self._is_there()

    def _is_away(self, why: str) -> None:
        """Leave it alone for a while, and longer each time."""
        if time.monotonic() < self._until:
            return
        if not self._pause:
            log.warning("destination away", destination=self._name, reason=why)
        self._pause = min(self._pace.away_longest, 2 * self._pause or self._pace.away)
        self._until = time.monotonic() + self._pause

    def _is_there(self) -> None:
        if self._pause:
            log.info("destination back", destination=self._name)
        self._pause = self._until = 0.0

    async def _echoes(self) -> bool:
        """Tell whether it answers at all: then it is the instance that it cannot do with."""
        try:
            done = await echo(self._bus, self._name, ECHO_SECONDS)
        except UnavailableError:
            return False
        return done.failure is None

    async def _still_there(
        self, forwarding: Forwarding, judgement: Judgement
    ) -> tuple[tuple[BlobRef, Refusal], ...]:
        """Give what was refused; of what is missing in S3 only what nobody deleted."""
        if not judgement.missing or forwarding.is_spooled:
            return (*judgement.refused, *judgement.missing)
        lost = await self._lost(forwarding, judgement)
        log.warning(
            "blobs missing",
            destination=self._name,
            origin=forwarding.origin,
            deleted=len(judgement.missing) - len(lost),
            lost=len(lost),
        )
        return (*judgement.refused, *lost)

    async def _lost(
        self, forwarding: Forwarding, judgement: Judgement
    ) -> tuple[tuple[BlobRef, Refusal], ...]:
        try:
            _, contents = await read_study(self._states, self._contents, forwarding.origin, forwarding.study)
        except BlobMissing:  # so is the list that would tell
            return judgement.missing
        listed = {row.blob.key for row in contents.rows.values()}
        return tuple(one for one in judgement.missing if one[0].key in listed)
