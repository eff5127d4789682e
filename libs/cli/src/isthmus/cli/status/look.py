"""A look at a running system, or one after the other: each part is asked for itself, and within seconds."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from isthmus.cli.error_log import last_errors
from isthmus.cli.run_file import ProcessPart, RunFile
from isthmus.cli.status.echoes import worker_of
from isthmus.cli.status.held import Held, InS3
from isthmus.cli.status.memory import memory_of
from isthmus.cli.status.metrics import Numbers
from isthmus.cli.status.model import Cache, Health, Origin, Part, Service, Status
from isthmus.cli.status.on_bus import OnBus, Watched
from isthmus.cli.status.services import Asked, ask_gateway, ask_services, described
from isthmus.cli.status.target import Target

ERRORS: Final = 5
"""So many of the last are given."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a part beneath the services is doing, and why not well."""

    health: Health
    reason: str | None = None


class Looker:
    """Looks at a system, again and again; what it needs for that is kept from look to look."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._watched: Watched | None = None
        self._held: Held | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def look(self) -> Status:
        """Look at all parts, at the same time.

        Raises:
            NotRunning: there is no system.
            SettingsError: there is none, and the settings that should name one are wrong.
        """
        target = Target.find(self._data)
        watched, held = await self._of(target)
        on_bus, in_s3, gateway, asked = await asyncio.gather(
            watched.look(), held.look(), ask_gateway(target.run), ask_services(target.run)
        )
        beneath = {
            "nats": _Shape(on_bus.health, on_bus.reason),
            "s3": _Shape(in_s3.health, in_s3.reason),
            "gateway": _Shape(*gateway),
        }
        return _put_together(
            target.run,
            _services(target.run, asked, beneath),
            on_bus,
            in_s3,
            asked,
            self._data,
        )

    async def _of(self, target: Target) -> tuple[Watched, Held]:
        """Give what looks at a system; made anew where it is another one than the last time."""
        before = self._watched
        if before is not None and (before.target.nats, before.target.s3) != (target.nats, target.s3):
            await self._close()
        if self._watched is None or self._held is None:
            self._watched, self._held = Watched(target), Held(target.s3)
        return self._watched, self._held

    async def _close(self) -> None:
        if self._watched is not None:
            await self._watched.close()
        if self._held is not None:
            self._held.close()
        self._watched = self._held = None


def _services(run: RunFile, asked: Sequence[Asked], beneath: dict[str, _Shape]) -> Sequence[Service]:
    """Give all services in the order in which they start, with what each takes of the memory."""
    of_process = {(one.service.name, one.service.replica): one.service for one in asked}
    found: list[Service] = []
    for process in run.processes:
        if process.name in beneath:
            shape = beneath[process.name]
            found.append(described(process, shape.health, shape.reason))
        elif process.address is None:
            found.append(described(process, Health.RUNNING))
    known = {one.name for one in found}
    found += [
        described(ProcessPart(name=name), shape.health, shape.reason)
        for name, shape in beneath.items()
        if name not in known
    ]
    found += of_process.values()
    order = {process.name: place for place, process in enumerate(run.processes)}
    memory = memory_of({one.pid for one in found if one.pid is not None})
    return [
        replace(one, memory=memory.get(one.pid or 0))
        for one in sorted(found, key=lambda one: order.get(one.name, -1))
    ]


def _put_together(
    run: RunFile,
    services: Sequence[Service],
    on_bus: OnBus,
    in_s3: InS3,
    asked: Sequence[Asked],
    data: Path,
) -> Status:
    unknown = dict(on_bus.unknown)
    numbers = {one.service.label: one.numbers for one in asked if one.numbers is not None}
    if in_s3.studies is None:
        unknown[Part.CACHE] = "S3 does not answer"
    if not any(process.address for process in run.processes):
        unknown[Part.SERVICES] = "nothing says where they are: isthmus up does, in run.json"
    elif not numbers:
        unknown[Part.METRICS] = "no service tells its numbers"
    errors = last_errors(data, ERRORS)
    if errors is None:
        unknown[Part.ERRORS] = "isthmus up keeps them; elsewhere they are in the services' own logs"
    return Status(
        at=time.time(),
        services=services,
        origins=[_with_numbers(one, asked) for one in on_bus.origins],
        queues=on_bus.queues,
        cache=_cache(run, numbers.values(), in_s3),
        clients=_clients(numbers),
        dead_letters=on_bus.dead_letters,
        storage=on_bus.storage,
        errors=errors,
        unknown=unknown,
    )


def _with_numbers(origin: Origin, asked: Sequence[Asked]) -> Origin:
    """Say what its workers tell: whether one leaves it alone, and how many associations they have.

    That none leaves it alone, and how many there are, is known only where all that run have told.
    """
    worker = worker_of(origin.protocol)
    running = [one for one in asked if one.service.name == worker and one.service.health is not Health.AWAY]
    numbers = [one.numbers for one in running if one.numbers is not None]
    if any(origin.name in one.left_alone for one in numbers):
        origin = replace(origin, is_left_alone=True)
    if not running or len(numbers) < len(running):
        return origin
    return replace(
        origin,
        is_left_alone=bool(origin.is_left_alone),
        open_associations=sum(one.associations.get(origin.name, 0) for one in numbers),
    )


def _clients(numbers: Mapping[str, Numbers]) -> int | None:
    """Give how many clients scp has; None where it does not tell."""
    of_scp = [one.clients for label, one in numbers.items() if label.startswith("scp")]
    return sum(of_scp) if of_scp else None


def _cache(run: RunFile, numbers: Collection[Numbers], in_s3: InS3) -> Cache:
    studies = in_s3.studies
    return Cache(
        max((one.cache_bytes for one in numbers if one.cache_bytes is not None), default=None),
        run.cache.max_bytes,
        None if studies is None else studies.count,
        is_minimum=studies is not None and studies.is_minimum,
    )
