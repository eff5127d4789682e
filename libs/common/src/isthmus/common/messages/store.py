"""Storing: the job, and what became of each instance."""

from dataclasses import dataclass

from isthmus.common.messages.blobs import BlobRef
from isthmus.common.messages.codec import decode
from isthmus.common.messages.failure import Failure


@dataclass(frozen=True, slots=True)
class Store:
    """Send instances to an origin."""

    origin: str
    job: str
    """Random: two equal requests are two jobs."""
    blobs: tuple[BlobRef, ...] = ()
    manifest: str | None = None
    """S3 key of the job with its refs (a `Store` without a manifest), where a message has no room."""


@dataclass(frozen=True, slots=True)
class InstanceStored:
    """The origin's answer for one instance."""

    index: int
    """Its place in the job."""
    sop_class_uid: str
    sop_instance_uid: str
    status: int
    """DIMSE status (PS3.4 B.2.3); 0110 where there was no answer, then `failure` says why."""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class StoreDone:
    """Every instance of the job has its `InstanceStored`, or there is why none has."""

    stored: int
    failed: int
    failure: Failure | None = None
    """Why the job was refused as a whole: nothing of it was sent."""


StoreFact = InstanceStored | StoreDone


def store_fact(data: bytes) -> StoreFact:
    """Read one of the facts of a store job."""
    return decode(data, InstanceStored, StoreDone)
