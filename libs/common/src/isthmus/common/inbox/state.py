"""What is known of a study in an inbox: one small record in KV, changed by compare-and-set.

Everyone may read it; `arrivals` and `web-scu` change it. The instances are listed in S3 (`contents`);
the record names that list, which is never written over, so that a change is seen as a whole or not at all.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from isthmus.common.bus import Bus
from isthmus.common.bus.buckets import bucket, bucket_errors
from isthmus.common.bus.streams import INBOXES_BUCKET
from isthmus.common.bus.subjects import token
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.messages import decode, encode


class Phase(StrEnum):
    """How far a study is."""

    COLLECTING = "collecting"
    """Something came since the last event, or there was none yet."""
    PUBLISHING = "publishing"
    """Its event is being published: whoever finds this after a crash publishes it again, with the same id."""
    SETTLED = "settled"
    """All that is there was announced."""


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """A series, for searches and counts."""

    uid: str
    attributes: DicomJson
    """Of the series' level."""
    instances: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where the study stands between its instances and its events."""

    phase: Phase = Phase.COLLECTING
    revision: int = 0
    """Of the last event: 0 before `study.arrived`."""
    announced: str | None = None
    """The contents that the last event told of."""
    last_stored: float = 0.0
    """Seconds since 1970."""
    associations: tuple[str, ...] = ()
    """Those that brought something and have not ended."""
    reports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Instances that the sender named, by report."""
    unfinished_reports: tuple[str, ...] = ()
    """Those of them that may name more."""
    event_id: str | None = None
    """While publishing."""
    event_after: int = 0
    """While publishing: the last sequence of EVENTS before."""
    calling_ae_titles: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyState:
    """The record of a study."""

    origin: str
    study: str
    life: int = 0
    """How often it was deleted: what comes again then is new, also to the stream of events."""
    contents: str | None = None
    """S3 key of the list of its instances; None where there are none."""
    instances: int = 0
    size: int = 0
    """Bytes."""
    attributes: DicomJson = field(default_factory=dict)
    """Of the study's level, as its newest instance has them."""
    series: tuple[SeriesSummary, ...] = ()
    arrival: Arrival = Arrival()


@dataclass(frozen=True, slots=True)
class Versioned:
    """A record as it was read."""

    state: StudyState
    revision: int
    """What `States.put` compares; 0 where there is none yet."""


class States:
    """The records of all studies of all inboxes."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bucket(bus, INBOXES_BUCKET)

    async def get(self, origin: str, study: str) -> Versioned:
        """Give the record of a study; an empty one where there is none.

        Raises:
            BusUnavailable: NATS is away.
            ContractError: the record is of another version.
        """
        with bucket_errors(INBOXES_BUCKET):
            try:
                entry = await self._bucket.get(_key(origin, study), validate_keys=False)
            except KeyNotFoundError:
                return Versioned(StudyState(origin, study), 0)
        return Versioned(decode(entry.value or b"", StudyState), entry.revision or 0)

    async def put(self, state: StudyState, revision: int) -> int | None:
        """Write a record and give its revision; None if it has changed since `revision` was read.

        Raises:
            BusUnavailable: NATS is away; nobody knows whether it was written.
        """
        key, value = _key(state.origin, state.study), encode(state)
        with bucket_errors(INBOXES_BUCKET):
            try:
                return await self._bucket.update(key, value, last=revision, validate_keys=False)
            except KeyWrongLastSequenceError:
                return None


def _key(origin: str, study: str) -> str:
    return f"{token(origin)}.{token(study)}"
