"""One webhook: its events, each tried until it is taken, or given up and kept as a dead letter."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from opentelemetry import context

from isthmus.arrivals.exports import Exports
from isthmus.arrivals.webhooks.gate import Gate
from isthmus.arrivals.webhooks.pace import Pace
from isthmus.arrivals.webhooks.receiver import AT_ONCE, Answer, Outcome, Receiver
from isthmus.arrivals.webhooks.record import Record
from isthmus.arrivals.webhooks.source import Source
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.consumer import give_back, kept
from isthmus.common.bus.dead import bury
from isthmus.common.config.arriving import Webhook
from isthmus.common.errors import ContractError, UnavailableError
from isthmus.common.messages import DeadLetter
from isthmus.common.telemetry import extract, get_logger, span
from isthmus.common.telemetry.attributes import ISTHMUS_WEBHOOK

REPLAYED_AT_ONCE: Final = 2
"""Of the attempts at one time, so many are for replayed dead letters."""
LEAST_ATTEMPTS: Final = 3
"""However old an event is: it may have waited for us, and not for the receiver."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Feeds:
    """Where its events come from."""

    events: Source
    replayed: Source


class Hook:
    """A webhook at work."""

    def __init__(
        self, bus: Bus, webhook: Webhook, receiver: Receiver, record: Record, feeds: Feeds, pace: Pace
    ) -> None:
        self._bus = bus
        self._webhook = webhook
        self._receiver = receiver
        self._record = record
        self._feeds = feeds
        self._pace = pace
        self._exports = Exports(bus)
        self._gate = Gate(pace)
        self._go = asyncio.Event()
        """Set while the webhook is not stopped."""
        self._looking = asyncio.Lock()
        """What was read before it was stopped does not set it going again."""
        self._give_up = webhook.give_up_hours * 3600

    async def run(self) -> None:
        """Deliver until cancelled; then what was not taken yet goes to another replica, or waits."""
        self._set_go()
        events, replayed = self._feeds.events, self._feeds.replayed
        # No TaskGroup: it would cancel them once, which nats-py may drop (see `end_tasks`).
        loops = [
            asyncio.create_task(self._record.write()),
            asyncio.create_task(self._watch()),
            asyncio.create_task(events.serve(self._work_on, AT_ONCE - REPLAYED_AT_ONCE, self._go)),
            asyncio.create_task(replayed.serve(self._work_on, REPLAYED_AT_ONCE, self._go)),
        ]
        try:
            ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in ended:
                loop.result()
        finally:
            await end_tasks(loops)
            with suppress(UnavailableError):
                await self._record.flush()

    async def _watch(self) -> None:
        """See from time to time what others have changed."""
        while True:
            try:
                async with self._looking:
                    await self._record.look()
                    self._set_go()
            except (UnavailableError, nats.errors.Error) as error:
                log.warning("webhook not looked at", webhook=self._webhook.name, error=type(error).__name__)
            await asyncio.sleep(self._pace.look)

    def _set_go(self) -> None:
        if self._record.state.stopped is None:
            self._go.set()
        else:
            self._go.clear()

    async def _work_on(self, message: Msg) -> None:
        token = context.attach(extract(message.headers or {}))
        try:
            async with kept(message):
                await self._deliver(message, _event_id(message))
        except asyncio.CancelledError:  # whoever stops before it was tried gives it back
            await give_back([message])
            raise
        except ContractError as error:
            log.error("event not understood", webhook=self._webhook.name, detail=error.detail)
            with suppress(nats.errors.Error):
                await message.term()
        except UnavailableError as error:  # it is delivered again
            log.warning("event left for later", webhook=self._webhook.name, detail=error.detail)
        except Exception:  # the edge: the event is tried again, and the others go on
            log.exception("event failed", webhook=self._webhook.name)
            await give_back([message], self._pace.event(message.metadata.num_delivered))
        finally:
            context.detach(token)

    async def _deliver(self, message: Msg, event_id: str) -> None:
        has_failed = self._gate.is_silent and self._record.failing_seconds >= self._give_up
        if has_failed and self._is_old(message):
            tried = message.metadata.num_delivered - 1
            await self._bury(message, event_id, self._record.state.last_status or "no answer", tried)
            return
        async with self._gate.turn():
            if not self._go.is_set():
                await give_back([message], self._pace.first)
                return
            answer = await self._receiver.post(event_id, message.data)
            self._hear(answer)
        await self._conclude(message, event_id, answer)

    def _hear(self, answer: Answer) -> None:
        """Learn from an answer how the receiver is."""
        if answer.outcome is not Outcome.AWAY:
            self._gate.answered()
        elif answer.retry_after is not None:
            self._gate.asked_to_wait(answer.retry_after)
        else:
            self._gate.silent()

    async def _conclude(self, message: Msg, event_id: str, answer: Answer) -> None:
        if answer.outcome is Outcome.DELIVERED:
            self._record.delivered(answer.status)
            await self._exports.told(self._webhook.name, message.data)
            with bus_errors("acknowledge"):
                await message.ack_sync(timeout=5)
            return
        tries = message.metadata.num_delivered
        delay = max(self._pace.event(tries), answer.retry_after or 0, self._gate.seconds)
        self._record.failed(answer.status, delay)
        log.info("webhook failed", webhook=self._webhook.name, status=answer.status, attempts=tries)
        if answer.outcome is Outcome.GONE:
            async with self._looking:
                self._go.clear()
                await self._record.stop()
        elif self._is_old(message) and tries >= LEAST_ATTEMPTS:
            await self._bury(message, event_id, answer.status, tries)
            return
        await give_back([message], delay)

    def _is_old(self, message: Msg) -> bool:
        return time.time() - message.metadata.timestamp.timestamp() >= self._give_up

    async def _bury(self, message: Msg, event_id: str, status: str, tries: int) -> None:
        """Make an event a dead letter; only then is it taken off the stream."""
        name = self._webhook.name
        letter = DeadLetter(
            what="webhook",
            name=name,
            reason=f"HTTP {status}" if status.isdigit() else status,
            attempts=tries,
            first=message.metadata.timestamp.timestamp(),
            last=time.time(),
            payload=message.data,
        )
        # A replayed letter that is given up once more is another letter.
        place = f"{message.metadata.stream}.{message.metadata.sequence.stream}"
        with span("bury webhook event", {ISTHMUS_WEBHOOK: name}), bus_errors("dicom.dead"):
            await bury(self._bus, letter, f"webhook.{name}.{event_id}.{place}")
            await message.ack_sync(timeout=5)
        self._record.dead()
        log.warning("webhook event given up", webhook=name, status=status, attempts=letter.attempts)


def _event_id(message: Msg) -> str:
    """Read the id of a CloudEvent.

    Raises:
        ContractError: it is none.
    """
    try:
        written = json.loads(message.data)
    except ValueError:
        raise ContractError("event: no JSON") from None
    found = written.get("id") if isinstance(written, dict) else None
    if not isinstance(found, str) or not found.isascii() or not found.isprintable() or not found:
        raise ContractError("event: no id")
    return found
