"""What is not well, the worst first, and where to look."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from isthmus.cli.status.model import Answer, Health, Part, Status
from isthmus.cli.status.words import age, counted
from isthmus.common.bus.backlog import Backlog, Queue

WELL: Final = "all is well"
_TITLES: Final = {"nats": "NATS", "s3": "S3", "gateway": "the gateway"}
_DEMO: Final = "demo-pacs"
_FULL: Final = 0.9
"""Of the room that NATS has; beyond that it is nearly full."""
_LATE_SECONDS: Final = {
    Queue.EVENTS: 60.0,
    Queue.STORE: 300.0,
    Queue.RETRIEVE: 600.0,
    Queue.COMMIT: 600.0,
    Queue.FORWARD: 600.0,
    Queue.WEBHOOKS: 600.0,
}
"""How old the oldest of a queue may be. Subscribers come when they like."""
_BULK: Final = "bulk"
"""The lane whose jobs may wait for hours."""


class Kind(StrEnum):
    """What can be wrong, the worst first."""

    NATS_AWAY = "nats-away"
    S3_AWAY = "s3-away"
    GATEWAY_AWAY = "gateway-away"
    SERVICE_AWAY = "service-away"
    SERVICE_NOT_READY = "service-not-ready"
    ORIGIN_NOT_SERVED = "origin-not-served"
    ORIGIN_AWAY = "origin-away"
    NOBODY_TAKES = "nobody-takes"
    QUEUE_LATE = "queue-late"
    STORAGE_FULL = "storage-full"
    DEAD_LETTERS = "dead-letters"
    NOT_TOLD = "not-told"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not well."""

    kind: Kind
    subject: str
    """Of which service, origin, queue or part it is."""
    text: str
    look_at: str
    """The command that tells more."""


def problems(status: Status) -> Sequence[Problem]:
    """Give all that is not well, the worst first."""
    found = (*_services(status), *_origins(status), *_queues(status), *_kept(status), *_not_told(status))
    order = [*Kind]
    return sorted(found, key=lambda one: order.index(one.kind))


def verdict(found: Sequence[Problem]) -> str:
    """Say in a line how the system is."""
    if not found:
        return WELL
    worst, *others = found
    more = f" (and {counted(len(others), 'problem')} more)" if others else ""
    return f"{worst.text}; look at: {worst.look_at}{more}"


def _services(status: Status) -> Iterator[Problem]:
    beneath = {"nats": Kind.NATS_AWAY, "s3": Kind.S3_AWAY, "gateway": Kind.GATEWAY_AWAY}
    for one in status.services:
        if one.health in (Health.READY, Health.RUNNING):
            continue
        away = Kind.SERVICE_NOT_READY if one.health is Health.NOT_READY else Kind.SERVICE_AWAY
        what = f"{_TITLES.get(one.name, one.label)} is {one.health}"
        text = f"{what}: {one.reason}" if one.reason else what
        yield Problem(beneath.get(one.name, away), one.label, text, "isthmus doctor")


def _origins(status: Status) -> Iterator[Problem]:
    if status_of(status, "nats") not in (None, Health.READY):
        return  # whether they answer cannot be known
    # It is there where the settings have no origin: the doctor knows none then.
    is_demo = status_of(status, _DEMO) is not None
    for one in status.origins:
        look_at = f"isthmus {'echo' if is_demo else 'doctor'} {one.name}"
        if one.answer is Answer.UNKNOWN:
            text = f"origin {one.name} cannot be asked: {one.reason}"
            yield Problem(Kind.ORIGIN_NOT_SERVED, one.name, text, look_at)
        elif one.answer in (Answer.AWAY, Answer.SILENT):
            text = f"origin {one.name} does not answer: {one.reason}"
            yield Problem(Kind.ORIGIN_AWAY, one.name, text, look_at)
        elif one.is_left_alone:
            text = f"origin {one.name} is left alone by a worker, because it did not answer"
            yield Problem(Kind.ORIGIN_AWAY, one.name, text, look_at)


def status_of(status: Status, name: str) -> Health | None:
    """Give how a service is that has one process; None if there is none."""
    return next((one.health for one in status.services if one.name == name), None)


def _queues(status: Status) -> Iterator[Problem]:
    for one in status.queues:
        title = queue_title(one)
        if one.waiting and not one.has_takers and one.queue in (Queue.RETRIEVE, Queue.STORE, Queue.EVENTS):
            text = f"{title}: nobody takes what waits ({counted(one.waiting, 'message')})"
            yield Problem(Kind.NOBODY_TAKES, title, text, "isthmus doctor")
        elif _is_late(one, status.at):
            text = (
                f"{title}: the oldest of {counted(one.length, 'message')} came {_waits(one, status.at)} ago"
            )
            look_at = "isthmus webhooks" if one.queue is Queue.WEBHOOKS else "isthmus doctor"
            yield Problem(Kind.QUEUE_LATE, title, text, look_at)


def queue_title(one: Backlog) -> str:
    """Name a queue as the screen does: what waits, and for whom."""
    return " ".join(filter(None, (str(one.queue), one.origin, one.lane, one.name)))


def _is_late(one: Backlog, now: float) -> bool:
    bound = None if one.lane == _BULK else _LATE_SECONDS.get(one.queue)
    return bound is not None and one.oldest is not None and now - one.oldest > bound


def _waits(one: Backlog, now: float) -> str:
    return age(now - (one.oldest or now))


def _kept(status: Status) -> Iterator[Problem]:
    storage = status.storage
    if storage is not None and storage.limit is not None and storage.used > _FULL * storage.limit:
        text = f"NATS has used {100 * storage.used / storage.limit:.0f} % of the room that it has on the disk"
        yield Problem(Kind.STORAGE_FULL, "storage", text, "isthmus doctor")
    letters = sum(status.dead_letters.values())
    if letters:
        to = ", ".join(sorted({name for _, name in status.dead_letters}))
        text = f"{counted(letters, 'dead letter')}, to {to}"
        yield Problem(Kind.DEAD_LETTERS, "dead letters", text, "isthmus dead")


_FOLLOWS: Final[dict[Part, Iterable[str]]] = {
    Part.CACHE: ("s3",),
    Part.QUEUES: ("nats",),
    Part.ASSOCIATIONS: ("nats",),
    Part.DEAD_LETTERS: ("nats",),
    Part.STORAGE: ("nats",),
}
"""Whose absence explains that a part is not told."""
_NO_PROBLEM: Final = (Part.NATS, Part.SERVICES, Part.METRICS, Part.ERRORS)
"""What is a problem by itself, or is told to nobody here, as in containers."""


def _not_told(status: Status) -> Iterator[Problem]:
    for part, why in status.unknown.items():
        causes = [status_of(status, name) for name in _FOLLOWS.get(part, ())]
        is_explained = any(cause not in (None, Health.READY) for cause in causes)
        if part not in _NO_PROBLEM and not is_explained:
            yield Problem(Kind.NOT_TOLD, part, f"{part} cannot be told: {why}", "isthmus doctor")
