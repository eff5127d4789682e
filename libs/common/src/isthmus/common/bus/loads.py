"""How many requests each client has under way at all processes of all faces together.

Each process counts its own, tells the others what it counts, and adds what they tell to that. Nothing is
asked of anybody, so that a request waits for nobody: for a twentieth of a second a client may get past its
limit at a second process. Where NATS is away each process counts for itself alone.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Final
from uuid import uuid4

import nats.errors
from nats.aio.msg import Msg

from isthmus.common.bus import subjects
from isthmus.common.bus.client import SUBSCRIBE_TIMEOUT, Bus, bus_errors
from isthmus.common.bus.connection import drain
from isthmus.common.bus.ending import end_tasks
from isthmus.common.errors import ContractError
from isthmus.common.messages import decode, encode
from isthmus.common.messages.load import Load
from isthmus.common.telemetry import get_logger

BETWEEN_SECONDS: Final = 0.05
"""At least, from one telling to the next."""
EVERY_SECONDS: Final = 1.0
"""A process that has requests under way says so, changed or not."""
SILENT_SECONDS: Final = 3.0
"""After which what a process told counts no more: it has ended, or cannot be heard."""
MOST_CLIENTS: Final = 4096
"""That one process tells of: those with the most requests."""

log = get_logger(__name__)


class Loads:
    """The requests under way, by client."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Begin with none.

        Args:
            clock: seconds, which never go back.
        """
        self.process: Final = uuid4().hex
        self.changed: Final = asyncio.Event()
        """Whether something is to be told."""
        self._clock = clock
        self._own: Counter[str] = Counter()
        self._others: dict[str, tuple[float, Mapping[str, int]]] = {}

    def of(self, client: str) -> int:
        """Give how many requests a client has under way."""
        since = self._clock() - SILENT_SECONDS
        others = sum(running.get(client, 0) for heard, running in self._others.values() if heard > since)
        return self._own[client] + others

    @contextmanager
    def counting(self, clients: Sequence[str]) -> Iterator[None]:
        """Count the block as one request of each of these clients."""
        self._own.update(clients)
        self.changed.set()
        try:
            yield
        finally:
            for client in clients:
                self._own[client] -= 1
                if not self._own[client]:
                    del self._own[client]
            self.changed.set()

    def told(self) -> Load:
        """Give what this process tells."""
        return Load(self.process, dict(self._own.most_common(MOST_CLIENTS)))

    def hear(self, load: Load) -> None:
        """Take what a process tells; what is of this one is known."""
        if load.process == self.process:
            return
        if load.running:
            self._others[load.process] = self._clock(), load.running
        else:
            self._others.pop(load.process, None)

    def forget_silent(self) -> None:
        """Forget the processes that have told nothing for long."""
        since = self._clock() - SILENT_SECONDS
        self._others = {process: told for process, told in self._others.items() if told[0] > since}


@asynccontextmanager
async def shared_loads(bus: Bus, service: str) -> AsyncIterator[Loads]:
    """Count together with all others that do.

    Args:
        bus: over which they tell each other.
        service: which this is.

    Raises:
        BusUnavailable: NATS does not take the subscription.
    """
    loads = Loads()

    async def hear(message: Msg) -> None:
        try:
            loads.hear(decode(message.data, Load))
        except ContractError as error:
            log.error("load not understood", detail=error.detail)

    with bus_errors("dicom.load"):
        subscription = await bus.client.subscribe(subjects.loads(), cb=hear)
        await bus.client.flush(SUBSCRIBE_TIMEOUT)
    telling = asyncio.create_task(_tell(bus, subjects.load(service, loads.process), loads))
    try:
        yield loads
    finally:
        await end_tasks([telling])
        await drain(subscription)


async def _tell(bus: Bus, subject: str, loads: Loads) -> None:
    """Tell what has changed, and, while there is something, now and then that it is still so."""
    while True:
        try:
            async with asyncio.timeout(EVERY_SECONDS):
                await loads.changed.wait()
        except TimeoutError:
            pass
        has_changed = loads.changed.is_set()
        loads.changed.clear()
        loads.forget_silent()
        load = loads.told()
        if bus.connected and (has_changed or load.running):
            try:
                # No trace goes on from here: it is about no single request.
                await bus.client.publish(subject, encode(load))
            except nats.errors.Error as error:
                log.warning("load not told", error=type(error).__name__)
        await asyncio.sleep(BETWEEN_SECONDS)
