"""The associations that an origin allows, over all processes: one message each, and who has it may associate.

A slot is taken by a pull, held by telling JetStream so every few seconds, and released by a NAK; of those
who wait the lowest priority is served first. The slots of a process that died are free after `ACK_WAIT`.

JetStream does not fence: whoever could not renew a slot has to believe that it is somebody else's now. So a
slot is lost some seconds before JetStream gives it away, and what is lost is never released.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Final, Self, TypeAlias

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from isthmus.common.bus import slot_queue, subjects
from isthmus.common.bus.client import SUBSCRIBE_TIMEOUT, Bus, bus_errors
from isthmus.common.bus.connection import FINISH_TIMEOUT, drain
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.slot_queue import NO_MESSAGE, Pull, status
from isthmus.common.errors import BusUnavailable
from isthmus.common.telemetry import get_logger

RENEW: Final = 3.0
"""Seconds between two renewals."""
RENEW_TIMEOUT: Final = 2.0
LOST_AFTER: Final = 7.0
"""Seconds without a renewal after which a holder gives up: enough before `ACK_WAIT` to abort in."""
LOOK: Final = 0.5
"""Seconds between looks at whether the connection to NATS is a new one."""
PULL: Final = 30.0
"""Seconds that JetStream keeps a request for a slot."""
NUDGE: Final = 1.0
"""Seconds between the reminders of who waits."""
AGAIN: Final = 0.25
"""Seconds before the next try, where JetStream refused."""

Wanted: TypeAlias = Callable[[str | None, int], None]
"""Told who waits elsewhere, None where it is in this process, and with which priority."""

log = get_logger(__name__)


class Slot:
    """The right to one association with the origin."""

    def __init__(self, slots: "Slots", message: Msg, consumer: str) -> None:
        self._slots = slots
        self.message = message
        self.consumer = consumer
        """The incarnation of the stream that it is of."""
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        """Done when the slot may be somebody else's: the association must be aborted at once."""
        self._expiry = self._loop.call_later(LOST_AFTER, self.lose)

    def renewed(self, at: float) -> None:
        """Take note that it is ours still; `at` is the loop's time at which that was asked."""
        self._expiry.cancel()
        if not self.lost.done():
            self._expiry = self._loop.call_at(at + LOST_AFTER, self.lose)

    def lose(self) -> None:
        """Say that it could not be renewed."""
        self._expiry.cancel()
        if self._slots.forget(self):
            log.warning("slot lost", origin=self._slots.origin)
            self.lost.set_result(None)

    async def release(self) -> None:
        """Give it to whoever waits; does nothing to one that is lost, or released already."""
        self._expiry.cancel()
        if self._slots.forget(self):
            await self._slots.hand_back(self.message)


