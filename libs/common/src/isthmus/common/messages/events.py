"""Events for the outside world: CloudEvents 1.0 in JSON, in the stream EVENTS (docs/asyncapi.yaml).

This is public: fields may be added, none is renamed. What stands in `data` has the names of the fields here.
Patient data is in `attributes` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Generic, Literal, Self, TypeVar

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.messages.blobs import BlobRef

SPEC_VERSION: Final = "1.0"
"""Of CloudEvents."""


class EventType(StrEnum):
    """What happened."""

    INSTANCE_STORED = "instance.stored"
    STUDY_ARRIVED = "study.arrived"
    STUDY_AMENDED = "study.amended"


class Reason(StrEnum):
    """Why a study is thought to be there."""

    QUIET = "quiet"
    """Nothing came for the quiet time, and whoever sent has ended its associations."""
    COUNT = "count"
    """As many are there as the expected origin counts (C-FIND, Number of Study Related Instances)."""
    REPORTED = "reported"
    """All are there that the sender named (MPPS, Instance Availability Notification)."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Where the bytes are, in S3."""

    bucket: str
    key: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class InstanceBlob(Blob):
    """An instance of a study, as a Part 10 file."""

    series: str
    instance: str
    sop_class: str
    transfer_syntax: str
    digest: str
    """SHA-256 of the file, in hex."""

    @classmethod
    def of(cls, ref: BlobRef, digest: str) -> Self:
        """Describe what a blob ref refers to."""
        return cls(
            ref.bucket,
            ref.key,
            ref.size,
            ref.series_instance_uid,
            ref.sop_instance_uid,
            ref.sop_class_uid,
            ref.transfer_syntax_uid,
            digest,
        )

    def ref(self, study: str) -> BlobRef:
        """Refer to it, as an instance of its study."""
        return BlobRef(
            self.bucket,
            self.key,
            self.size,
            study,
            self.series,
            self.instance,
            self.sop_class,
            self.transfer_syntax,
        )


@dataclass(frozen=True, slots=True)
class InstanceEvent:
    """`instance.stored`: an instance is durable in S3."""

    origin: str
    """The inbox."""
    study: str
    series: str
    instance: str
    sop_class: str
    transfer_syntax: str
    digest: str
    blob: Blob
    url: str
    """Of its WADO-RS resource."""
    attributes: DicomJson
    """What searches match and give back of its study, its series and itself."""
    calling_ae_title: str | None = None
    """Who sent it over DIMSE."""
    association: str | None = None
    """A random id of the association it came over."""
    conflict: Literal["newest", "first"] | None = None
    """Another instance with this UID and other bytes was there: which of them is read from now on."""

    @property
    def ref(self) -> BlobRef:
        """Refer to the instance."""
        return BlobRef(
            self.blob.bucket,
            self.blob.key,
            self.blob.size,
            self.study,
            self.series,
            self.instance,
            self.sop_class,
            self.transfer_syntax,
        )


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """One series of a study."""

    series: str
    modality: str
    instances: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """`study.arrived` and `study.amended`."""

    origin: str
    """The inbox."""
    study: str
    revision: int
    """1 for the arrival, then one more for each amendment."""
    instances: int
    """In the whole study, now."""
    size: int
    """Bytes, likewise."""
    complete: Literal[True, "assumed"]
    """Whether somebody told how many there should be, and they are all there."""
    reason: Reason
    url: str
    """Of the study's WADO-RS resource."""
    series: tuple[SeriesCount, ...] | None
    """None where there are more than a message has room for."""
    modalities: Mapping[str, int]
    """Instances of each modality."""
    attributes: DicomJson
    """The study's, and its patient's."""
    blobs: tuple[InstanceBlob, ...] | None
    """The instances that are new since the last event of this study; None where they are in `manifest`."""
    manifest: Blob | None = None
    """A JSON array of the same, where they are too many for a message."""
    new_instances: int = 0
    """How many are new."""
    conflicts: tuple[str, ...] = ()
    """What does not agree: `patient` (more than one Patient ID), `instance` (a UID with several contents)."""
    calling_ae_titles: tuple[str, ...] = ()


D = TypeVar("D", InstanceEvent, StudyEvent)


@dataclass(frozen=True, slots=True)
class CloudEvent(Generic[D]):
    """An event with its context attributes (CloudEvents 1.0, 3)."""

    id: str
    """The same again for a repeat; also the Nats-Msg-Id."""
    type: EventType
    data: D
    time: str
    """When it happened: RFC 3339, as `timestamp` writes it."""
    traceparent: str | None = None
    """W3C trace context (the distributed tracing extension)."""

    @property
    def source(self) -> str:
        """The inbox's path."""
        return f"/aets/{self.data.origin}"

    @property
    def subject(self) -> str:
        """The Study Instance UID, or the instance's path below it."""
        data = self.data
        if isinstance(data, StudyEvent):
            return data.study
        return f"{data.study}/{data.series}/{data.instance}"


def timestamp(seconds: float) -> str:
    """Write a time, in seconds since 1970, as RFC 3339 does: in UTC, to the millisecond."""
    written = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return f"{written.removesuffix('+00:00')}Z"
