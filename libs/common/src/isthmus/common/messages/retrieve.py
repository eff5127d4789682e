"""Retrieving: the job, the facts that it publishes while it runs, and what a C-MOVE brings."""

from dataclasses import dataclass

from isthmus.common.messages.blobs import BlobRef
from isthmus.common.messages.codec import decode
from isthmus.common.messages.failure import Failure


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Bring a study, one of its series, or one instance into S3."""

    origin: str
    study: str
    series: str | None = None
    instance: str | None = None

    def covers(self, other: "Retrieve") -> bool:
        """Tell whether this job brings all that the other wants."""
        return (
            (self.origin, self.study) == (other.origin, other.study)
            and self.series in (None, other.series)
            and self.instance in (None, other.instance)
        )


@dataclass(frozen=True, slots=True)
class RetrieveStarted:
    """A worker took the job; after a crash there is a second one."""

    scope: Retrieve
    traceparent: str
    """W3C trace context of the transfer, for those who joined it."""


@dataclass(frozen=True, slots=True)
class InstanceReady:
    """An instance is in S3, whole."""

    blob: BlobRef


@dataclass(frozen=True, slots=True)
class MissingInstance:
    """An instance that the origin lists and did not deliver."""

    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Lacking:
    """What the origin lists and could not deliver before; published before any instance, if at all."""

    missing: tuple[MissingInstance, ...]
    failure: Failure
    unnamed: int = 0
    """How many more, for whose names the message has no room."""


@dataclass(frozen=True, slots=True)
class InstancesHeld:
    """Instances that an earlier job brought and that the origin still lists: a batch of at most 200."""

    blobs: tuple[BlobRef, ...]


@dataclass(frozen=True, slots=True)
class SeriesDone:
    """A series is at its end, while the rest of its study may still be on the way.

    It follows the `InstanceReady` and `InstancesHeld` of all its instances.
    """

    series: str
    completed: int
    """How many of its instances the generation named as ready or held."""
    missing: tuple[MissingInstance, ...] = ()
    failure: Failure | None = None
    """Why some or all are missing, or why nobody knows whether some are."""
    unnamed: int = 0
    """How many more are missing, for whose names the message has no room."""
    unlisted: bool = False
    """Whether the origin's list could not be had: more may be missing."""


@dataclass(frozen=True, slots=True)
class RetrieveDone:
    """The end of a generation."""

    completed: int
    """How many instances the generation named as ready or held."""
    missing: tuple[MissingInstance, ...]
    failure: Failure | None = None
    """Why some or all are missing."""
    unnamed: int = 0
    """How many more are missing, for whose names the message has no room."""
    confirmed: bool = False
    """Whether the catalogue had all that can be had, and the origin lists the same: read it there."""
    unlisted: bool = False
    """Whether the origin's list could not be had, or the job did not come to its end: more may be missing."""


RetrieveFact = RetrieveStarted | Lacking | InstancesHeld | InstanceReady | SeriesDone | RetrieveDone


def retrieve_fact(data: bytes) -> RetrieveFact:
    """Read one of the facts of a retrieve job."""
    return decode(data, RetrieveStarted, Lacking, InstancesHeld, InstanceReady, SeriesDone, RetrieveDone)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Bring a series, or one instance of it, before the rest of a job that runs."""

    series: str
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class AheadTaken:
    """The worker has taken note."""


@dataclass(frozen=True, slots=True)
class Received:
    """An instance that scp put into S3 because a C-MOVE of ours may have asked for it."""

    blob: BlobRef
    calling_ae_title: str


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """What scp answers to the C-STORE."""

    status: int
    """DIMSE status (PS3.4 B.2.3)."""
