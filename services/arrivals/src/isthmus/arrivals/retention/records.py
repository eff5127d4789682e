"""The records of all studies of all inboxes, one after the other, and out with those of deleted ones."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from isthmus.common.bus import Bus, streams
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.inbox.state import Versioned, read_record

_STREAM: Final = f"KV_{streams.INBOXES_BUCKET}"
_PREFIX: Final = f"$KV.{streams.INBOXES_BUCKET}."


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is in the stream."""

    versioned: Versioned
    written: float
    """Seconds since 1970."""
    subject: str


async def records(
    bus: Bus, is_of_interest: Callable[[str, float], bool], now: float
) -> AsyncGenerator[Record, None]:
    """Give the records, without ever holding more than those that NATS has sent ahead.

    Args:
        bus: the bus.
        is_of_interest: told the token of an inbox and how old a record is, in seconds.
        now: the time, in seconds since 1970.

    Raises:
        BusUnavailable: NATS does not give them.
        ContractError: one of them is of another version.
    """
    reading = read_ordered(bus, _STREAM, f"{_PREFIX}>", since=None, follow=False)
    async with aclosing(reading) as messages:
        async for message in messages:
            written = message.metadata.timestamp.timestamp()
            inbox = message.subject.removeprefix(_PREFIX).partition(".")[0]
            if message.data and is_of_interest(inbox, now - written):
                state = read_record(message.data)
                yield Record(Versioned(state, message.metadata.sequence.stream), written, message.subject)
            await asyncio.sleep(0)  # what is here already comes without giving others their turn


async def forget(bus: Bus, record: Record) -> None:
    """Forget a record, unless it was written anew; no marker stays, so that the next one is the first.

    Raises:
        BusUnavailable: NATS does not do it.
    """
    with bus_errors(streams.INBOXES_BUCKET):
        # Only what is not newer than what was read.
        await bus.jetstream.purge_stream(_STREAM, seq=record.versioned.revision + 1, subject=record.subject)
