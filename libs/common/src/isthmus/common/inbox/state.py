"""What is known of a study in an inbox, or in a bucket: a small record in KV, changed by compare-and-set.

Everyone may read it; `arrivals` and `web-scu` change it. The instances are listed in S3 (`contents`);
the record names that list, which is never written over, so that a change is seen as a whole or not at all.
"""

import zlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from isthmus.common.bus import Bus
from isthmus.common.bus.buckets import Records
from isthmus.common.bus.streams import INBOXES_BUCKET
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.errors import ContractError
from isthmus.common.messages import MissingInstance, decode, encode
from isthmus.common.messages.events import Reason

MOST_BYTES: Final = 1_000_000
"""Of a record: a message of NATS has room for 1 MiB, headers included."""
LARGE_BYTES: Final = 32 * 1024
"""A larger one is compressed; mostly it is a fifth then."""
COMPRESSION: Final = 6
_ZLIB: Final = b"\x78"
"""How zlib begins (RFC 1950), and no map of msgpack."""
_MODALITY: Final = tag_of("Modality")
SILENT_SECONDS: Final = 90.0
"""An association that brought nothing for so long counts as ended: its end may have got lost."""


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
class Publication:
    """An event of a study on its way into the stream."""

    id: str
    reason: Reason
    time: float
    """When it was decided: seconds since 1970."""
    after: int
    """A sequence of EVENTS before which it was not published."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where the study stands between its instances and its events."""

    phase: Phase = Phase.COLLECTING
    revision: int = 0
    """Of the last event: 0 before `study.arrived`."""
    announced: str | None = None
    """The contents that the last event told of."""
    publication: Publication | None = None
    """While publishing. The record changes to settled then, and in no other way, unless it is deleted."""
    last_stored: float = 0.0
    """Seconds since 1970, by the clock of NATS."""
    associations: dict[str, float] = field(default_factory=dict)
    """Those that brought something and have not ended, and when they last brought something.

    Of those that brought nothing in the `SILENT_SECONDS` before `last_stored` there is none.
    """
    ended: tuple[str, ...] = ()
    """Those that ended last: of one of them an instance may come to our knowledge later."""
    reports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By report, the instances that the sender named and that are not here yet."""
    unfinished_reports: tuple[str, ...] = ()
    """Those of them that may name more."""
    unnamed: int = 0
    """How many instances are here that no report named."""
    calling_ae_titles: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    patient_id: str | None = None
    """The first Patient ID that was found in it."""
    traceparent: str | None = None
    """W3C trace context of the last instance."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A deletion of which the blobs may not all be gone."""

    life: int
    """What was written in earlier lives goes."""
    instances: int
    """How many were taken out of the list."""
    series: str | None = None
    instance: str | None = None
    lists: tuple[str, ...] = ()
    """Lists of instances that no record names any more."""
    elsewhere: tuple[str, ...] = ()
    """Keys of other contents of what was deleted that lie in another series."""


@dataclass(frozen=True, slots=True)
class StudyState:
    """The record of a study."""

    origin: str
    study: str
    life: int = 0
    """How often it, or a part of it, was deleted: what comes again is new, also to the stream of events."""
    contents: str | None = None
    """S3 key of the list of its instances; None where there are none."""
    instances: int = 0
    size: int = 0
    """Bytes."""
    attributes: DicomJson = field(default_factory=dict)
    """Of the study's level, as its newest instance has them."""
    series: tuple[SeriesSummary, ...] = ()
    arrival: Arrival = Arrival()
    removals: tuple[Removal, ...] = ()
    """Deletions under way."""
    listing: str = ""
    """Of a study in a bucket: digest of what was listed when its instances were read."""
    missing: tuple[MissingInstance, ...] = ()
    """Of a study in a bucket: instances that are listed, by their keys, and are not given to us."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A record as it was read."""

    state: StudyState
    revision: int
    """What `States.put` compares; 0 where there is none yet."""


def written_record(state: StudyState) -> bytes:
    """Write a record as it is in its bucket: compressed if it is large.

    Where that is not enough, as for a study of many thousands of series, of these only UIDs, modalities and
    counts are kept.

    Raises:
        ContractError: it does not fit into a message all the same.
    """
    written = _compressed(state)
    if len(written) > MOST_BYTES:
        written = _compressed(replace(state, series=tuple(_without_attributes(one) for one in state.series)))
    if len(written) > MOST_BYTES:
        raise ContractError(
            f"record of a study: {len(state.series)} series take {len(written)} bytes,"
            f" and there is room for {MOST_BYTES}"
        )
    return written


def read_record(written: bytes) -> StudyState:
    """Read what `written_record` wrote.

    Raises:
        ContractError: it is of another version, or none.
    """
    if written[:1] == _ZLIB:
        try:
            written = zlib.decompress(written)
        except zlib.error:
            raise ContractError("record of a study: it cannot be decompressed") from None
    return decode(written, StudyState)


def _compressed(state: StudyState) -> bytes:
    written = encode(state)
    return written if len(written) <= LARGE_BYTES else zlib.compress(written, COMPRESSION)


def _without_attributes(series: SeriesSummary) -> SeriesSummary:
    kept = {tag: element for tag, element in series.attributes.items() if tag == _MODALITY}
    return replace(series, attributes=kept)


class States:
    """The records of all studies of all inboxes."""

    def __init__(self, bus: Bus) -> None:
        self._records = Records(bus, INBOXES_BUCKET)

    async def get(self, origin: str, study: str) -> Versioned:
        """Give the record of a study; an empty one where there is none.

        Raises:
            BusUnavailable: NATS is away.
            ContractError: the record is of another version.
        """
        record, revision = await self._records.read(origin, study)
        return Versioned(StudyState(origin, study) if record is None else read_record(record), revision)

    async def put(self, state: StudyState, revision: int) -> int | None:
        """Write a record and give its revision; None if it has changed since `revision` was read.

        Raises:
            BusUnavailable: NATS is away; nobody knows whether it was written.
            ContractError: it is larger than a message may be; it was not written.
        """
        return await self._records.write(written_record(state), revision, state.origin, state.study)
