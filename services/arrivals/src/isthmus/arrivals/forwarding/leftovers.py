"""What waits for origins that are in the settings no more: nobody would ever send it, nor tell of it."""

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import Final

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from isthmus.common.bus import Bus, streams
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.dead import bury
from isthmus.common.bus.forwards import CONSUMERS, consumer_name
from isthmus.common.bus.queues import withdraw
from isthmus.common.errors import ContractError
from isthmus.common.messages import DeadLetter, Forwarding, decode, encode
from isthmus.common.telemetry import get_logger

REASON: Final = "no origin has this name any more"
_ALL: Final = "dicom.forward.>"

log = get_logger(__name__)


async def bury_leftovers(bus: Bus, origins: Collection[str]) -> None:
    """Make dead letters of what is to go to origins that there are not; a repeat changes nothing.

    Once such an origin is in the settings again, they can be replayed.

    Raises:
        BusUnavailable: NATS is away.
    """
    buried = 0
    for subject in await _subjects(bus):
        if subject.split(".")[2] not in origins:  # the names of origins are tokens as they are
            buried += await _bury_all(bus, subject)
    if buried:
        log.warning("dead letters made of what waited for origins that there are not", letters=buried)
    await _forget_others(bus, {consumer_name(origin) for origin in origins})


async def _subjects(bus: Bus) -> list[str]:
    with bus_errors(streams.FORWARDS):
        info = await bus.jetstream.stream_info(streams.FORWARDS, subjects_filter=_ALL)
    return sorted(info.state.subjects or ())


async def _bury_all(bus: Bus, subject: str) -> int:
    buried = sequence = 0
    while (message := await _next(bus, subject, sequence + 1)) is not None:
        sequence = message.seq or 0
        try:
            waiting = decode(message.data or b"", Forwarding)
        except ContractError as error:
            log.error("forwarding not understood", detail=error.detail)
            continue
        tried = waiting.tried or time.time()
        held = encode(replace(waiting, tried=tried))
        letter = DeadLetter(
            "forward", waiting.destination, REASON, waiting.attempts, waiting.since, tried, held
        )
        await bury(bus, letter, waiting.id)
        await withdraw(bus, streams.FORWARDS, sequence)
        buried += 1
    return buried


async def _next(bus: Bus, subject: str, sequence: int) -> RawStreamMsg | None:
    with bus_errors(streams.FORWARDS):
        try:
            return await bus.jetstream.get_msg(streams.FORWARDS, sequence, subject, next=True)
        except NotFoundError:
            return None


async def _forget_others(bus: Bus, known: Collection[str]) -> None:
    """Delete the consumers of origins that there are not: those that are there tell who is forwarded to."""
    with bus_errors(streams.FORWARDS):
        names: list[str] = []
        while page := await bus.jetstream.consumers_info(streams.FORWARDS, len(names)):
            names += [consumer.name for consumer in page]
        for name in names:
            if name.startswith(CONSUMERS) and name not in known:
                with suppress(NotFoundError):  # another replica was quicker
                    await bus.jetstream.delete_consumer(streams.FORWARDS, name)
