"""Dead letters: what was given up, until somebody replays or drops it. Their number is that in the stream."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from nats.js.errors import NotFoundError

from isthmus.common.bus import forwards, streams, subjects, webhooks
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.forwards import derived_id, enqueue
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.bus.queues import withdraw
from isthmus.common.bus.tracing import sending
from isthmus.common.messages import DeadLetter, Forwarding, decode, encode
from isthmus.common.telemetry import inject

_ALL: Final = "dicom.dead.>"
_LAST: Final = 2**64 - 1
"""Places in a stream go no further, and NATS does not understand what does."""


@dataclass(frozen=True, slots=True)
class Buried:
    """A dead letter in the stream."""

    number: int
    letter: DeadLetter

    @property
    def forwarding(self) -> Forwarding:
        """Give what was to be forwarded, of a letter of that kind.

        Raises:
            ContractError: it is none, or of another version.
        """
        return decode(self.letter.payload, Forwarding)


async def bury(bus: Bus, letter: DeadLetter, message_id: str) -> None:
    """Keep a dead letter, durably; one with the same id within an hour is the same.

    Raises:
        BusUnavailable: NATS does not take it.
        ContractError: what was to be forwarded is of another version.
    """
    subject = subjects.dead(letter.what, letter.name)
    if letter.what == "forward":
        forwarding = decode(letter.payload, Forwarding)
        subject = subjects.dead_forward(letter.name, forwarding.origin, forwarding.study)
    with sending(subject), bus_errors("dicom.dead"):
        headers = {**inject(), "Nats-Msg-Id": message_id}
        await bus.jetstream.publish(subject, encode(letter), headers=headers)


async def letters(bus: Bus, name: str | None = None) -> AsyncGenerator[Buried, None]:
    """Give the dead letters, the oldest first; only those of a destination or webhook, where it is named.

    Those that are buried meanwhile are not among them.

    Raises:
        BusUnavailable: NATS does not give them.
        ContractError: one of them is of another version.
    """
    with bus_errors(streams.DEAD):
        last = (await bus.jetstream.stream_info(streams.DEAD)).state.last_seq
    async with aclosing(read_ordered(bus, streams.DEAD, _ALL, since=None, follow=False)) as messages:
        async for message in messages:
            number = message.metadata.sequence.stream
            if number > last:
                return
            letter = decode(message.data, DeadLetter)
            if name in (None, letter.name):
                yield Buried(number, letter)


async def find(bus: Bus, number: int) -> Buried | None:
    """Give a dead letter; None if there is none of this number.

    Raises:
        BusUnavailable: NATS does not tell.
        ContractError: it is of another version.
    """
    if number > _LAST:
        return None
    with bus_errors(streams.DEAD):
        try:
            message = await bus.jetstream.get_msg(streams.DEAD, number)
        except NotFoundError:
            return None
    return Buried(number, decode(message.data or b"", DeadLetter))


async def is_wanted(bus: Bus, letter: DeadLetter) -> bool:
    """Tell whether the settings still have the origin or the webhook that a letter is for.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    name = (forwards if letter.what == "forward" else webhooks).consumer_name(letter.name)
    with bus_errors(streams.FORWARDS):
        try:
            await bus.jetstream.consumer_info(streams.FORWARDS, name)
        except NotFoundError:
            return False
    return True


async def replay(bus: Bus, buried: Buried) -> None:
    """Try anew what a letter holds, with all its attempts; then the letter is gone.

    Whether somebody takes it is for the caller to know: `is_wanted`.

    Raises:
        BusUnavailable: NATS does not take it: the letter is still there, and may be replayed once more.
        ContractError: what it holds is of another version.
    """
    letter, number = buried.letter, str(buried.number)
    if letter.what == "forward":
        forwarding = buried.forwarding
        # Another id: the results of the old one's store job are still known.
        name = derived_id(forwarding.id, "replayed", number)
        # It waits from now on: by the age of what was given up the queue would look stuck.
        anew = replace(forwarding, id=name, since=time.time(), attempts=0, refusals=(), not_before=0.0)
        await enqueue(bus, anew)
    else:
        name = derived_id(letter.what, letter.name, number, str(letter.last))
        subject = subjects.webhook(letter.name)
        with sending(subject), bus_errors("dicom.webhook"):
            headers = {**inject(), "Nats-Msg-Id": name}
            await bus.jetstream.publish(subject, letter.payload, headers=headers)
    await withdraw(bus, streams.DEAD, buried.number)


async def remove(bus: Bus, buried: Buried) -> None:
    """Take a letter away for good.

    Raises:
        BusUnavailable: NATS does not do it.
    """
    await withdraw(bus, streams.DEAD, buried.number)
