"""Whether the origins answer: all asked at the same time, so that one that is silent holds up no other."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from isthmus.cli.run_file import OriginPart
from isthmus.cli.status.model import Answer, Origin
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.backlog import Associations
from isthmus.common.bus.echo import echo
from isthmus.common.errors import IsthmusError, NoWorker
from isthmus.common.messages import EchoDone

AGAIN_SECONDS: Final = 10.0
"""An origin is asked again no sooner: who watches is not to be a burden to it."""
PATIENCE_SECONDS: Final = 60.0
"""For one answer, while others are shown; a worker gives up before."""
_LEFT_ALONE: Final = "CircuitOpen"


def worker_of(protocol: str) -> str:
    """Name the service that asks origins of a protocol."""
    return "dimse-scu" if protocol == "dimse" else "web-scu"


@dataclass(frozen=True, slots=True)
class _Echo:
    """An origin that is being asked, or was."""

    begun: float
    task: asyncio.Task[Origin]


class Echoes:
    """Asks origins, each once at a time, as long as it is used."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._asked: dict[str, _Echo] = {}

    def begin(self, origins: Sequence[OriginPart]) -> None:
        """Ask those that were not asked lately."""
        now = asyncio.get_running_loop().time()
        for one in origins:
            before = self._asked.get(one.name)
            if before is None or (before.task.done() and now - before.begun >= AGAIN_SECONDS):
                self._asked[one.name] = _Echo(now, asyncio.create_task(self._ask(one)))

    async def answers(self, seconds: float) -> None:
        """Wait until all have answered, for so long at most."""
        if self._asked:
            await asyncio.wait([asked.task for asked in self._asked.values()], timeout=seconds)

    def told(
        self, origins: Sequence[OriginPart], associations: Mapping[str, Associations]
    ) -> Sequence[Origin]:
        """Give what came of asking them, by now.

        Args:
            origins: those that were begun with.
            associations: who uses those that each allows, as far as it is known.
        """
        return [self._told(one, associations.get(one.name)) for one in origins]

    async def close(self) -> None:
        """Wait for no answer any more."""
        await end_tasks([asked.task for asked in self._asked.values()])

    async def _ask(self, origin: OriginPart) -> Origin:
        try:
            done = await echo(self._bus, origin.name, PATIENCE_SECONDS)
        except NoWorker:
            why = f"no {worker_of(origin.protocol)} serves it: none runs that has it in its settings"
            return Origin(origin.name, origin.protocol, Answer.UNKNOWN, reason=why)
        except IsthmusError as error:
            return Origin(origin.name, origin.protocol, Answer.UNKNOWN, reason=error.detail)
        return _answered(origin, done)

    def _told(self, origin: OriginPart, associations: Associations | None) -> Origin:
        asked = self._asked[origin.name]
        if asked.task.done():
            return replace(asked.task.result(), associations=associations)
        waited = asyncio.get_running_loop().time() - asked.begun
        if associations is not None and associations.waiting:
            answer, why = Answer.BUSY, "all its associations are in use: it is asked when one is free"
        else:
            answer, why = Answer.SILENT, f"no answer for {waited:.0f} s"
        return Origin(origin.name, origin.protocol, answer, reason=why, associations=associations)


def _answered(origin: OriginPart, done: EchoDone) -> Origin:
    failure = done.failure
    if failure is None:
        latency = round(done.latency_ms, 1)
        return Origin(origin.name, origin.protocol, Answer.ANSWERS, latency_ms=latency)
    is_left_alone = True if failure.kind == _LEFT_ALONE else None  # another worker's may be open
    return Origin(
        origin.name, origin.protocol, Answer.AWAY, reason=failure.detail, is_left_alone=is_left_alone
    )
