"""What `isthmus status` shows: how each part of a running system is doing, as far as it can be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from isthmus.cli.error_log import LoggedError
from isthmus.common.bus.backlog import Associations, Backlog, Storage


class Part(StrEnum):
    """What is asked, each for itself: where one cannot be told, the others are."""

    SERVICES = "services"
    NATS = "nats"
    QUEUES = "queues"
    ASSOCIATIONS = "associations"
    CACHE = "cache"
    DEAD_LETTERS = "dead_letters"
    STORAGE = "storage"
    METRICS = "metrics"
    ERRORS = "errors"


class Health(StrEnum):
    """How a service is doing."""

    READY = "ready"
    NOT_READY = "not ready"
    """It answers, and lacks something."""
    SILENT = "silent"
    """It runs, and does not answer."""
    AWAY = "away"
    """It does not run, or nobody listens where it should."""
    RUNNING = "running"
    """It runs; nothing more can be asked of it."""


class Answer(StrEnum):
    """What came of asking an origin."""

    ANSWERS = "answers"
    BUSY = "busy"
    """It was not asked in time, since all its associations are in use."""
    SILENT = "silent"
    """There is no answer yet."""
    AWAY = "away"
    """There was none, or one that it refuses us."""
    UNKNOWN = "unknown"
    """Nobody could be asked."""


@dataclass(frozen=True, slots=True)
class Service:
    """A replica of a service, or NATS, S3, the gateway or the demo PACS."""

    name: str
    replica: int
    """Which of several, from 1; 0: the only one."""
    health: Health
    reason: str | None = None
    """Why it is not ready."""
    pid: int | None = None
    since: float | None = None
    """When it was started: seconds since 1970."""
    restarts: int | None = None
    """None where nobody counts them."""
    memory: int | None = None
    """Bytes, with those of the processes that it started; None where it cannot be seen from here."""

    @property
    def label(self) -> str:
        """Its name, and which of several it is."""
        return f"{self.name}-{self.replica}" if self.replica else self.name


@dataclass(frozen=True, slots=True)
class Origin:
    """An origin, asked now."""

    name: str
    protocol: str
    answer: Answer
    latency_ms: float | None = None
    reason: str | None = None
    """Why it does not answer."""
    is_left_alone: bool | None = None
    """Whether a worker's circuit breaker is open; None where its workers do not tell."""
    associations: Associations | None = None
    """None where it has none, or nobody knows."""
    open_associations: int | None = None
    """Of all its workers; None where they do not tell."""


@dataclass(frozen=True, slots=True)
class Cache:
    """What is held of the origins."""

    bytes: int | None = None
    """As a worker saw it last, within the hour; None: nobody has looked yet."""
    max_bytes: int | None = None
    studies: int | None = None
    is_minimum: bool = False
    """Whether there are more studies than could be counted in time."""


@dataclass(frozen=True, slots=True)
class Status:
    """One look at a running system."""

    at: float
    """When: seconds since 1970."""
    services: Sequence[Service]
    origins: Sequence[Origin]
    queues: Sequence[Backlog]
    cache: Cache
    clients: int | None
    """Associations of DIMSE clients with scp; None where it is not known."""
    dead_letters: Mapping[tuple[str, str], int]
    """How many there are, by what they were and to whom they were to go."""
    storage: Storage | None
    """What NATS keeps on the disk."""
    errors: Sequence[LoggedError] | None
    """The last ones, the newest last; None where nobody keeps them."""
    unknown: Mapping[Part, str]
    """Why a part could not be told."""