class Slots:
    """Takes the slots of one origin, for one process."""

    def __init__(self, bus: Bus, origin: str, associations: int) -> None:
        self.origin = origin
        self._bus = bus
        self._limit = associations
        self._consumer = ""
        self._declaring = asyncio.Lock()
        self._held: set[Slot] = set()
        self._wanted: Wanted = lambda _, __: None
        self._id = secrets.token_hex(8)
        self._takers = count(1)
        self._reminders: Subscription | None = None
        self._keeping: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, bus: Bus, origin: str, associations: int) -> Self:
        """Declare the slots of an origin, and begin to hold what will be taken.

        Whoever opens last is right: what lacks is added, and what is surplus removed, though who holds such a
        slot keeps it until its release.

        Raises:
            BusUnavailable: NATS does not answer.
        """
        slots = cls(bus, origin, associations)
        with bus_errors("dicom.slots"):
            subject = subjects.slot_wanted(origin)
            slots._reminders = await bus.client.subscribe(subject, cb=slots._hear)
            await bus.client.flush(SUBSCRIBE_TIMEOUT)
        await slots._declare()
        with bus_errors("dicom.slots"):
            await slot_queue.remove_surplus(bus, origin, associations)
        slots._keeping.append(asyncio.create_task(slots._keep()))
        return slots

    async def close(self) -> None:
        """Hold nothing any more; call it when all is released, and nobody waits."""
        await end_tasks(self._keeping)
        if self._reminders is not None:
            with suppress(nats.errors.Error):
                await self._reminders.unsubscribe()
        if self._tasks:  # what comes for somebody who has gone is handed back
            await asyncio.wait(self._tasks, timeout=FINISH_TIMEOUT)
        await end_tasks(tuple(self._tasks))

    def on_wanted(self, call: Wanted) -> None:
        """Have `call` told whenever somebody waits for a slot, and every second while they do."""
        self._wanted = call

    async def take(self, priority: int) -> Slot:
        """Wait for a slot, for as long as it takes; who cancels this has none.

        Args:
            priority: 0 goes before 1.

        Raises:
            BusUnavailable: NATS is away, and for so long that nothing can be sent any more.
        """
        reminder = f"{self._id}.{next(self._takers)} {priority}".encode()
        slot = await self._ask(priority, None, reminder)
        while slot is None:
            slot = await self._ask(priority, PULL, reminder)
        return slot

    async def _ask(self, priority: int, expires: float | None, reminder: bytes) -> Slot | None:
        """Pull once; without `expires` only what is there now."""
        request = Pull(priority, expires)
        client, consumer, inbox = self._bus.client, self._consumer, self._bus.client.new_inbox()
        with bus_errors("dicom.slots"):
            subscription = await client.subscribe(inbox, cb=request.receive)
        taken = False
        try:
            with bus_errors("dicom.slots"):
                await client.publish(slot_queue.next_message(consumer), request.body, reply=inbox)
            await self._wait_for(request, reminder)
            taken = request.answer.done()
        finally:
            self._start(self._leave(subscription, None if taken else request.answer))
        return await self._judge(request.answer.result(), consumer) if taken else None

    async def _leave(self, subscription: Subscription, late: asyncio.Future[Msg] | None) -> None:
        """Take a request back, and hand back the slot that came all the same when nobody waited any more.

        JetStream drops a request when nobody listens for its answer; what is on its way by then comes before
        the drain is over.
        """
        if late is None:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()  # a request has one answer
            return
        await drain(subscription)
        if late.done() and status(late.result()) is None:
            await self.hand_back(late.result())

    async def _wait_for(self, request: Pull, reminder: bytes) -> None:
        """Wait until there is an answer, or none is to come; meanwhile remind those who could help."""
        connection = self._connection
        while not request.answer.done() and request.known and self._connection == connection:
            if request.waits:
                with suppress(nats.errors.Error):
                    await self._bus.client.publish(subjects.slot_wanted(self.origin), reminder)
            await asyncio.wait({request.answer}, timeout=NUDGE)

    async def _judge(self, message: Msg, consumer: str) -> Slot | None:
        refusal = status(message)
        if refusal is None:
            slot = Slot(self, message, consumer)
            self._held.add(slot)
            return slot
        if refusal not in NO_MESSAGE:  # stream or consumer have gone, or too many wait
            await asyncio.sleep(AGAIN)
            await self._declare_again(consumer)
        return None

    @property
    def _connection(self) -> int:
        """How many connections to NATS there were: what was asked over an earlier one is forgotten there."""
        return self._bus.client.stats["reconnects"]

    async def _hear(self, message: Msg) -> None:
        who, _, priority = message.data.decode().partition(" ")
        self._wanted(None if who.startswith(f"{self._id}.") else who, int(priority))

    async def hand_back(self, message: Msg) -> None:
        """Let the next one have a slot, at once.

        Not without a connection: the client would send it later, when the slot may be somebody else's.
        """
        if self._bus.connected:
            with suppress(nats.errors.Error):
                await message.nak()

    def forget(self, slot: Slot) -> bool:
        """Hold a slot no more; False if it was not held."""
        held = slot in self._held
        self._held.discard(slot)
        return held

    def _start(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self) -> None:
        """Renew what is held, every few seconds and as soon as there is a new connection."""
        loop = asyncio.get_running_loop()
        connection, due = self._connection, loop.time() + RENEW
        while True:
            await asyncio.sleep(LOOK)
            if loop.time() >= due or self._connection != connection:
                connection, due = self._connection, loop.time() + RENEW
                await asyncio.gather(*(self._renew(slot) for slot in tuple(self._held)))

    async def _renew(self, slot: Slot) -> None:
        asked = asyncio.get_running_loop().time()
        try:
            await self._bus.client.request(slot.message.reply, b"+WPI", timeout=RENEW_TIMEOUT)
        except nats.errors.NoRespondersError:  # a cluster elects, or its data have gone
            await self._declare_again(slot.consumer)
        except (nats.errors.Error, TimeoutError) as error:
            log.warning("slot not renewed", origin=self.origin, error=type(error).__name__)
        else:
            slot.renewed(asked)

    async def _declare_again(self, consumer: str) -> None:
        """Declare what is missing, unless somebody has done so since `consumer` was declared."""
        try:
            async with self._declaring:
                if consumer == self._consumer:
                    await self._declare()
        except BusUnavailable as error:
            log.warning("slots not declared", origin=self.origin, detail=error.detail)

    async def _declare(self) -> None:
        """Declare the slots and their consumer; what was held of a stream that is no more is lost."""
        with bus_errors("dicom.slots"):
            self._consumer = await slot_queue.consumer_name(self._bus, self.origin)
            for slot in tuple(self._held):
                if slot.consumer != self._consumer:
                    slot.lose()
            await slot_queue.fill(self._bus, self.origin, self._limit)
            await slot_queue.create_consumer(self._bus, self.origin, self._consumer)
