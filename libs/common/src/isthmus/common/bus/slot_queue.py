"""Slots as JetStream has them: one message each in a work queue, and one consumer for all who pull.

The requests are written by hand, as nats-py knows no priorities.
"""

import asyncio
import json
from contextlib import suppress
from typing import Final

from nats.aio.msg import Msg
from nats.js.errors import APIError, NotFoundError

from isthmus.common.bus import streams, subjects
from isthmus.common.bus.client import Bus
from isthmus.common.errors import BusUnavailable

ACK_WAIT: Final = 10.0
"""Seconds after which a slot whose holder says nothing is free."""
HEARTBEAT: Final = 1.0
"""Seconds between JetStream's signs that it knows of a request."""
UNHEARD: Final = 3.0
"""Seconds without such a sign after which it does not."""
NO_MESSAGE: Final = frozenset({"404", "408"})
"""Statuses of a pull: nothing there now, nothing came in time."""

_GROUP: Final = "slots"
_HEARTBEAT: Final = "100"
_EXISTS: Final = 10077
"""JetStream error: maximum messages per subject exceeded."""


async def consumer_name(bus: Bus, origin: str) -> str:
    """Name the consumer of an origin's slots, after declaring their stream where it is missing.

    It has the time in it at which the stream was made: slots of a stream that was lost can neither be renewed
    nor released in its successor, where they are somebody else's.
    """
    try:
        info = await bus.jetstream.stream_info(streams.SLOTS)
    except NotFoundError:
        await bus.declare()
        info = await bus.jetstream.stream_info(streams.SLOTS)
    created = int(info.created.timestamp() * 1_000_000) if info.created else 0
    return f"slots-{subjects.token(origin)}-{created:x}"


async def create_consumer(bus: Bus, origin: str, name: str) -> None:
    """Create the consumer that all processes share, where it is missing."""
    configuration = {
        "durable_name": name,
        "filter_subject": subjects.slots(origin),
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT * 1e9),
        "priority_policy": "prioritized",
        "priority_groups": [_GROUP],
    }
    request = json.dumps({"stream_name": streams.SLOTS, "config": configuration}).encode()
    answer = await bus.client.request(f"$JS.API.CONSUMER.CREATE.{streams.SLOTS}.{name}", request, timeout=5)
    error = json.loads(answer.data).get("error")
    if error is not None:
        raise BusUnavailable(f"dicom.slots: JetStream error {error['err_code']}")


async def fill(bus: Bus, origin: str, associations: int) -> None:
    """Add the slots that lack."""
    for number in range(associations):
        try:
            await bus.jetstream.publish(subjects.slot(origin, number), b"")
        except APIError as error:
            if error.err_code != _EXISTS:
                raise


async def remove_surplus(bus: Bus, origin: str, associations: int) -> None:
    """Delete what is above the limit, one by one: after a purge JetStream forgot who held what."""
    allowed = {subjects.slot(origin, number) for number in range(associations)}
    info = await bus.jetstream.stream_info(streams.SLOTS, subjects_filter=subjects.slots(origin))
    for subject in (info.state.subjects or {}).keys() - allowed:
        with suppress(APIError):  # another process was quicker
            surplus = await bus.jetstream.get_last_msg(streams.SLOTS, subject)
            await bus.jetstream.delete_msg(streams.SLOTS, surplus.seq or 0)


def next_message(consumer: str) -> str:
    """Give the subject of pulls."""
    return f"$JS.API.CONSUMER.MSG.NEXT.{streams.SLOTS}.{consumer}"


class Pull:
    """A request for one slot: without `expires`, seconds, for what is there now."""

    def __init__(self, priority: int, expires: float | None) -> None:
        waiting = (
            {"no_wait": True}
            if expires is None
            else {"expires": int(expires * 1e9), "idle_heartbeat": int(HEARTBEAT * 1e9)}
        )
        self.body = json.dumps({"batch": 1, "group": _GROUP, "priority": priority, **waiting}).encode()
        self.waits = expires is not None
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self.answer: asyncio.Future[Msg] = self._loop.create_future()

    @property
    def known(self) -> bool:
        """Whether JetStream knows of it, as far as can be told: it forgets all when a consumer is lost."""
        return self._loop.time() - self._heard < UNHEARD

    async def receive(self, message: Msg) -> None:
        """Take what comes for it."""
        self._heard = self._loop.time()
        if status(message) != _HEARTBEAT and not self.answer.done():
            self.answer.set_result(message)


def status(message: Msg) -> str | None:
    """Give the status that JetStream answered with instead of a slot."""
    return (message.headers or {}).get("Status")
