"""What only NATS can tell: the queues, the associations, and, through the workers, the origins."""

import asyncio
import math
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import nats.errors

from isthmus.cli.run_file import OriginPart
from isthmus.cli.status import patience
from isthmus.cli.status.echoes import Echoes
from isthmus.cli.status.model import Answer, Health, Origin, Part
from isthmus.cli.status.target import Target
from isthmus.common.auth import Grants
from isthmus.common.bus import Bus
from isthmus.common.bus.accounts import OPERATOR, SERVICES
from isthmus.common.bus.backlog import (
    Associations,
    Backlog,
    Storage,
    associations,
    backlogs,
    dead_letters,
    storage,
)
from isthmus.common.bus.connection import reason
from isthmus.common.bus.granted import Gate
from isthmus.common.errors import BusUnavailable, IsthmusError

SECOND_LOOK: Final = 0.5
"""Until the second look at whether somebody takes what waits: who has ended a job asks a moment later."""
_NAME: Final = "isthmus status"

T = TypeVar("T")


@dataclass(slots=True)
class OnBus:
    """What NATS told, and why it did not tell the rest."""

    health: Health = Health.READY
    reason: str | None = None
    queues: Sequence[Backlog] = ()
    associations: Mapping[str, Associations] = field(default_factory=dict)
    dead_letters: Mapping[tuple[str, str], int] = field(default_factory=dict)
    storage: Storage | None = None
    origins: Sequence[Origin] = ()
    unknown: dict[Part, str] = field(default_factory=dict)


class Watched:
    """The connection to the NATS of a system, made again where there is none."""

    def __init__(self, target: Target) -> None:
        self.target: Final = target
        self._bus: Bus | None = None
        self._echoes: Echoes | None = None

    async def look(self) -> OnBus:
        """Ask NATS all that it can tell."""
        found = OnBus()
        end = asyncio.get_running_loop().time() + patience.LOOK_SECONDS
        origins = self.target.run.origins
        try:
            bus, echoes = await self._connected()
        except IsthmusError as error:
            _not_told(found, origins, error.detail)
            return found
        if not bus.connected:
            _not_told(found, origins, f"no connection to {self.target.nats.url}")
            return found
        echoes.begin(origins)
        await asyncio.gather(self._ask(bus, found, end), echoes.answers(patience.ORIGIN_SECONDS))
        found.origins = echoes.told(origins, found.associations)
        return found

    async def close(self) -> None:
        """End the connection."""
        if self._echoes is not None:
            await self._echoes.close()
        if self._bus is not None:
            await self._bus.close()

    async def _connected(self) -> tuple[Bus, Echoes]:
        if self._bus is None or self._echoes is None:
            gate = Gate(Grants(self.target.run.signing_key or None, _NAME))
            self._bus = await Bus.connect(self.target.nats, _NAME, gate, patience=patience.CONNECT_SECONDS)
            self._echoes = Echoes(self._bus)
        return self._bus, self._echoes

    async def _ask(self, bus: Bus, found: OnBus, end: float) -> None:
        user = self.target.nats.user
        if user in SERVICES:  # NATS would not even answer
            why = f"the user {user} of NATS may not ask that; {OPERATOR} may (nats.user)"
            _cannot_ask(found, why)
            return
        queues, of_origins, letters, stored, alive = await asyncio.gather(
            _told(found, end, Part.QUEUES, _queues(bus)),
            _told(found, end, Part.ASSOCIATIONS, associations(bus)),
            _told(found, end, Part.DEAD_LETTERS, dead_letters(bus)),
            _told(found, end, Part.STORAGE, storage(bus)),
            _told(found, end, Part.NATS, _answers(bus)),
        )
        found.queues = queues or ()
        found.associations = {one.origin: one for one in of_origins or ()}
        found.dead_letters = letters or {}
        found.storage = stored
        if alive is None:
            found.health, found.reason = Health.SILENT, found.unknown[Part.NATS]


async def _queues(bus: Bus) -> Sequence[Backlog]:
    """Give the queues; what seems to be taken by nobody is looked at twice."""
    found = await backlogs(bus)
    if all(one.has_takers or not one.waiting for one in found):
        return found
    await asyncio.sleep(SECOND_LOOK)
    return await backlogs(bus)


async def _answers(bus: Bus) -> bool:
    try:
        await bus.client.flush(math.ceil(patience.LOOK_SECONDS))
    except nats.errors.Error as error:
        raise BusUnavailable(f"it does not answer: {reason(error)}") from None
    return True


async def _told(found: OnBus, end: float, part: Part, asking: Awaitable[T]) -> T | None:
    """Give what is told of a part; None, and why, where it is not told by a time of the loop."""
    try:
        async with asyncio.timeout_at(end):
            return await asking
    except TimeoutError:
        found.unknown[part] = "no answer from NATS in time"
    except IsthmusError as error:
        found.unknown[part] = error.detail
    return None


def _cannot_ask(found: OnBus, why: str) -> None:
    for part in (Part.QUEUES, Part.ASSOCIATIONS, Part.DEAD_LETTERS, Part.STORAGE):
        found.unknown[part] = why


def _not_told(found: OnBus, origins: Sequence[OriginPart], why: str) -> None:
    """Say of all that it is not known, since NATS is away."""
    found.health, found.reason = Health.AWAY, why
    found.unknown[Part.NATS] = why
    _cannot_ask(found, "NATS does not answer")
    away = "NATS does not answer: nobody can be told to ask it"
    found.origins = [Origin(one.name, one.protocol, Answer.UNKNOWN, reason=away) for one in origins]
